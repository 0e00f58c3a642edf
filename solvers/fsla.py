import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import (
    assign,
    decay,
    descend,
    jit,
    kernel,
)
from benchmark_utils.functions.oracles import (
    cross,
    grad_x,
    grad_z,
    hvp,
    project,
)
from benchmark_utils.methods.estimators import recursive_estimate
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Fully Single Loop Algorithm (FSLA).

    J. Li, B. Gu, H. Huang, "A fully single loop algorithm for bilevel
    optimization without Hessian inverse", AAAI 2022.

    One step on the inner variable, then one on the adjoint variable at the
    new z, then one on the outer variable at the new z and v, each on fresh
    mini-batches and with steps decreasing as (t + 1)^(-1/2). The direction of
    x is a recursive momentum estimate (STORM).

    Not verified, as the paper's algorithm was not at hand: whether z and v
    have such estimates too. Dagréou et al. (NeurIPS 2022) write that all
    three directions have; their public code has it for x alone, as here, and
    the order that the paper proves is the one without variance reduction.

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eta : float
        The momentum keeps 1 - eta_t of the past direction, where
        eta_t = min(1, eta (t + 1)^(-1/2)).
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "FSLA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "eta": [0.5],
        "eval_freq": [256],
    }
    search_space = {"eta": (0.5, 60.0)}

    constraints = {**BilevelSolver.constraints, "eta": checks.positive}
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.d = np.zeros_like(self.x)
        # (z, v, x) where d was last updated.
        self.previous = tuple(
            map(np.empty_like, (self.z, self.v, self.x)))

    def advance(self, n_iterations):
        fsla(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.v, self.x, self.d, self.previous, self.step_size,
             self.outer_ratio, self.eta, self.t, n_iterations)


@kernel
def outer_direction(G, F, i, j, z, v, x, D_x, f2):
    """D_x = C_i v + f2_j."""
    cross(G, i, z, x, v, D_x)
    grad_x(F, j, z, x, f2)
    for c in range(x.size):
        D_x[c] += f2[c]


@jit
def fsla(G, F, inner_batches, outer_batches, z, v, x, d, previous, step_size,
         outer_ratio, eta, t_start, n_iterations):
    z_old, v_old, x_old = previous
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    e, e_old, f2 = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for t in range(t_start, t_start + n_iterations):
        rho = decay(step_size, t, 0.5)
        grad_z(G, draw(inner_batches), z, x, g)
        descend(z, rho, g)

        hvp(G, draw(inner_batches), z, x, v, Hv)
        grad_z(F, draw(outer_batches), z, x, f1)
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)

        # d = e + (1 - eta_t) (d - e_old), both on the same batches
        i, j = draw(inner_batches), draw(outer_batches)
        outer_direction(G, F, i, j, z, v, x, e, f2)
        if t == 0:
            assign(d, e)
        else:
            outer_direction(G, F, i, j, z_old, v_old, x_old, e_old, f2)
            eta_t = min(1.0, decay(eta, t, 0.5))
            recursive_estimate(d, e, e_old, eta_t)

        assign(z_old, z)
        assign(v_old, v)
        assign(x_old, x)
        descend(x, rho / outer_ratio, d)
        project(G, x)
