import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import grad_x, grad_z, project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Fully First-order Stochastic Approximation (F2SA).

    J. Kwon, D. Kwon, S. Wright, R. Nowak, "A fully first-order method for
    stochastic bilevel optimization", ICML 2023.

    Follows the minimiser w of G and the minimiser y of the penalised
    function F + lambda G; the gradient of their difference in value,
    F(y, x) + lambda (G(y, x) - G(w, x)), needs first derivatives only. It
    tends to that of h as lambda grows like (t + 1)^(1/7), at a distance of
    order 1 / lambda. The result is the pair (w, x).

    Parameters
    ----------
    step_size : float
        Of w at the first iteration. It decreases as (t + 1)^(-4/7); the
        step size of y is lambda times smaller.
    outer_ratio : float
        Step size of y divided by that of x.
    batch_size : int or "full"
    lmbda0 : float
        Multiplier lambda at the first iteration.
    n_inner_steps : int
        Steps on w and on y at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "F2SA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.1],
        "batch_size": [64],
        "lmbda0": [3.0],
        "n_inner_steps": [3],
        "eval_freq": [64],
    }

    constraints = {**BilevelSolver.constraints, "lmbda0": checks.positive}
    state_names = ("z", "y", "x")

    def start(self):
        self.y = self.z.copy()

    def advance(self, n_iterations):
        f2sa(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.y, self.x, self.step_size, self.outer_ratio,
             self.lmbda0, self.n_inner_steps, self.t, n_iterations)


@jit
def f2sa(G, F, inner_batches, outer_batches, w, y, x, step_size,
         outer_ratio, lmbda0, n_inner_steps, t_start, n_iterations):
    g_w, g_y, f1 = np.empty_like(w), np.empty_like(y), np.empty_like(y)
    g2_y, g2_w, f2 = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for t in range(t_start, t_start + n_iterations):
        lmbda = decay(lmbda0, t, -1.0 / 7.0)
        rho = decay(step_size, t, 4.0 / 7.0)
        alpha = rho / lmbda

        inner_sgd(G, inner_batches, w, x, rho, n_inner_steps, g_w)
        for _ in range(n_inner_steps):
            grad_z(G, draw(inner_batches), y, x, g_y)
            grad_z(F, draw(outer_batches), y, x, f1)
            descend(y, alpha, f1)
            descend(y, alpha * lmbda, g_y)

        # D_x = f2(y) + lambda (g2(y) - g2(w)), three independent batches
        grad_x(G, draw(inner_batches), y, x, g2_y)
        grad_x(G, draw(inner_batches), w, x, g2_w)
        grad_x(F, draw(outer_batches), y, x, f2)
        gamma = alpha / outer_ratio
        for c in range(x.size):
            x[c] -= gamma * (f2[c] + lmbda * (g2_y[c] - g2_w[c]))
        project(G, x)
