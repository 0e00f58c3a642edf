import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.estimators import adjoint_directions
from benchmark_utils.methods.linear_systems import project_on_ball
from benchmark_utils.methods.memory import (
    check_tables,
    zero_sarah,
    zero_sarah_weight,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.sarah import (
    refresh_probability,
    sarah_adjoint,
    sarah_scratch,
)
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Multiple Stochastic Estimators Bilevel Algorithm (MSEBA).

    T. Chu, D. Xu, W. Yao, C. Yu, J. Zhang, "A provably convergent
    plug-and-play framework for stochastic bilevel optimization", 2025.

    SOBA with constant steps, where D_z is estimated as in SFFBA, D_v and D_x
    as in SPABA, on other mini-batches. What SFFBA says of the authors' code
    holds of D_z and v here; D_v and D_x begin at 0 there, here on all samples
    as in PAGE, and its probability of all samples, 0.05, is 14 000 oracle
    calls an iteration on IJCNN1. Not verified: the paper and its constants.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eta : float in (0, 1], or None
        Weight of the memory of D_z; the first iteration has 1. None is
        ZeroSARAH's: one half over the number of mini-batches of G.
    prob : float in (0, 1], or None
        Probability of D_v and D_x on all samples; None is b / (n + m).
    radius : float or None
        Of a ball that v is projected onto, if any.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "MSEBA"

    parameters = {
        "step_size": [0.1], "outer_ratio": [0.3], "batch_size": [64],
        "eta": [0.1], "prob": [None], "radius": [None], "eval_freq": [128]}
    search_space = {"eta": [None, 0.01, 0.1, 0.5], "prob": [None, 0.05]}

    constraints = {
        **BilevelSolver.constraints, "eta": checks.fraction_or_none,
        "prob": checks.fraction_or_none, "radius": checks.positive_or_none}
    state_names = ("z", "v", "x")

    def set_objective(self, problem):
        super().set_objective(problem)
        self.shape = self.G.n_batches, problem.inner_dim
        check_tables([self.shape], self.batch_size)

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.copy, self.point))
        self.D = tuple(map(np.zeros_like, self.point))
        self.table = np.zeros(self.shape)
        self.average = np.zeros_like(self.z)
        self.p_full = refresh_probability(self.G, self.F, self.prob)
        self.ball = np.inf if self.radius is None else float(self.radius)

    def advance(self, n_iterations):
        mseba(self.G, self.F, self.inner_batches, self.outer_batches,
              self.rng, self.point, self.previous, self.D, self.table,
              self.average, self.step_size, self.outer_ratio,
              zero_sarah_weight(self.G, self.eta), self.p_full,
              self.ball, self.t, n_iterations)


@jit
def mseba(G, F, inner_batches, outer_batches, rng, point, previous, D, table,
          average, step_size, outer_ratio, eta, prob, radius, t_start,
          n_iterations):
    (z, v, x), (z_old, _, x_old), (D_z, D_v, D_x) = point, previous, D
    g, g_old, scratch = np.empty_like(z), np.empty_like(z), sarah_scratch(z, x)
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        k = draw(inner_batches)
        grad_z(G, k, z, x, g)
        grad_z(G, k, z_old, x_old, g_old)
        zero_sarah(D_z, g, g_old, table, average, k, 1.0 if t == 0 else eta)

        # Drawn where unused too: the same k, i, j and coin for all prob.
        i, j = draw(inner_batches), draw(outer_batches)
        on_all_samples = rng.random() < prob
        if t == 0 or on_all_samples:
            adjoint_directions(G, F, FULL, FULL, point, D, scratch[2])
        else:
            sarah_adjoint(G, F, i, j, point, previous, D, scratch)

        for q in range(3):
            assign(previous[q], point[q])
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        project_on_ball(v, radius)
        descend(x, gamma, D_x)
        project(G, x)
