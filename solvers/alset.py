import numpy as np

from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.hypergradients import (
    draw_term,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """ALternating Stochastic gradient dEscenT (ALSET).

    T. Chen, Y. Sun, W. Yin, "Closing the gap: tighter analysis of alternating
    stochastic gradient methods for bilevel problems", NeurIPS 2021.

    At each iteration, stochastic gradient steps on z from its last value,
    then one step on x whose hypergradient estimate is a Neumann series cut at
    a random length. Both step sizes decrease as (t + 1)^(-1/2). The loops
    are those of BSA, with a warm start and a fixed length.

    What differs from the paper: it draws the number of factors from 1, ...,
    K, here it is from 0, ..., K - 1, as in TTSA, so that the mean of the
    estimate has the first term of the series, f1 itself; K grows there as
    log(t), here it is fixed; its step sizes are set by the number of
    iterations and kept, here they decrease.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Stochastic gradient steps on z at each iteration.
    n_neumann_steps : int
        Number K of terms in the mean of the Neumann series, whose length is
        drawn from 0, ..., K - 1.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "ALSET"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "n_inner_steps": [10],
        "n_neumann_steps": [10],
        "neumann_step_size": [None],
        "eval_freq": [64],
    }
    search_space = {"n_inner_steps": (1, 10),
                    "n_neumann_steps": (10, 100)}

    def advance(self, n_iterations):
        alset(self.G, self.F, self.inner_batches, self.outer_batches,
              self.z, self.x, self.step_size, self.outer_ratio,
              self.series_step_size, self.n_inner_steps, self.n_neumann_steps,
              self.t, n_iterations)


@jit
def alset(G, F, inner_batches, outer_batches, z, x, step_size, outer_ratio,
          eta, n_inner_steps, n_neumann_steps, t_start, n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        rho = decay(step_size, t, 0.5)
        inner_sgd(G, inner_batches, z, x, rho, n_inner_steps, g)

        # E = f2_j - eta K C_i prod_{k=1}^{q} (I - eta H_{i_k}) f1_j
        blocks = draw_term(inner_batches, outer_batches, factors)
        hypergradient(G, F, blocks, factors, z, x, eta, E, scratch)
        descend(x, rho / outer_ratio, E)
        project(G, x)
