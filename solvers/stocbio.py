import numpy as np

from benchmark_utils.compiled import descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import (
    hypergradient_scratch,
    hypergradient_sum,
    inner_sgd,
)
from benchmark_utils.methods.sampling import draw, draw_several
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Stochastic Bilevel Optimizer (StocBiO).

    K. Ji, J. Yang, Y. Liang, "Bilevel optimization: convergence analysis and
    enhanced design", ICML 2021.

    At each iteration, stochastic gradient steps on z from its last value,
    then one step on x whose hypergradient estimate is a Neumann series of
    fixed length, with a fresh mini-batch for each factor. Step sizes are
    constant.

    The paper takes larger batches for the first factors of the series, and
    its own step size for the series; here all batches have one size and the
    series has the step size of z.

    Parameters
    ----------
    step_size : float
        Of z and of the Neumann series.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Stochastic gradient steps on z at each iteration.
    n_neumann_steps : int
        Hessian-vector products in the Neumann series.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "StocBiO"

    parameters = {
        "step_size": [0.4],
        "outer_ratio": [4.0],
        "batch_size": [64],
        "n_inner_steps": [10],
        "n_neumann_steps": [10],
        "eval_freq": [64],
    }

    def advance(self, n_iterations):
        stocbio(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.x, self.step_size, self.outer_ratio,
                self.n_inner_steps, self.n_neumann_steps, n_iterations)


@jit
def stocbio(G, F, inner_batches, outer_batches, z, x, step_size, outer_ratio,
            n_inner_steps, n_neumann_steps, n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    series = np.empty(n_neumann_steps, np.int64)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        inner_sgd(G, inner_batches, z, x, rho, n_inner_steps, g)

        # E = f2_j - eta C_i sum_{q=0}^{K} prod_{k=1}^{q} (I - eta H_{i_k})
        #     f1_j
        j = draw(outer_batches)
        draw_several(inner_batches, series)
        i = draw(inner_batches)
        hypergradient_sum(G, F, i, j, series, z, x, rho, E, scratch)
        descend(x, gamma, E)
        project(G, x)
