"""A new solver, as a contributor would write it, for tests of the tools."""
import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_directions, like_point
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Heavy ball on the directions of SOBA.

    B. T. Polyak, "Some methods of speeding up the convergence of iteration
    methods", USSR Comput. Math. Math. Phys. 4(5), 1964.

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    beta : float
        What is left of the last move.
    batch_size : int or "full"
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "HeavyBall"

    parameters = {
        "step_size": [0.1],
        "outer_ratio": [1.0],
        "beta": [0.9],
        "batch_size": [64],
        "eval_freq": [256],
    }
    search_space = {"beta": [0.5, 0.9]}

    constraints = {**BilevelSolver.constraints,
                   "beta": checks.in_unit_interval}
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.moves = like_point(self.z, self.x)
        for move in self.moves:
            move[:] = 0.0

    def advance(self, n_iterations):
        heavy_ball(self.G, self.F, self.inner_batches, self.outer_batches,
                   self.z, self.v, self.x, self.moves, self.step_size,
                   self.outer_ratio, self.beta, self.t, n_iterations)


@jit
def heavy_ball(G, F, inner_batches, outer_batches, z, v, x, moves, step_size,
               outer_ratio, beta, t_start, n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        bilevel_directions(G, F, i, j, point, D, scratch)

        # m = beta m + D
        for k in range(3):
            descend(moves[k], 1.0 - beta, moves[k])
            descend(moves[k], -1.0, D[k])
        rho = decay(step_size, t, 0.5)
        descend(z, rho, moves[0])
        descend(v, rho, moves[1])
        descend(x, rho / outer_ratio, moves[2])
        project(G, x)
