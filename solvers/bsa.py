import numpy as np

from benchmark_utils.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import (
    hypergradient_product,
    hypergradient_scratch,
    inner_sgd,
)
from benchmark_utils.methods.sampling import draw, draw_below, draw_several
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Bilevel Stochastic Approximation (BSA).

    S. Ghadimi, M. Wang, "Approximation methods for bilevel programming",
    arXiv:1802.02246, 2018.

    At each iteration, stochastic gradient steps on z, then one step on x
    whose hypergradient estimate is a Neumann series cut at a random length.
    Both step sizes decrease as (t + 1)^(-1/2).

    In the paper, each inner loop starts from the same point, grows longer
    with t and has its own decreasing steps. Here it starts from the last z,
    as in the later papers that compare with BSA, and its length is fixed, as
    is the greatest length of the Neumann series.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration, and of the Neumann series throughout.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Stochastic gradient steps on z at each iteration.
    n_neumann_steps : int
        Number K of terms in the mean of the Neumann series, whose length is
        drawn from 0, ..., K - 1.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "BSA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "n_inner_steps": [10],
        "n_neumann_steps": [10],
        "eval_freq": [64],
    }

    def advance(self, n_iterations):
        bsa(self.G, self.F, self.inner_batches, self.outer_batches,
            self.z, self.x, self.step_size, self.outer_ratio,
            self.n_inner_steps, self.n_neumann_steps, self.t, n_iterations)


@jit
def bsa(G, F, inner_batches, outer_batches, z, x, step_size, outer_ratio,
        n_inner_steps, n_neumann_steps, t_start, n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    term = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        rho = decay(step_size, t, 0.5)
        inner_sgd(G, inner_batches, z, x, rho, n_inner_steps, g)

        # E = f2_j - eta K C_i prod_{k=1}^{q} (I - eta H_{i_k}) f1_j
        j = draw(outer_batches)
        q = draw_below(inner_batches.rng, n_neumann_steps)
        draw_several(inner_batches, term[:q])
        i = draw(inner_batches)
        hypergradient_product(
            G, F, i, j, term[:q], z, x, step_size, n_neumann_steps, E,
            scratch)
        descend(x, rho / outer_ratio, E)
        project(G, x)
