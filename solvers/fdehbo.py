import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import (
    assign,
    decay,
    descend,
    jit,
    kernel,
)
from benchmark_utils.functions.oracles import grad_z, gradients, project
from benchmark_utils.methods.estimators import like_point, recursive_estimate
from benchmark_utils.methods.linear_systems import project_on_ball
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Fully single-loop Finite-difference Hessian-free optimizer (FdeHBO).

    Y. Yang, P. Xiao, K. Ji, "Achieving O(eps^-1.5) complexity in
    Hessian/Jacobian-free stochastic bilevel optimization", NeurIPS 2023.

    FMBO where both products with second derivatives are central differences
    of gradients of G along v: first derivatives only. With ``eta=1`` and
    ``step_exponent=0`` it has neither momentum nor decay, and is HJFBiO: F.
    Huang, "Optimal Hessian/Jacobian-free nonconvex-PL bilevel optimization",
    ICML 2024.

    Differences and delta are those of a public code of HJFBiO. Not verified,
    as the paper's algorithm was not at hand: its constants, equal here for
    all three estimates, its radius, and whether eta_t goes with the step of
    this iteration or the one before.

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eta, step_exponent, radius
        As in FMBO.
    delta : float
        Half the length of the differences, relative to v.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "FdeHBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "eta": [0.5],
        "delta": [1e-5],
        "step_exponent": [1 / 3],
        "radius": [None],
        "eval_freq": [128],
    }
    search_space = {"eta": (0.1, 12.0)}

    constraints = {
        **BilevelSolver.constraints,
        "eta": checks.positive,
        "delta": checks.positive,
        "step_exponent": checks.in_unit_interval,
        "radius": checks.positive_or_none,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.empty_like, self.point))
        self.D = tuple(map(np.empty_like, self.point))
        self.ball = np.inf if self.radius is None else float(self.radius)

    def advance(self, n_iterations):
        fdehbo(self.G, self.F, self.inner_batches, self.outer_batches,
               self.point, self.previous, self.D, self.step_size,
               self.outer_ratio, self.eta, self.delta, self.step_exponent,
               self.ball, self.t, n_iterations)


@kernel
def difference_directions(G, F, i, j, point, delta, D, scratch):
    """``bilevel_directions``, with H v and C v by central differences."""
    z, v, x = point
    D_z, D_v, D_x = D
    (z_plus, g_plus, g2_plus), (z_minus, g_minus, g2_minus) = scratch
    for c in range(z.size):
        z_plus[c] = z[c] + delta * v[c]
        z_minus[c] = z[c] - delta * v[c]
    gradients(G, i, z_plus, x, g_plus, g2_plus)
    gradients(G, i, z_minus, x, g_minus, g2_minus)
    grad_z(G, i, z, x, D_z)
    gradients(F, j, z, x, D_v, D_x)
    for c in range(z.size):
        D_v[c] += (g_plus[c] - g_minus[c]) / (2.0 * delta)
    for c in range(x.size):
        D_x[c] += (g2_plus[c] - g2_minus[c]) / (2.0 * delta)


@jit
def fdehbo(G, F, inner_batches, outer_batches, point, previous, D, step_size,
           outer_ratio, eta, delta, exponent, radius, t_start, n_iterations):
    z, v, x = point
    D_z, D_v, D_x = D
    now, old = like_point(z, x), like_point(z, x)
    scratch = like_point(z, x), like_point(z, x)
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        if t == 0:
            difference_directions(G, F, i, j, point, delta, D, scratch)
        else:
            # D = D_ij(point) + (1 - eta_t) (D - D_ij(previous))
            difference_directions(G, F, i, j, point, delta, now, scratch)
            difference_directions(G, F, i, j, previous, delta, old, scratch)
            eta_t = min(1.0, decay(eta, t, 2.0 * exponent))
            for k in range(3):
                recursive_estimate(D[k], now[k], old[k], eta_t)

        for k in range(3):
            assign(previous[k], point[k])
        rho = decay(step_size, t, exponent)
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        project_on_ball(v, radius)
        descend(x, rho / outer_ratio, D_x)
        project(G, x)
