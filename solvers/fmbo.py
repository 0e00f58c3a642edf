import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import bilevel_directions
from benchmark_utils.methods.linear_systems import project_on_ball
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.sarah import sarah_scratch, storm_directions
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Fully single-loop Momentum-based Bilevel Optimizer (FMBO).

    Y. Yang, P. Xiao, K. Ji, "Achieving O(eps^-1.5) complexity in
    Hessian/Jacobian-free stochastic bilevel optimization", NeurIPS 2023.

    The directions of SOBA, each a STORM estimate: z, v and x move at once
    along recursive momentum, with one pair of mini-batches at the present
    and at the previous point. It is the paper's method FdeHBO with products
    in place of finite differences.

    Not verified, as the paper's algorithm was not at hand: its constants,
    which are equal here for the three estimates, whether the weight eta_t
    goes with the step of this iteration or of the one before, and whether
    FMBO projects v as FdeHBO does.

    Parameters
    ----------
    step_size : float
        Of z and v at the first iteration.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eta : float
        Weight of the new mini-batches at the first iteration, decreasing as
        the square of the steps. Cut to 1, where the method has no memory.
    step_exponent : float in [0, 1)
        The steps decrease as (t + 1)^(-step_exponent): 1/3 in the paper.
    radius : float or None
        Of a ball that v is projected onto; None is none. One smaller than
        the norm of v* changes the solution.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "FMBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "eta": [0.5],
        "step_exponent": [1 / 3],
        "radius": [None],
        "eval_freq": [128],
    }
    search_space = {"eta": (0.1, 12.0)}

    constraints = {
        **BilevelSolver.constraints,
        "eta": checks.positive,
        "step_exponent": checks.in_unit_interval,
        "radius": checks.positive_or_none,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.point = (self.z, self.v, self.x)
        self.previous = tuple(map(np.empty_like, self.point))
        self.D = tuple(map(np.empty_like, self.point))
        self.ball = np.inf if self.radius is None else float(self.radius)

    def advance(self, n_iterations):
        fmbo(self.G, self.F, self.inner_batches, self.outer_batches,
             self.point, self.previous, self.D, self.step_size,
             self.outer_ratio, self.eta, self.step_exponent, self.ball,
             self.t, n_iterations)


@jit
def fmbo(G, F, inner_batches, outer_batches, point, previous, D, step_size,
         outer_ratio, eta, exponent, radius, t_start, n_iterations):
    z, v, x = point
    D_z, D_v, D_x = D
    scratch = sarah_scratch(z, x)
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        if t == 0:
            bilevel_directions(G, F, i, j, point, D, scratch[2])
        else:
            # D = D_ij(point) + (1 - eta_t) (D - D_ij(previous))
            eta_t = min(1.0, decay(eta, t, 2.0 * exponent))
            storm_directions(G, F, i, j, point, previous, D, eta_t, scratch)

        for k in range(3):
            assign(previous[k], point[k])
        rho = decay(step_size, t, exponent)
        descend(z, rho, D_z)
        descend(v, rho, D_v)
        project_on_ball(v, radius)
        descend(x, rho / outer_ratio, D_x)
        project(G, x)
