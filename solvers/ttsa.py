import numpy as np

from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.hypergradients import (
    draw_term,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Two-Timescale Stochastic Approximation (TTSA).

    M. Hong, H.-T. Wai, Z. Wang, Z. Yang, "A two-timescale stochastic
    algorithm framework for bilevel optimization: complexity analysis and
    application to actor-critic", SIAM Journal on Optimization, 2023.

    One stochastic gradient step on z, then one step on x at the new z, whose
    hypergradient estimate is a Neumann series cut at a random length. The
    steps decrease as (t + 1)^(-2/5) for z and as (t + 1)^(-3/5) for x, so
    that z is ever faster than x.

    The paper lets the greatest length of the series grow as log(t); here it
    is fixed.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x, at the first iteration.
    batch_size : int or "full"
    n_neumann_steps : int
        Number K of terms in the mean of the Neumann series, whose length is
        drawn from 0, ..., K - 1.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "TTSA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.5],
        "batch_size": [64],
        "n_neumann_steps": [10],
        "neumann_step_size": [None],
        "eval_freq": [128],
    }
    search_space = {"n_neumann_steps": (10, 100)}

    def advance(self, n_iterations):
        ttsa(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.x, self.step_size, self.outer_ratio,
             self.series_step_size, self.n_neumann_steps, self.t,
             n_iterations)


@jit
def ttsa(G, F, inner_batches, outer_batches, z, x, step_size, outer_ratio,
         eta, n_neumann_steps, t_start, n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        grad_z(G, draw(inner_batches), z, x, g)
        descend(z, decay(step_size, t, 2.0 / 5.0), g)

        # E = f2_j - eta K C_i prod_{k=1}^{q} (I - eta H_{i_k}) f1_j
        blocks = draw_term(inner_batches, outer_batches, factors)
        hypergradient(G, F, blocks, factors, z, x, eta, E, scratch)
        descend(x, decay(step_size / outer_ratio, t, 3.0 / 5.0), E)
        project(G, x)
