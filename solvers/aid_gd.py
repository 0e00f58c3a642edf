import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import cross, gradients, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.linear_systems import conjugate_gradient
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Approximate implicit differentiation with gradient descent (AID-GD).

    Section 2 of the poster of M. Dagréou, P. Ablin, S. Vaiter, T. Moreau,
    NeurIPS 2022. Analysed with errors that decrease by F. Pedregosa,
    "Hyperparameter optimization with approximate gradient", ICML 2016; with an
    error of the hypergradient that vanishes geometrically in the numbers of
    steps by R. Grazzi, L. Franceschi, M. Pontil, S. Salzo, "On the iteration
    complexity of hypergradient computation", ICML 2020; with numbers of steps
    that grow by S. Ghadimi and M. Wang, "Approximation methods for bilevel
    programming", arXiv:1802.02246, 2018; and with the warm starts of z and v
    used here by K. Ji, J. Yang, Y. Liang, "Bilevel optimization: convergence
    analysis and enhanced design", ICML 2021.

    On all samples, at each iteration: gradient steps on the inner variable,
    conjugate gradient for the adjoint variable, both warm-started, then a
    gradient step on the outer variable.

    Parameters
    ----------
    step_size : float
        Of the inner gradient descent.
    outer_ratio : float
        ``step_size`` divided by the step size of x.
    n_inner_steps : int
        Gradient steps on z at each iteration.
    n_cg_steps : int
        Most steps of the conjugate gradient method at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "AID-GD"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "n_inner_steps": [10],
        "n_cg_steps": [10],
        "eval_freq": [1],
    }
    search_space = {"n_inner_steps": (3, 30), "n_cg_steps": (3, 10)}

    constraints = {
        **BilevelSolver.constraints,
        "n_cg_steps": checks.n_steps,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)

    def advance(self, n_iterations):
        aid_gd(self.G, self.F, self.z, self.v, self.x, self.step_size,
               self.outer_ratio, self.n_inner_steps, self.n_cg_steps,
               n_iterations)


@jit
def aid_gd(G, F, z, v, x, step_size, outer_ratio, n_inner_steps, n_cg_steps,
           n_iterations):
    f1, f2 = np.empty_like(z), np.empty_like(x)
    Cv = np.empty_like(x)
    gamma = step_size / outer_ratio
    for _ in range(n_iterations):
        inner_gradient_descent(G, z, x, step_size, n_inner_steps)

        gradients(F, FULL, z, x, f1, f2)
        conjugate_gradient(G, z, x, f1, v, n_cg_steps)

        cross(G, FULL, z, x, v, Cv)
        descend(x, gamma, Cv)
        descend(x, gamma, f2)
        project(G, x)
