import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import like_point
from benchmark_utils.methods.memory import (
    check_saga,
    empty_memory,
    fill_inner,
    fill_outer,
    saga_directions,
    saga_gradients,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Stochastic Average Bilevel Algorithm (SABA).

    M. Dagréou, P. Ablin, S. Vaiter, T. Moreau, "A framework for bilevel
    optimization that enables stochastic and global variance reduction
    algorithms", NeurIPS 2022.

    SOBA with constant steps, where each of the five quantities in its
    directions is estimated as in SAGA, from a memory of its last value on
    every mini-batch.

    In a linear model (sparse or multinomial logistic regression) the memory is
    not a vector for each mini-batch but numbers of each sample, one for a
    binary label, one a class for others: an iteration on sparse data costs
    O(non-zeros of the mini-batches + p). The one difference: what comes from
    the penalty is not estimated but computed at the present point. Tables of
    vectors remember it with the rest, which adds only a lag.

    With ``theta`` below 1, x moves along a moving average of its directions
    (MA-SABA: T. Chu, D. Xu, W. Yao, J. Zhang, ICML 2024, whose code has 0.2).

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    memory_init : {"full", "zero"}
        Fill the memory with one pass over the data at the start, or with
        zeros.
    theta : float in (0, 1]
        Weight of the new direction of x in its moving average.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SABA"

    parameters = {
        "step_size": [0.25],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "memory_init": ["full"],
        "theta": [1.0],
        "eval_freq": [256],
    }
    search_space = {"memory_init": ["full", "zero"], "theta": (0.2, 1.0)}

    constraints = {
        **BilevelSolver.constraints,
        "memory_init": checks.one_of("full", "zero"),
        "theta": checks.fraction,
    }
    state_names = ("z", "v", "x")

    def set_objective(self, problem):
        super().set_objective(problem)
        p, d = problem.inner_dim, problem.outer_dim
        self.inner_sizes, self.outer_sizes = (p, p, d), (p, d)
        check_saga([(self.G, self.inner_sizes), (self.F, self.outer_sizes)],
                   self.batch_size)

    def start(self):
        self.v, self.d = np.zeros_like(self.z), np.zeros_like(self.x)
        self.inner_memory = empty_memory(self.G, self.inner_sizes)
        self.outer_memory = empty_memory(self.F, self.outer_sizes)
        if self.memory_init == "full":
            fill_inner(self.G, self.z, self.v, self.x, self.inner_memory)
            fill_outer(self.F, self.z, self.x, self.outer_memory)

    def advance(self, n_iterations):
        saba(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.v, self.x, self.d, self.inner_memory,
             self.outer_memory, self.step_size, self.outer_ratio, self.theta,
             n_iterations)


@jit
def saba(G, F, inner_batches, outer_batches, z, v, x, d, inner_memory,
         outer_memory, step_size, outer_ratio, theta, n_iterations):
    (g, Hv, Cv), (f1, _, f2) = like_point(z, x), like_point(z, x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        saga_directions(G, i, (z, v, x), inner_memory, (g, Hv, Cv))
        saga_gradients(F, j, z, x, outer_memory, (f1, f2))

        descend(z, rho, g)  # D_z
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)
        for c in range(x.size):  # d = (1 - theta) d + theta D_x
            D_x = Cv[c] + f2[c]
            d[c] = D_x + (1.0 - theta) * (d[c] - D_x)
            x[c] -= gamma * d[c]
        project(G, x)
