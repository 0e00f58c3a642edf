import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import gradients, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Partial Zeroth-Order Bilevel Optimizer (PZOBO).

    D. Sow, K. Ji, Y. Liang, "On the convergence theory for Hessian-free
    bilevel algorithms", NeurIPS 2022.

    On all samples: the effect of x on the result z_N(x) of a warm-started
    inner gradient descent is found by running it again at x + mu u, for
    random Gaussian directions u. This replaces the second derivatives in the
    gradient of F(z_N(x), x).

    Parameters
    ----------
    step_size : float
        Of the inner gradient descent.
    outer_ratio : float
        ``step_size`` divided by the step size of x.
    mu : float
        Length of the difference quotients, relative to u.
    n_directions : int
        Random directions at each iteration.
    n_inner_steps : int
        Gradient steps on z, for x and for each direction.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "PZOBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "mu": [1e-3],
        "n_directions": [5],
        "n_inner_steps": [5],
        "eval_freq": [1],
    }
    search_space = {"n_directions": (1, 5), "n_inner_steps": (5, 10)}

    constraints = {
        **BilevelSolver.constraints,
        "mu": checks.positive,
        "n_directions": checks.n_steps,
    }

    def advance(self, n_iterations):
        pzobo(self.G, self.F, self.rng, self.z, self.x, self.step_size,
              self.outer_ratio, self.mu, self.n_directions,
              self.n_inner_steps, n_iterations)


@jit
def pzobo(G, F, rng, z, x, step_size, outer_ratio, mu, n_directions,
          n_inner_steps, n_iterations):
    z_0, z_u, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    u, x_u = np.empty_like(x), np.empty_like(x)
    D_x = np.empty_like(x)
    gamma = step_size / outer_ratio
    for _ in range(n_iterations):
        assign(z_0, z)
        inner_gradient_descent(G, z, x, step_size, n_inner_steps)
        gradients(F, FULL, z, x, f1, D_x)

        for _ in range(n_directions):
            for c in range(x.size):
                u[c] = rng.standard_normal()
                x_u[c] = x[c] + mu * u[c]
            assign(z_u, z_0)
            inner_gradient_descent(G, z_u, x_u, step_size, n_inner_steps)
            # D_x = f2 + the average of <delta, f1> u, delta = (z_u - z) / mu
            product = 0.0
            for c in range(z.size):
                product += (z_u[c] - z[c]) / mu * f1[c]
            descend(D_x, -product / n_directions, u)

        descend(x, gamma, D_x)
        project(G, x)
