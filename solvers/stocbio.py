import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Stochastic Bilevel Optimizer (StocBiO).

    K. Ji, J. Yang, Y. Liang, "Bilevel optimization: convergence analysis and
    enhanced design", ICML 2021.

    At each iteration, stochastic gradient steps on z from its last value,
    then one step on x whose hypergradient estimate is a Neumann series of
    fixed length, with a fresh mini-batch for each factor. Step sizes are
    constant.

    The paper takes larger batches for the first factors of the series; here
    all batches have one size. Without factors, this is one-step
    differentiation (J. Bolte, E. Pauwels, S. Vaiter, NeurIPS 2023).

    Parameters
    ----------
    step_size : float
        Of z.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Stochastic gradient steps on z at each iteration.
    n_neumann_steps : int
        Hessian-vector products in the Neumann series, 0 or more.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
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
        "neumann_step_size": [None],
        "eval_freq": [64],
    }
    search_space = {"n_inner_steps": (1, 10),
                    "n_neumann_steps": (1, 100)}

    constraints = {
        **BilevelSolver.constraints,
        "n_neumann_steps": checks.n_steps_or_none,
    }

    def advance(self, n_iterations):
        stocbio(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.x, self.step_size, self.outer_ratio,
                self.series_step_size, self.n_inner_steps,
                self.n_neumann_steps, n_iterations)


@jit
def stocbio(G, F, inner_batches, outer_batches, z, x, step_size, outer_ratio,
            eta, n_inner_steps, n_neumann_steps, n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        inner_sgd(G, inner_batches, z, x, rho, n_inner_steps, g)

        # E = f2_j - eta C_i sum_{q=0}^{K} prod_{k=1}^{q} (I - eta H_{i_k})
        #     f1_j
        blocks = draw_sum(inner_batches, outer_batches, factors)
        hypergradient(G, F, blocks, factors, z, x, eta, E, scratch)
        descend(x, gamma, E)
        project(G, x)
