import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_terms, like_terms
from benchmark_utils.methods.linear_systems import project_on_ball
from benchmark_utils.methods.memory import (
    check_tables,
    zero_sarah,
    zero_sarah_weight,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Stochastic Full gradient Free Bilevel Algorithm (SFFBA).

    T. Chu, D. Xu, W. Yao, C. Yu, J. Zhang, "A provably convergent
    plug-and-play framework for stochastic bilevel optimization", 2025.

    SOBA with constant steps, where each of the five terms of its directions
    is a ZeroSARAH estimate (Li, Hanzely, Richtárik, 2021): a sum of changes
    since the previous iterate, corrected by a memory of the last value on
    every mini-batch that is empty at the start: no pass takes all samples. The
    memory is of vectors, in linear models too, where SABA has numbers.

    The authors' code has eta in other places: at rest it ends at three times
    the gradient, and its best step sizes are not those here. It also cuts v
    to [-1, 1], entry by entry, which moves the solution where v* is larger;
    the paper has a ball. Not verified: the paper's text and its constants.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eta : float in (0, 1], or None
        Weight of the memory; the first iteration has 1. 1 in all is SABA.
        None is ZeroSARAH's: one half over the number of mini-batches of G for
        its terms, and of F for its own.
    radius : float or None
        Of a ball that v is projected onto, if any.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SFFBA"

    parameters = {
        "step_size": [0.05],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "eta": [0.1],
        "radius": [None],
        "eval_freq": [128],
    }
    search_space = {"eta": [None, 0.01, 0.1, 0.5]}

    constraints = {
        **BilevelSolver.constraints, "eta": checks.fraction_or_none,
        "radius": checks.positive_or_none}
    state_names = ("z", "v", "x")

    def set_objective(self, problem):
        super().set_objective(problem)
        N, M = self.G.n_batches, self.F.n_batches
        p, d = problem.inner_dim, problem.outer_dim
        # Of g, H v, C v, f1 and f2.
        self.shapes = [(N, p), (N, p), (N, d), (M, p), (M, d)]
        check_tables(self.shapes, self.batch_size)

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.copy, self.point))
        self.tables = tuple(map(np.zeros, self.shapes))
        self.averages = tuple(np.zeros(size) for _, size in self.shapes)
        self.estimates = tuple(map(np.zeros_like, self.averages))
        self.eta_G = zero_sarah_weight(self.G, self.eta)
        self.eta_F = zero_sarah_weight(self.F, self.eta)
        self.ball = np.inf if self.radius is None else float(self.radius)

    def advance(self, n_iterations):
        sffba(self.G, self.F, self.inner_batches, self.outer_batches,
              self.point, self.previous, self.estimates, self.tables,
              self.averages, self.step_size, self.outer_ratio, self.eta_G,
              self.eta_F, self.ball, self.t, n_iterations)


@jit
def sffba(G, F, inner_batches, outer_batches, point, previous, estimates,
          tables, averages, step_size, outer_ratio, eta_G, eta_F, radius,
          t_start, n_iterations):
    (z, v, x), (g, Hv, Cv, f1, f2) = point, estimates
    new, old = like_terms(z, x), like_terms(z, x)
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        bilevel_terms(G, F, i, j, point, new)
        bilevel_terms(G, F, i, j, previous, old)
        for q in range(5):
            k, eta = (i, eta_G) if q < 3 else (j, eta_F)
            zero_sarah(estimates[q], new[q], old[q], tables[q], averages[q],
                       k, 1.0 if t == 0 else eta)

        for k in range(3):
            assign(previous[k], point[k])
        descend(z, rho, g)  # D_z
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)
        project_on_ball(v, radius)
        descend(x, gamma, Cv)  # D_x = C v + f2
        descend(x, gamma, f2)
        project(G, x)
