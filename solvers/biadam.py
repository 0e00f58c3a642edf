import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import (
    assign,
    decay,
    descend,
    jit,
    kernel,
)
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.adaptive import adam_step, corrected
from benchmark_utils.methods.estimators import recursive_estimate
from benchmark_utils.methods.hypergradients import (
    draw_sum,
    hypergradient,
    recursive_hypergradient,
    recursive_scratch,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver

EXPONENTS = {"BiAdam": 1 / 2, "VR-BiAdam": 1 / 3}


class Solver(BilevelSolver):
    """Adaptive bilevel method on both levels (BiAdam), and VR-BiAdam.

    F. Huang, J. Li, S. Gao, "BiAdam: fast adaptive bilevel optimization
    methods", 2021.

    z and x move at once along averages w of the gradient of G and of a
    hypergradient estimate by a Neumann series, divided entry by entry by the
    root of an average a of w^2, corrected for its start at 0. In
    ``variant="VR-BiAdam"`` w is a STORM estimate. Steps decrease as (t +
    1)^(-e), with e = 1/2, and the weights of w likewise; those of VR-BiAdam
    with e = 1/3 and 2 e.

    With step_exponent=0 all is constant, as in a public implementation; Adam
    on z then goes on in a cycle, which ``inner="SGD"``, steps along w itself,
    does not. The paper leaves a open and has, in its example, one number for
    all of z. Not verified: its algorithms.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration: a length, unless ``inner`` is "SGD".
    outer_ratio : float
        ``step_size`` divided by the length of the steps of x.
    batch_size : int or "full"
        Of each of the ``n_neumann_steps`` + 3 batches of an iteration.
    variant : {"BiAdam", "VR-BiAdam"}
    inner : {"Adam", "SGD"}
    step_exponent : float in [0, 1], or None
        The exponent e; None is that of the paper.
    theta : float
        Weight of the new mini-batches in w at t = 1, decreasing as t^(-e),
        or t^(-2 e). Cut to 1, where w has no memory, as at t = 0.
    theta_2 : float in (0, 1]
        Weight of the new w^2 in a.
    epsilon : float
        Added to the root of a; may be 0.
    n_neumann_steps : int
        Hessian-vector products in the Neumann series, 0 or more.
    neumann_step_size : float or None
        Of the Neumann series: 1 / L in theory. None: ``step_size``.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "BiAdam"

    parameters = {
        "step_size": [0.32], "outer_ratio": [3.2], "batch_size": [64],
        "variant": ["BiAdam"], "inner": ["Adam"], "step_exponent": [None],
        "theta": [1.0], "theta_2": [0.01], "epsilon": [1e-8],
        "n_neumann_steps": [10], "neumann_step_size": [0.5],
        "eval_freq": [64]}
    search_space = {"variant": [*EXPONENTS], "inner": ["Adam", "SGD"],
                    "step_size": (0.1, 1.0), "outer_ratio": (1.0, 10.0),
                    "neumann_step_size": (0.1, 1.0),
                    "n_neumann_steps": (10, 30)}

    constraints = {
        **BilevelSolver.constraints,
        "variant": checks.one_of(*EXPONENTS),
        "inner": checks.one_of("Adam", "SGD"),
        "step_exponent": checks.between_or_none(0, 1),
        "theta": checks.positive,
        "theta_2": checks.fraction,
        "epsilon": checks.non_negative,
        "n_neumann_steps": checks.n_steps_or_none,
    }
    state_names = ("z", "x", "w_z", "w_x")

    def start(self):
        self.point = self.z, self.x
        self.previous = tuple(map(np.copy, self.point))
        self.w = self.w_z, self.w_x = tuple(map(np.zeros_like, self.point))
        self.a = tuple(map(np.zeros_like, self.point))
        self.e = (EXPONENTS[self.variant] if self.step_exponent is None
                  else float(self.step_exponent))

    def advance(self, n_iterations):
        biadam(self.G, self.F, self.inner_batches, self.outer_batches,
               self.point, self.previous, self.w, self.a, self.step_size,
               self.outer_ratio, self.variant == "VR-BiAdam",
               self.inner == "Adam", self.e, self.theta, self.theta_2,
               self.epsilon, self.n_neumann_steps, self.series_step_size,
               self.t, n_iterations)


@kernel
def average_of_squares(a, w, theta_2):
    """a = (1 - theta_2) a + theta_2 w^2."""
    for c in range(a.size):
        a[c] += theta_2 * (w[c] * w[c] - a[c])


@jit
def biadam(G, F, inner_batches, outer_batches, point, previous, w, a,
           step_size, outer_ratio, recursive, adam_on_z, e, theta, theta_2,
           epsilon, n_neumann_steps, eta, t_start, n_iterations):
    (z, x), (z_old, x_old), (w_z, w_x), (a_z, a_x) = point, previous, w, a
    scratch = recursive_scratch(z, x)
    (g, _), (E, _), series = scratch
    factors = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        i = draw(inner_batches)
        blocks = draw_sum(inner_batches, outer_batches, factors)
        if recursive and t > 0:
            # w = now + (1 - theta_t) (w - before), on the same batches
            theta_t = min(1.0, decay(theta, t - 1, 2.0 * e))
            recursive_hypergradient(
                G, F, i, blocks, factors, point, previous, w, eta, theta_t,
                scratch)
        else:
            # w = (1 - theta_t) w + theta_t now
            theta_t = min(1.0, decay(theta, t - 1, e)) if t > 0 else 1.0
            grad_z(G, i, z, x, g)
            hypergradient(G, F, blocks, factors, z, x, eta, E, series)
            recursive_estimate(w_z, g, g, theta_t)
            recursive_estimate(w_x, E, E, theta_t)

        average_of_squares(a_z, w_z, theta_2)
        average_of_squares(a_x, w_x, theta_2)
        assign(z_old, z)
        assign(x_old, x)
        rho, sum_a = decay(step_size, t, e), corrected(theta_2, t)
        if adam_on_z:
            adam_step(z, rho, w_z, 1.0, a_z, sum_a, epsilon)
        else:
            descend(z, rho, w_z)
        adam_step(x, rho / outer_ratio, w_x, 1.0, a_x, sum_a, epsilon)
        project(G, x)
