import numpy as np

from benchmark_utils.checks import positive
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    recursive_hypergradient,
    recursive_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.sarah import refresh_period
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Variance Reduction Bilevel Optimizer (VRBO).

    J. Yang, K. Ji, Y. Liang, "Provably faster algorithms for bilevel
    optimization", NeurIPS 2021.

    Two loops with SARAH on both levels: the gradient of G and the
    hypergradient, by a Neumann series of fixed length, are computed on all
    samples every q-th outer iteration, and in between follow z and x by
    mini-batch differences: one before every inner step, and one after the
    last. The paper's large batch for the former is here all samples.

    Parameters
    ----------
    step_size : float
        Of z.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
        Of each of the ``n_neumann_steps`` + 3 batches of an inner step.
    period_frac : float
        q, in outer iterations, relative to the number of batches of G and F
        together; q is at least 1.
    n_inner_steps : int
        Steps on z for one step on x.
    n_neumann_steps : int
        Factors of the last term of the Neumann series.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
    eval_freq : int
        Outer iterations between two callbacks.
    """

    name = "VRBO"

    parameters = {
        "step_size": [0.5],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "period_frac": [0.01],
        "n_inner_steps": [10],
        "n_neumann_steps": [10],
        "neumann_step_size": [None],
        "eval_freq": [4],
    }
    search_space = {"period_frac": (0.1, 1.0),
                    "n_neumann_steps": (10, 100)}
    # Of a period of one, its outer steps are those of gradient descent.
    least = {"period_frac": 0.1}

    constraints = {**BilevelSolver.constraints, "period_frac": positive}
    state_names = ("z", "x", "d_z", "d_x")

    def start(self):
        self.point = (self.z, self.x)
        self.previous = tuple(map(np.empty_like, self.point))
        self.d = self.d_z, self.d_x = tuple(map(np.zeros_like, self.point))
        self.period = refresh_period(self.G, self.F, self.period_frac)

    def advance(self, n_iterations):
        vrbo(self.G, self.F, self.inner_batches, self.outer_batches,
             self.point, self.previous, self.d, self.step_size,
             self.outer_ratio, self.series_step_size, self.period,
             self.n_inner_steps, self.n_neumann_steps, self.t, n_iterations)


@jit
def vrbo(G, F, inner_batches, outer_batches, point, previous, d, step_size,
         outer_ratio, series_step_size, period, n_inner_steps,
         n_neumann_steps, t_start, n_iterations):
    (z, x), (z_old, x_old), (d_z, d_x) = point, previous, d
    scratch = recursive_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    full_factors = np.full(n_neumann_steps, FULL)
    on_all_samples = FULL, FULL, n_neumann_steps, 0
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        if t % period == 0:
            grad_z(G, FULL, z, x, d_z)
            hypergradient(G, F, on_all_samples, full_factors, z, x,
                          series_step_size, d_x, scratch[2])
        assign(z_old, z)
        assign(x_old, x)
        descend(x, gamma, d_x)
        project(G, x)

        # The last round only brings the estimates to the last z.
        for step in range(n_inner_steps + 1):
            i = draw(inner_batches)
            blocks = draw_sum(inner_batches, outer_batches, factors)
            # d += estimate(z, x) - estimate(z_old, x_old)
            recursive_hypergradient(
                G, F, i, blocks, factors, point, previous, d,
                series_step_size, 0.0, scratch)
            assign(z_old, z)
            assign(x_old, x)
            if step < n_inner_steps:
                descend(z, rho, d_z)
