import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.penalty import penalised_sgd, penalty_direction
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Fully First-order Stochastic Approximation (F2SA).

    J. Kwon, D. Kwon, S. Wright, R. Nowak, "A fully first-order method for
    stochastic bilevel optimization", ICML 2023.

    Follows the minimiser w of G and the minimiser y of the penalised
    function F + lambda G; the gradient of their difference in value,
    F(y, x) + lambda (G(y, x) - G(w, x)), needs first derivatives only. It
    tends to that of h as lambda grows, at a distance of order 1 / lambda. The
    result is the pair (w, x).

    The theory wants lmbda0 >= 2 L_F / mu_G, with L_F the smoothness of F and
    mu_G the strong convexity of G, both in z, and a step of y of at most
    1 / (8 L_F). Far below, what x descends has little to do with h.

    Parameters
    ----------
    step_size : float
        Of w at the first iteration, decreasing as (t + 1)^(-4/7). The step
        size of y is 2 lambda times smaller.
    outer_ratio : float
        Step size of y divided by that of x, at the first iteration.
    batch_size : int or "full"
    lmbda0 : float
        Multiplier lambda at the first iteration. A search stops at 0.1.
    lmbda_exponent : float in [0, 1)
        lambda grows as (t + 1)^lmbda_exponent: 1/7 in the paper.
    outer_exponent : float in [0, 1]
        The step size of x decreases as (t + 1)^(-outer_exponent): 5/7 in the
        paper, as that of y. A public implementation has 4/7, and 6/7 for
        lambda.
    n_inner_steps : int
        Steps on w and on y at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "F2SA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.05],
        "batch_size": [64],
        "lmbda0": [3.0],
        "lmbda_exponent": [1 / 7],
        "outer_exponent": [5 / 7],
        "n_inner_steps": [3],
        "eval_freq": [64],
    }
    search_space = {"lmbda0": (0.1, 10.0), "lmbda_exponent": [1 / 7, 6 / 7],
                    "outer_exponent": [5 / 7, 4 / 7]}
    # Far under its bound, lmbda0 fits another problem.
    least = {"lmbda0": 0.1}

    constraints = {
        **BilevelSolver.constraints,
        "lmbda0": checks.positive,
        "lmbda_exponent": checks.in_unit_interval,
        "outer_exponent": checks.between(0, 1),
    }
    state_names = ("z", "y", "x")

    def start(self):
        self.y = self.z.copy()

    def advance(self, n_iterations):
        f2sa(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.y, self.x, self.step_size, self.outer_ratio,
             self.lmbda0, self.lmbda_exponent, self.outer_exponent,
             self.n_inner_steps, self.t, n_iterations)


@jit
def f2sa(G, F, inner_batches, outer_batches, w, y, x, step_size,
         outer_ratio, lmbda0, lmbda_exponent, outer_exponent, n_inner_steps,
         t_start, n_iterations):
    in_z = np.empty_like(w), np.empty_like(w)
    in_x, D_x = (np.empty_like(x), np.empty_like(x)), np.empty_like(x)
    for t in range(t_start, t_start + n_iterations):
        lmbda = decay(lmbda0, t, -lmbda_exponent)
        rho = decay(step_size, t, 4.0 / 7.0)
        alpha = rho / (2.0 * lmbda)

        # w <- w - rho g,  y <- y - alpha (f1 + lambda g)
        inner_sgd(G, inner_batches, w, x, rho, n_inner_steps, in_z[0])
        penalised_sgd(G, F, inner_batches, outer_batches, y, x, alpha,
                      alpha * lmbda, n_inner_steps, in_z)

        # D_x = f2(y) + lambda (g2(y) - g2(w)), three independent batches
        i, k = draw(inner_batches), draw(inner_batches)
        j = draw(outer_batches)
        penalty_direction(G, F, i, k, j, y, w, x, 1.0, lmbda, D_x, in_x)
        gamma = step_size / (2.0 * lmbda0 * outer_ratio)
        descend(x, decay(gamma, t, outer_exponent), D_x)
        project(G, x)
