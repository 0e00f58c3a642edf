import numpy as np

from benchmark_utils.checks import positive
from benchmark_utils.compiling.compiled import assign, decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    recursive_hypergradient,
    recursive_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Momentum-based Recursive Bilevel Optimizer (MRBO).

    J. Yang, K. Ji, Y. Liang, "Provably faster algorithms for bilevel
    optimization", NeurIPS 2021.

    Single loop with STORM on both levels: z and x move along recursive
    estimates of the gradient of G and of the hypergradient, whose adjoint
    variable is a Neumann series of fixed length. As in the paper, both
    estimates are taken at the same (z, x), and z and x then move at once.

    The two momentum constants of the paper are equal here.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration, decreasing as (t + 1)^(-1/3).
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
        Of each of the ``n_neumann_steps`` + 3 batches of an iteration.
    eta : float
        Weight of the new mini-batches in both estimates at t = 1, decreasing
        as t^(-2/3): it belongs to the step before. Cut to 1, where the
        method has no memory, as it has none at t = 0.
    n_neumann_steps : int
        Factors of the last term of the Neumann series.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory, with L the smoothness of G.
        None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "MRBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.7],
        "batch_size": [64],
        "eta": [0.5],
        "n_neumann_steps": [10],
        "neumann_step_size": [None],
        "eval_freq": [32],
    }
    search_space = {"eta": (0.5, 12.0),
                    "n_neumann_steps": (10, 100)}

    constraints = {**BilevelSolver.constraints, "eta": positive}
    state_names = ("z", "x", "d_z", "d_x")

    def start(self):
        self.point = (self.z, self.x)
        self.previous = tuple(map(np.copy, self.point))
        self.d = self.d_z, self.d_x = tuple(map(np.zeros_like, self.point))

    def advance(self, n_iterations):
        mrbo(self.G, self.F, self.inner_batches, self.outer_batches,
             self.point, self.previous, self.d, self.step_size,
             self.outer_ratio, self.eta, self.series_step_size,
             self.n_neumann_steps, self.t, n_iterations)


@jit
def mrbo(G, F, inner_batches, outer_batches, point, previous, d, step_size,
         outer_ratio, eta, series_step_size, n_neumann_steps, t_start,
         n_iterations):
    (z, x), (z_old, x_old), (d_z, d_x) = point, previous, d
    scratch = recursive_scratch(z, x)
    factors = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        i = draw(inner_batches)
        blocks = draw_sum(inner_batches, outer_batches, factors)
        if t == 0:
            grad_z(G, i, z, x, d_z)
            hypergradient(G, F, blocks, factors, z, x, series_step_size,
                          d_x, scratch[2])
        else:
            # d = estimate(z, x) + (1 - eta_t) (d - estimate(z_old, x_old))
            eta_t = min(1.0, decay(eta, t - 1, 2.0 / 3.0))
            recursive_hypergradient(
                G, F, i, blocks, factors, point, previous, d,
                series_step_size, eta_t, scratch)

        assign(z_old, z)
        assign(x_old, x)
        rho = decay(step_size, t, 1.0 / 3.0)
        descend(z, rho, d_z)
        descend(x, rho / outer_ratio, d_x)
        project(G, x)
