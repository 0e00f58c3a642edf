import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.adaptive_step import DECREASES, AdaptiveStep
from benchmark_utils.methods.quasi_newton import QuasiNewtonOracles
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """SHaring the INverse Estimate (SHINE).

    Z. Ramzi, F. Mannel, S. Bai, J.-L. Starck, P. Ciuciu, T. Moreau, "SHINE:
    SHaring the INverse Estimate from the forward pass for bi-level
    optimization and implicit models", ICLR 2022.

    HOAG without a linear system: gradient descent on h, with its step. L-BFGS
    solves the inner problem to a tolerance that decreases; its last pairs of
    differences, of z and of gradients, make an approximation B of the inverse
    Hessian, and the adjoint variable is v = -B f1. With outer-problem
    awareness (OPA), a pair e, g(z + e) - g(z) with e along B f1 is added at
    each step of L-BFGS, which is what makes v right. Without it, and without
    the ``n_refinements`` steps of conjugate gradient that may follow, an
    error of v remains, and x ends where the wrong gradient vanishes.

    From the authors' code: that e is as long as the last step of z, where
    earlier versions have B f1 itself or 1 / k of it at step k, and that pairs
    stay from one x to the next. Other than there, a pair of OPA follows each
    step, not every few: the error of v is smallest so. B starts from a
    multiple of the identity, as usual, and L-BFGS is SciPy's, which starts
    afresh at each x and is not told of the pairs of OPA.

    Parameters
    ----------
    tolerance : float
        Norm of the gradient of G in z at which the inner problem is solved at
        the first iteration.
    tol_decrease : {"exponential", "quadratic", "cubic"}
        Tolerance at iteration t = 0, 1, ..., divided by the first: 0.9^t,
        (t + 1)^-2 or (t + 1)^-3.
    memory : int
        Pairs.
    n_refinements : int
        Steps of conjugate gradient at each iteration; may be 0.
    opa : bool
    """

    name = "SHINE"

    parameters = {
        "tolerance": [1e-3],
        "tol_decrease": ["exponential"],
        "memory": [10],
        "n_refinements": [0],
        "opa": [True],
    }

    constraints = {
        **BilevelSolver.constraints,
        "tolerance": checks.positive,
        "tol_decrease": checks.one_of(*DECREASES),
        "memory": checks.n_pairs,
        "n_refinements": checks.n_steps_or_none,
        "opa": checks.one_of(True, False),
    }
    search_space = {
        "tolerance": (1e-3, 1e-1),
        "memory": (10, 30),
        "n_refinements": [0, 5],
        "opa": [False, True],
    }
    eval_freq = 1

    def start(self):
        self.inexact = QuasiNewtonOracles(
            self.G, self.F, self.z, self.memory, self.n_refinements, self.opa)
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
        F, p = self.inexact.value_and_gradient(x, eps)
        if self.steps.keeps(F, p, eps, self.inexact.v,
                            np.linalg.norm(x - self.x)):
            self.x, self.z, self.p = x, self.inexact.z, p
