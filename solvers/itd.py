import numpy as np

from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import cross, gradients, hvp, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Iterative differentiation (ITD), by reverse accumulation.

    L. Franceschi, M. Donini, P. Frasconi, M. Pontil, "Forward and reverse
    gradient-based hyperparameter optimization", ICML 2017. Analysed with an
    error of the hypergradient that vanishes geometrically in K by R. Grazzi,
    L. Franceschi, M. Pontil, S. Salzo, "On the iteration complexity of
    hypergradient computation", ICML 2020; and with the warm start used here
    by K. Ji, J. Yang, Y. Liang, "Bilevel optimization: convergence analysis
    and enhanced design", ICML 2021.

    On all samples, at each iteration: K steps of gradient descent on z, from
    the last z, then a step along the exact gradient of F(z_K(x), x), found
    by going back through the stored steps. Taking the start of z as fixed
    leaves a bias of order (1 - step_size mu)^K, with mu the strong convexity
    of G.

    Parameters
    ----------
    step_size : float
        Of the inner gradient descent.
    outer_ratio : float
        ``step_size`` divided by the step size of x.
    n_inner_steps : int
        K.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "ITD"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.7],
        "n_inner_steps": [10],
        "eval_freq": [1],
    }
    search_space = {"n_inner_steps": (3, 30)}

    def start(self):
        self.trajectory = np.empty((self.n_inner_steps + 1, self.z.size))

    def advance(self, n_iterations):
        itd(self.G, self.F, self.trajectory, self.z, self.x, self.step_size,
            self.outer_ratio, n_iterations)


@jit
def unrolled_gradient(G, F, trajectory, x, step_size, out):
    """Gradient of F(z_K(x), x), into ``out``; trajectory[0] is z_0."""
    n_steps = trajectory.shape[0] - 1
    a, Ha = np.empty_like(trajectory[0]), np.empty_like(trajectory[0])
    Ca = np.empty_like(x)
    for k in range(n_steps):
        assign(trajectory[k + 1], trajectory[k])
        inner_gradient_descent(G, trajectory[k + 1], x, step_size, 1)

    gradients(F, FULL, trajectory[n_steps], x, a, out)
    for k in range(n_steps - 1, -1, -1):
        cross(G, FULL, trajectory[k], x, a, Ca)
        hvp(G, FULL, trajectory[k], x, a, Ha)
        descend(out, step_size, Ca)
        descend(a, step_size, Ha)


@jit
def itd(G, F, trajectory, z, x, step_size, outer_ratio, n_iterations):
    D_x = np.empty_like(x)
    for _ in range(n_iterations):
        assign(trajectory[0], z)
        unrolled_gradient(G, F, trajectory, x, step_size, D_x)
        assign(z, trajectory[-1])

        descend(x, step_size / outer_ratio, D_x)
        project(G, x)
