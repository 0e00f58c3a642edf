import numpy as np

from benchmark_utils.checks import positive
from benchmark_utils.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.estimators import (
    hypergradient_scratch,
    hypergradient_sum,
    recursive_estimate,
)
from benchmark_utils.methods.sampling import draw, draw_several
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
        Of z, and of the Neumann series.
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
        "eval_freq": [4],
    }

    constraints = {**BilevelSolver.constraints, "period_frac": positive}
    state_names = ("z", "x", "d_z", "d_x")

    def start(self):
        self.d_z, self.d_x = np.zeros_like(self.z), np.zeros_like(self.x)
        self.period = refresh_period(self.G, self.F, self.period_frac)

    def advance(self, n_iterations):
        vrbo(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.x, self.d_z, self.d_x, self.step_size,
             self.outer_ratio, self.period, self.n_inner_steps,
             self.n_neumann_steps, self.t, n_iterations)


@jit
def vrbo(G, F, inner_batches, outer_batches, z, x, d_z, d_x, step_size,
         outer_ratio, period, n_inner_steps, n_neumann_steps, t_start,
         n_iterations):
    g, g_old, z_old = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    E, E_old, x_old = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    series = np.empty(n_neumann_steps, np.int64)
    full_series = np.full(n_neumann_steps, FULL)
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        if t % period == 0:
            grad_z(G, FULL, z, x, d_z)
            hypergradient_sum(
                G, F, FULL, FULL, full_series, z, x, step_size, d_x, scratch)
        assign(z_old, z)
        assign(x_old, x)
        descend(x, gamma, d_x)
        project(G, x)

        # The last round only brings the estimates to the last z.
        for step in range(n_inner_steps + 1):
            i, k = draw(inner_batches), draw(inner_batches)
            j = draw(outer_batches)
            draw_several(inner_batches, series)
            grad_z(G, i, z, x, g)
            grad_z(G, i, z_old, x_old, g_old)
            recursive_estimate(d_z, g, g_old, 0.0)
            hypergradient_sum(
                G, F, k, j, series, z, x, step_size, E, scratch)
            hypergradient_sum(
                G, F, k, j, series, z_old, x_old, step_size, E_old, scratch)
            recursive_estimate(d_x, E, E_old, 0.0)

            assign(z_old, z)
            assign(x_old, x)
            if step < n_inner_steps:
                descend(z, rho, d_z)
