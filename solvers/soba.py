import numpy as np

from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_directions, like_point
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """StOchastic Bilevel Algorithm (SOBA).

    M. Dagréou, P. Ablin, S. Vaiter, T. Moreau, "A framework for bilevel
    optimization that enables stochastic and global variance reduction
    algorithms", NeurIPS 2022.

    Inner variable z, adjoint variable v and outer variable x move at once
    along mini-batch directions, with steps decreasing as (t + 1)^(-1/2).

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
        With "full" this is the deterministic single-loop method.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SOBA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "eval_freq": [256],
    }

    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)

    def advance(self, n_iterations):
        soba(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.v, self.x, self.step_size, self.outer_ratio,
             self.t, n_iterations)


@jit
def soba(G, F, inner_batches, outer_batches, z, v, x, step_size,
         outer_ratio, t_start, n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    D_z, D_v, D_x = D
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        # D_z = g_i,  D_v = H_i v + f1_j,  D_x = C_i v + f2_j
        bilevel_directions(G, F, i, j, point, D, scratch)

        rho = decay(step_size, t, 0.5)
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        descend(x, rho / outer_ratio, D_x)
        project(G, x)
