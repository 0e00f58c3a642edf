import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import (
    bilevel_directions,
    like_point,
    recursive_estimate,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Moving-Average StOchastic Bilevel Algorithm (MA-SOBA).

    X. Chen, T. Xiao, K. Balasubramanian, "Optimal algorithms for stochastic
    bilevel optimization under relaxed smoothness conditions", JMLR 2024.

    SOBA, where the outer variable moves along a moving average of its
    mini-batch directions: the variance of the steps of x then vanishes with
    the weight theta_t = min(1, theta (t + 1)^(-1/2)) of the new direction,
    without smoothness of higher order.

    x moves before the average takes in the direction of the iteration, as in
    the paper: it stays at its start in the first one. Steps and weights
    decrease with t, where the paper fixes them from the number of iterations.

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    theta : float
        Weight of the new direction at the first iteration, if below 1.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "MA-SOBA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "theta": [1.0],
        "eval_freq": [256],
    }

    search_space = {"theta": (0.01, 1.0)}

    constraints = {**BilevelSolver.constraints, "theta": checks.positive}
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.d = np.zeros_like(self.x)

    def advance(self, n_iterations):
        ma_soba(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.v, self.x, self.d, self.step_size,
                self.outer_ratio, self.theta, self.t, n_iterations)


@jit
def ma_soba(G, F, inner_batches, outer_batches, z, v, x, d, step_size,
            outer_ratio, theta, t_start, n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    D_z, D_v, D_x = D
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        # D_z = g_i,  D_v = H_i v + f1_j,  D_x = C_i v + f2_j
        bilevel_directions(G, F, i, j, point, D, scratch)

        rho = decay(step_size, t, 0.5)
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        descend(x, rho / outer_ratio, d)
        project(G, x)

        # d = (1 - theta_t) d + theta_t D_x: old and new estimate coincide.
        theta_t = min(1.0, decay(theta, t, 0.5))
        recursive_estimate(d, D_x, D_x, theta_t)
