import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import (
    assign,
    decay,
    descend,
    jit,
    kernel,
)
from benchmark_utils.functions.oracles import grad_x, grad_z, project
from benchmark_utils.methods.estimators import recursive_estimate
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Faster Fully First-order Stochastic Approximation (F3SA).

    J. Kwon, D. Kwon, S. Wright, R. Nowak, "A fully first-order method for
    stochastic bilevel optimization", ICML 2023, algorithm 2.

    F2SA with one inner step, where each of its six gradients is a STORM
    estimate on a mini-batch of its own, taken at the present and at the
    previous point. The result is the pair (w, x).

    The estimates are those of the paper's appendix. Not verified: the
    exponents, which fit the rate that the paper proves; that the step of y
    is that of w divided by 2 lambda, as for F2SA; lmbda0 and eta.

    Parameters
    ----------
    step_size : float
        Of w at the first iteration, decreasing as (t + 1)^(-2/5). The step
        size of y is 2 lambda times smaller.
    outer_ratio : float
        Step size of y divided by that of x.
    batch_size : int or "full"
    lmbda0 : float
        Multiplier lambda at the first iteration, growing as (t + 1)^(1/5).
        As for F2SA, 2 L_F / mu_G or more in theory; a search stops at 0.1.
    eta : float
        Weight of the new mini-batches at the first iteration, decreasing as
        (t + 1)^(-4/5). Cut to 1, where the method has no memory.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "F3SA"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.05],
        "batch_size": [64],
        "lmbda0": [3.0],
        "eta": [1.0],
        "eval_freq": [64],
    }
    search_space = {"lmbda0": (0.3, 10.0), "eta": (0.5, 12.0)}
    least = {"lmbda0": 0.1}

    constraints = {
        **BilevelSolver.constraints,
        "lmbda0": checks.positive,
        "eta": checks.positive,
    }
    state_names = ("z", "y", "x")

    def start(self):
        self.y = self.z.copy()
        self.point = (self.z, self.y, self.x)
        self.previous = tuple(part.copy() for part in self.point)
        # Of g(w), g(y) and f1(y); of g2(w), g2(y) and f2(y).
        self.h_z = tuple(np.empty_like(self.z) for _ in range(3))
        self.h_x = tuple(np.empty_like(self.x) for _ in range(3))

    def advance(self, n_iterations):
        f3sa(self.G, self.F, self.inner_batches, self.outer_batches,
             self.point, self.previous, self.h_z, self.h_x, self.step_size,
             self.outer_ratio, self.lmbda0, self.eta, self.t, n_iterations)


@kernel
def estimate(grad, f, batch, y, x, y_old, x_old, eta, h, scratch):
    """h = grad(y, x) + (1 - eta) (h - grad(y_old, x_old)), on one batch."""
    new, old = scratch
    if eta == 1.0:
        grad(f, batch, y, x, h)
    else:
        grad(f, batch, y, x, new)
        grad(f, batch, y_old, x_old, old)
        recursive_estimate(h, new, old, eta)


@jit
def f3sa(G, F, inner_batches, outer_batches, point, previous, h_z, h_x,
         step_size, outer_ratio, lmbda0, eta, t_start, n_iterations):
    (w, y, x), (w_old, y_old, x_old) = point, previous
    (h_w, h_y, h_f1), (h_g2w, h_g2y, h_f2) = h_z, h_x
    in_z = np.empty_like(w), np.empty_like(w)
    in_x = np.empty_like(x), np.empty_like(x)
    for t in range(t_start, t_start + n_iterations):
        lmbda = decay(lmbda0, t, -1.0 / 5.0)
        rho = decay(step_size, t, 2.0 / 5.0)
        alpha = rho / (2.0 * lmbda)
        eta_t = min(1.0, decay(eta, t, 4.0 / 5.0)) if t > 0 else 1.0

        estimate(grad_z, G, draw(inner_batches), w, x, w_old, x_old, eta_t,
                 h_w, in_z)
        estimate(grad_z, G, draw(inner_batches), y, x, y_old, x_old, eta_t,
                 h_y, in_z)
        estimate(grad_z, F, draw(outer_batches), y, x, y_old, x_old, eta_t,
                 h_f1, in_z)
        assign(w_old, w)
        assign(y_old, y)
        descend(w, rho, h_w)
        descend(y, alpha, h_f1)
        descend(y, alpha * lmbda, h_y)

        # D_x = h_f2 + lambda (h_g2y - h_g2w), at the new w and y
        estimate(grad_x, G, draw(inner_batches), y, x, y_old, x_old, eta_t,
                 h_g2y, in_x)
        estimate(grad_x, G, draw(inner_batches), w, x, w_old, x_old, eta_t,
                 h_g2w, in_x)
        estimate(grad_x, F, draw(outer_batches), y, x, y_old, x_old, eta_t,
                 h_f2, in_x)
        assign(x_old, x)
        gamma = alpha / outer_ratio
        for c in range(x.size):
            x[c] -= gamma * (h_f2[c] + lmbda * (h_g2y[c] - h_g2w[c]))
        project(G, x)
