import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.oracles import cross, grad_x, grad_z, project
from benchmark_utils.methods.adaptive import cumulative_norm, first_squares
from benchmark_utils.methods.estimators import (
    bilevel_directions,
    inner_sgd,
    like_point,
    recursive_estimate,
)
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.linear_systems import dot
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Adaptive Bilevel Optimization (Ada-BiO).

    X. Gong, J. Hao, M. Liu, "Adaptive algorithms with sharp convergence rates
    for stochastic hierarchical optimization", NeurIPS 2025, algorithm 2.

    x makes steps of a given length along an average d of hypergradient
    estimates E, by Neumann series. The difference to an independent one, E',
    measures their noise: with S and U the sums of |E - E'|^2 and |g|^2, the
    weight of the new E is theta = alpha / sqrt(alpha^2 + S), the steps are
    gamma sqrt(theta' / (t + 1)), with S + U for S in theta', of x, and rho /
    sqrt(gamma_0^2 + U) of z. Without noise of E, d = E. x does not leave a
    ball of radius 2 gamma sqrt(t + 1).

    Nothing leaves U: where z starts far off, or the first steps of x are so
    long that z cannot follow, both slow down for good. Additions: steps of z
    before the first iteration; and ``adjoint="linear"``, SOBA's adjoint
    variable, with the steps of z, for the series.

    Not verified: the formulas, from the paper's text as others quote it. The
    authors' experiments divide by the root of the number of iterations, not
    of t + 1.

    Parameters
    ----------
    step_size : float
        rho.
    outer_ratio : float
        rho / gamma.
    batch_size : int or "full"
    alpha : float
        Has the unit of E.
    gamma_0 : float
        Has the unit of g.
    noise : {"independent", "successive"}
        E' is a second estimate, on other mini-batches, or, at half the cost
        and as in the authors' experiments, the last one.
    n_warm_up_steps : int
        Steps of z before the first iteration, of the size of those of the
        series; may be 0.
    adjoint : {"neumann", "linear"}
    n_neumann_steps : int
        Hessian-vector products in the Neumann series, 0 or more.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory. None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "Ada-BiO"

    parameters = {
        "step_size": [0.5], "outer_ratio": [0.32], "batch_size": [64],
        "alpha": [1.0], "gamma_0": [0.1], "noise": ["independent"],
        "n_warm_up_steps": [100], "adjoint": ["neumann"],
        "n_neumann_steps": [10], "neumann_step_size": [None],
        "eval_freq": [64]}
    search_space = {"outer_ratio": (0.1, 3.2),
                    "alpha": (0.01, 1.0),
                    "noise": ["independent", "successive"],
                    "adjoint": ["neumann", "linear"]}

    constraints = {
        **BilevelSolver.constraints,
        "alpha": checks.positive,
        "gamma_0": checks.positive,
        "noise": checks.one_of("independent", "successive"),
        "n_warm_up_steps": checks.n_steps_or_none,
        "adjoint": checks.one_of("neumann", "linear"),
        "n_neumann_steps": checks.n_steps_or_none,
    }
    state_names = ("z", "v", "x", "d")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.d, self.E = np.zeros_like(self.x), np.zeros_like(self.x)
        self.sums = first_squares(self.alpha, 0.0)  # alpha^2 + S, U

    def advance(self, n_iterations):
        ada_bio(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.v, self.x, self.d, self.E, self.sums,
                self.step_size, self.outer_ratio, self.alpha, self.gamma_0,
                self.noise == "independent", self.n_warm_up_steps,
                self.adjoint == "linear", self.n_neumann_steps,
                self.series_step_size, self.t, n_iterations)


@jit
def ada_bio(G, F, inner_batches, outer_batches, z, v, x, d, E_old, sums, rho,
            outer_ratio, alpha, gamma_0, independent, n_warm_up_steps, linear,
            n_neumann_steps, eta, t_start, n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    series, factors = (hypergradient_scratch(z, x),
                       np.empty(n_neumann_steps, np.int64))
    (g, D_v, E), (_, _, f2) = D, scratch
    if t_start == 0:
        inner_sgd(G, inner_batches, z, x, eta, n_warm_up_steps, g)
    for t in range(t_start, t_start + n_iterations):
        if linear:
            i, j = draw(inner_batches), draw(outer_batches)
            # g = g_i,  D_v = H_i v + f1_j,  E = C_i v + f2_j
            bilevel_directions(G, F, i, j, point, D, scratch)
            if independent:
                cross(G, draw(inner_batches), z, x, v, E_old)
                grad_x(F, draw(outer_batches), z, x, f2)
                descend(E_old, -1.0, f2)
        else:
            grad_z(G, draw(inner_batches), z, x, g)
            blocks = draw_sum(inner_batches, outer_batches, factors)
            hypergradient(G, F, blocks, factors, z, x, eta, E, series)
            if independent:
                blocks = draw_sum(inner_batches, outer_batches, factors)
                hypergradient(G, F, blocks, factors, z, x, eta, E_old, series)
        if t == 0 and not independent:
            assign(E_old, E)

        descend(E_old, 1.0, E)
        theta = alpha / cumulative_norm(sums, 0, E_old)
        cumulative_norm(sums, 1, g)
        U = sums[1]
        # d = (1 - theta) d + theta E: old and new estimate coincide.
        recursive_estimate(d, E, E, theta if t > 0 else 1.0)

        norm = np.sqrt(dot(d, d))
        if norm != 0.0:
            theta = alpha / np.sqrt(sums[0] + U)
            gamma = rho / outer_ratio * np.sqrt(theta / (t + 1.0))
            descend(x, gamma / norm, d)
            project(G, x)
        assign(E_old, E)
        step = rho / np.sqrt(gamma_0 ** 2 + U)
        descend(z, step, g)
        if linear:
            descend(v, step, D_v)
