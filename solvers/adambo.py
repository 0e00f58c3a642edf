import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.adaptive import adam_step, corrected
from benchmark_utils.methods.estimators import (
    bilevel_directions,
    inner_sgd,
    like_point,
)
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    hypergradient_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Adam for Bilevel Optimization (AdamBO).

    X. Gong, J. Hao, M. Liu, "On the convergence of Adam-type algorithms for
    bilevel optimization under unbounded smoothness", TMLR 2026.

    A step of SGD on z, then a step of Adam on x along a hypergradient
    estimate at the new z, by a Neumann series. Whatever the scale of F, an
    entry of x moves by at most 3.2 steps, at the default weights: where its
    goal is far this takes many, and with constant steps it ends in a cycle.
    Where h is flat an entry moves at full length on noise alone: once a
    penalty e^x is too large for the steps of z, the run diverges.

    Additions: steps that decrease, and ``adjoint="linear"``, SOBA's adjoint
    variable for the series: z, v and x then move at once, at SOBA's cost.

    The order of the steps is that of the authors' code. Its series, whose
    step size is 1e-4 whatever is asked for, and whose first term is missing,
    is not. Not verified: the paper's text.

    Parameters
    ----------
    step_size : float
        Of z, and of v, at the first iteration.
    outer_ratio : float
        ``step_size`` divided by the step of Adam on x, which is a length.
    batch_size : int or "full"
    step_exponent : float in [0, 1]
        All steps decrease as (t + 1)^(-step_exponent): 0 in the paper.
    theta, theta_2 : float in (0, 1]
        Weights of the new direction and of its squares in their averages: 1
        less beta_1 and beta_2.
    epsilon : float
        Added to the root of the second moment; may be 0.
    n_warm_up_steps : int
        Steps of z before the first iteration; may be 0.
    adjoint : {"neumann", "linear"}
    n_neumann_steps : int
        Hessian-vector products in the Neumann series, 0 or more.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory. None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "AdamBO"

    parameters = {
        "step_size": [0.5], "outer_ratio": [50.0], "batch_size": [64],
        "step_exponent": [0.0], "theta": [0.1], "theta_2": [0.001],
        "epsilon": [1e-8], "n_warm_up_steps": [3], "adjoint": ["neumann"],
        "n_neumann_steps": [10], "neumann_step_size": [None],
        "eval_freq": [128]}
    # outer_ratio makes a length here: not the ratios of other methods.
    search_space = {"outer_ratio": (1.0, 1000.0),
                    "step_exponent": [0.0, 0.5],
                    "adjoint": ["neumann", "linear"],
                    "n_neumann_steps": (10, 30)}

    constraints = {
        **BilevelSolver.constraints,
        "step_exponent": checks.between(0, 1),
        "theta": checks.fraction,
        "theta_2": checks.fraction,
        "epsilon": checks.non_negative,
        "n_warm_up_steps": checks.n_steps_or_none,
        "adjoint": checks.one_of("neumann", "linear"),
        "n_neumann_steps": checks.n_steps_or_none,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.moments = np.zeros_like(self.x), np.zeros_like(self.x)

    def advance(self, n_iterations):
        adambo(self.G, self.F, self.inner_batches, self.outer_batches,
               self.z, self.v, self.x, self.moments, self.step_size,
               self.outer_ratio, self.step_exponent, self.theta,
               self.theta_2, self.epsilon, self.n_warm_up_steps,
               self.adjoint == "linear", self.n_neumann_steps,
               self.series_step_size, self.t, n_iterations)


@jit
def adambo(G, F, inner_batches, outer_batches, z, v, x, moments, step_size,
           outer_ratio, step_exponent, theta, theta_2, epsilon,
           n_warm_up_steps, linear, n_neumann_steps, eta, t_start,
           n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    series, factors = (hypergradient_scratch(z, x),
                       np.empty(n_neumann_steps, np.int64))
    (D_z, D_v, D_x), (m, s) = D, moments
    if t_start == 0:
        inner_sgd(G, inner_batches, z, x, step_size, n_warm_up_steps, D_z)
    for t in range(t_start, t_start + n_iterations):
        rho = decay(step_size, t, step_exponent)
        if linear:
            i, j = draw(inner_batches), draw(outer_batches)
            # D_z = g_i,  D_v = H_i v + f1_j,  D_x = C_i v + f2_j
            bilevel_directions(G, F, i, j, point, D, scratch)
            descend(z, rho, D_z)
            descend(v, rho, D_v)
        else:
            grad_z(G, draw(inner_batches), z, x, D_z)
            descend(z, rho, D_z)
            # D_x = E at the new z
            blocks = draw_sum(inner_batches, outer_batches, factors)
            hypergradient(G, F, blocks, factors, z, x, eta, D_x, series)

        # m = (1 - theta) m + theta D_x,  s = (1 - theta_2) s + theta_2 D_x^2
        for c in range(x.size):
            m[c] += theta * (D_x[c] - m[c])
            s[c] += theta_2 * (D_x[c] * D_x[c] - s[c])
        adam_step(x, rho / outer_ratio, m, corrected(theta, t),
                  s, corrected(theta_2, t), epsilon)
        project(G, x)
