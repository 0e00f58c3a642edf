import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.adaptive_step import DECREASES, AdaptiveStep
from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Hyperparameter Optimization with Approximate Gradient (HOAG).

    F. Pedregosa, "Hyperparameter optimization with approximate gradient",
    ICML 2016.

    Gradient descent on h, where the inner problem and the adjoint system are
    solved to a tolerance eps that decreases from one iteration to the next,
    both warm-started. The step is 1 / L, and the first has length 1; L adapts
    to the decrease of F(z, x) that it brings, as ``AdaptiveStep`` says.

    A step is kept where F grows, with L doubled, as in the paper. It is taken
    back only where F grows by 20 % or overflows: not in the paper, but in
    later public code (that of SHINE, Ramzi et al., ICLR 2022), because one
    step can end where h is flat.

    The first iteration evaluates h at the start; each later one is a step.

    Parameters
    ----------
    tolerance : float
        Norm of the gradient of G in z, and of the residual of the adjoint
        system, at which these are solved at the first iteration.
    tol_decrease : {"exponential", "quadratic", "cubic"}
        Tolerance at iteration t = 0, 1, ..., divided by the first: 0.9^t,
        (t + 1)^-2 or (t + 1)^-3.
    """

    name = "HOAG"

    parameters = {"tolerance": [0.1], "tol_decrease": ["exponential"]}
    search_space = {"tolerance": (1e-3, 1.0),
                    "tol_decrease": ["exponential", "quadratic", "cubic"]}

    constraints = {
        **BilevelSolver.constraints,
        "tolerance": checks.positive,
        "tol_decrease": checks.one_of(*DECREASES),
    }
    eval_freq = 1

    def start(self):
        self.exact = ExactOracles(self.G, self.F, self.z)
        self.steps = AdaptiveStep()
        # The hypergradient at x.
        self.p = np.zeros_like(self.x)

    def advance(self, n_iterations):
        for t in range(self.t, self.t + n_iterations):
            self.step(self.tolerance * DECREASES[self.tol_decrease](t))

    def step(self, eps):
        x = self.x.copy()
        if self.steps.L is not None:
            x -= self.p / self.steps.L
            project(self.G, x)
        F, p = self.exact.value_and_gradient(x, eps)
        if self.steps.keeps(F, p, eps, self.exact.v,
                            np.linalg.norm(x - self.x)):
            self.x, self.z, self.p = x, self.exact.z, p
