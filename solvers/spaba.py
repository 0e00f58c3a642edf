import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_directions
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.sarah import (
    refresh_probability,
    sarah_directions,
    sarah_scratch,
)
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Single-loop and Probabilistic stochAstic Bilevel Algorithm (SPABA).

    T. Chu, D. Xu, W. Yao, J. Zhang, "SPABA: a single-loop and probabilistic
    stochastic bilevel algorithm achieving optimal sample complexity", ICML
    2024.

    The directions of SOBA, estimated as in PAGE: at each iteration on all
    samples with probability ``prob``, and otherwise updated by their change
    since the previous iterate on one mini-batch. Steps are constant.

    The paper projects the adjoint variable v onto a ball, for its proof; here
    v is free, as it is in the authors' code, whose ``prob`` is 0.1.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    prob : float in (0, 1], or None
        Probability of a pass over all samples; None is b / (n + m).
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SPABA"

    parameters = {
        "step_size": [0.25],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "prob": [None],
        "eval_freq": [128],
    }
    search_space = {"prob": [None, 0.1]}

    constraints = {
        **BilevelSolver.constraints,
        "prob": checks.fraction_or_none,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.empty_like, self.point))
        self.D = tuple(map(np.empty_like, self.point))
        self.p_full = refresh_probability(self.G, self.F, self.prob)

    def advance(self, n_iterations):
        spaba(self.G, self.F, self.inner_batches, self.outer_batches,
              self.rng, self.point, self.previous, self.D, self.step_size,
              self.outer_ratio, self.p_full, self.t, n_iterations)


@jit
def spaba(G, F, inner_batches, outer_batches, rng, point, previous, D,
          step_size, outer_ratio, prob, t_start, n_iterations):
    z, v, x = point
    z_old, v_old, x_old = previous
    D_z, D_v, D_x = D
    scratch = sarah_scratch(z, x)
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        # Drawn where unused too: the same i, j and coin for all prob.
        i, j = draw(inner_batches), draw(outer_batches)
        on_all_samples = rng.random() < prob
        if t == 0 or on_all_samples:
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
