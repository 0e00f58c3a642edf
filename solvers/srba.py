import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_directions
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.sarah import (
    refresh_period,
    sarah_directions,
    sarah_scratch,
)
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Stochastic Recursive Bilevel Algorithm (SRBA).

    M. Dagréou, T. Moreau, S. Vaiter, P. Ablin, "A lower bound and a
    near-optimal algorithm for bilevel empirical risk minimization", AISTATS
    2024.

    The directions of SOBA, estimated as in SARAH: on all samples at every
    q-th iteration, and otherwise updated by their change since the previous
    iterate on one mini-batch. Steps are constant.

    The paper projects the adjoint variable v onto a ball that contains v*,
    for its proof; here v is free.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    period_frac : float
        All samples every q = max(1, int(period_frac (n + m) / b)) iterations.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SRBA"

    parameters = {
        "step_size": [0.25],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "period_frac": [0.5],
        "eval_freq": [128],
    }
    search_space = {"period_frac": (0.1, 12.0)}
    # Of a period of one, it is gradient descent on all samples.
    least = {"period_frac": 0.1}

    constraints = {
        **BilevelSolver.constraints,
        "period_frac": checks.positive,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.empty_like, self.point))
        self.D = tuple(map(np.empty_like, self.point))
        self.period = refresh_period(self.G, self.F, self.period_frac)

    def advance(self, n_iterations):
        srba(self.G, self.F, self.inner_batches, self.outer_batches,
             self.point, self.previous, self.D, self.step_size,
             self.outer_ratio, self.period, self.t, n_iterations)


@jit
def srba(G, F, inner_batches, outer_batches, point, previous, D, step_size,
         outer_ratio, q, t_start, n_iterations):
    z, v, x = point
    z_old, v_old, x_old = previous
    D_z, D_v, D_x = D
    scratch = sarah_scratch(z, x)
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        # Drawn where unused too: iteration t sees the same i, j for all q.
        i, j = draw(inner_batches), draw(outer_batches)
        if t % q == 0:
            bilevel_directions(G, F, FULL, FULL, point, D, scratch[2])
        else:
            # D += D_ij(z, v, x) - D_ij(z_old, v_old, x_old)
            sarah_directions(G, F, i, j, point, previous, D, scratch)

        assign(z_old, z)
        assign(v_old, v)
        assign(x_old, x)
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        descend(x, gamma, D_x)
        project(G, x)
