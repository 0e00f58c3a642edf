import numpy as np

from benchmark_utils.compiling.compiled import assign, decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.hypergradients import (
    draw_term,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Bilevel Stochastic Approximation (BSA).

    S. Ghadimi, M. Wang, "Approximation methods for bilevel programming",
    arXiv:1802.02246, 2018.

    At each iteration, stochastic gradient steps on z, then one step on x
    whose hypergradient estimate is a Neumann series cut at a random length.
    The step size of x decreases as (t + 1)^(-1/2).

    Each inner loop starts from the start of the problem and grows longer, as
    in the paper: ceil(L sqrt(t + 1)) steps. With a warm start and a fixed
    length what runs is ALSET. The paper's steps in the loop are of order
    1 / (mu (s + 1)), with mu the strong convexity of G, which is not known
    here: they decrease as (s + 1)^(-1/2). Its constants could not be
    verified. The greatest length of the Neumann series is fixed.

    Parameters
    ----------
    step_size : float
        Of z at the first step of each inner loop.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        L: stochastic gradient steps on z at the first iteration.
    n_neumann_steps : int
        Number K of terms in the mean of the Neumann series, whose length is
        drawn from 0, ..., K - 1.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
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
        "neumann_step_size": [None],
        "eval_freq": [64],
    }
    search_space = {"n_inner_steps": (1, 10),
                    "n_neumann_steps": (10, 100)}

    def start(self):
        self.z_start = self.z.copy()

    def advance(self, n_iterations):
        bsa(self.G, self.F, self.inner_batches, self.outer_batches,
            self.z, self.z_start, self.x, self.step_size, self.outer_ratio,
            self.series_step_size, self.n_inner_steps, self.n_neumann_steps,
            self.t, n_iterations)


@jit
def bsa(G, F, inner_batches, outer_batches, z, z_start, x, step_size,
        outer_ratio, eta, n_inner_steps, n_neumann_steps, t_start,
        n_iterations):
    g, E = np.empty_like(z), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        assign(z, z_start)
        for s in range(np.int64(np.ceil(n_inner_steps * np.sqrt(t + 1.0)))):
            grad_z(G, draw(inner_batches), z, x, g)
            descend(z, decay(step_size, s, 0.5), g)

        # E = f2_j - eta K C_i prod_{k=1}^{q} (I - eta H_{i_k}) f1_j
        blocks = draw_term(inner_batches, outer_batches, factors)
        hypergradient(G, F, blocks, factors, z, x, eta, E, scratch)
        descend(x, decay(step_size / outer_ratio, t, 0.5), E)
        project(G, x)
