import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import (
    bilevel_directions,
    inner_sgd,
    like_point,
    recursive_estimate,
)
from benchmark_utils.methods.linear_systems import dot
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Single Loop bIlevel oPtimizer (SLIP).

    X. Gong, J. Hao, M. Liu, "A nearly optimal single loop algorithm for
    stochastic bilevel optimization under unbounded smoothness", ICML 2024.

    SOBA with constant steps, where the outer variable makes steps of a fixed
    length along a moving average of its mini-batch directions: neither where
    h is steep nor where it is flat does the gradient say how far to go. The
    inner variable makes a few steps alone at the start. As steps of x never
    get shorter, x ends within their length of a stationary point; and where a
    penalty e^x holds its z at 0 already, this x goes on until the steps of z
    are too long for it: the run then diverges, and shorter steps are needed.

    Not verified, as the paper's algorithm was not at hand: that the average
    starts at 0, and that z, v and x move at once on one pair of batches, as
    in SOBA. The authors' code has one batch for each derivative, and takes
    f1 and C v at the new z and v. Their steps of z and v differ.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        ``step_size`` divided by the length of each step of x.
    batch_size : int or "full"
    theta : float
        Weight of the new direction in the average, in (0, 1].
    n_warm_up_steps : int
        Steps of z before the first iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SLIP"

    parameters = {
        "step_size": [0.1],
        "outer_ratio": [300.0],
        "batch_size": [64],
        "theta": [0.1],
        "n_warm_up_steps": [3],
        "eval_freq": [256],
    }

    constraints = {
        **BilevelSolver.constraints,
        "theta": checks.fraction,
        "n_warm_up_steps": checks.n_steps,
    }
    # outer_ratio makes a length here: not the ratios of other methods.
    search_space = {
        "theta": (0.01, 1.0),
        "outer_ratio": (10.0, 3000.0),
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.d = np.zeros_like(self.x)

    def advance(self, n_iterations):
        slip(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.v, self.x, self.d, self.step_size,
             self.outer_ratio, self.theta, self.n_warm_up_steps, self.t,
             n_iterations)


@jit
def slip(G, F, inner_batches, outer_batches, z, v, x, d, step_size,
         outer_ratio, theta, n_warm_up_steps, t_start, n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    D_z, D_v, D_x = D
    if t_start == 0:
        inner_sgd(G, inner_batches, z, x, step_size, n_warm_up_steps, D_z)
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        # D_z = g_i,  D_v = H_i v + f1_j,  D_x = C_i v + f2_j
        bilevel_directions(G, F, i, j, point, D, scratch)

        # d = (1 - theta) d + theta D_x: old and new estimate coincide.
        recursive_estimate(d, D_x, D_x, theta)

        descend(z, step_size, D_z)
        descend(v, step_size, D_v)
        norm = np.sqrt(dot(d, d))
        if norm > 0.0:
            descend(x, step_size / outer_ratio / norm, d)
            project(G, x)
