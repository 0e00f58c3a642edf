import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.methods.solver import BilevelSolver

# Tolerance at iteration t = 0, 1, ..., divided by the first.
DECREASES = {
    "exponential": lambda t: 0.9**t,
    "quadratic": lambda t: (t + 1.0) ** -2,
    "cubic": lambda t: (t + 1.0) ** -3,
}
GROW, SHRINK = 2.0, 0.95


class Solver(BilevelSolver):
    """Hyperparameter Optimization with Approximate Gradient (HOAG).

    F. Pedregosa, "Hyperparameter optimization with approximate gradient",
    ICML 2016.

    Gradient descent on h, where the inner problem and the adjoint system are
    solved to a tolerance eps that decreases from one iteration to the next,
    both warm-started. The step is 1 / L, and the first has length 1. L
    shrinks by 5 % where a step D decreases F(z, x), which is h up to M eps,
    as theory predicts:

        F <= F_last - L / 2 |D|^2 + M (eps + eps_last) + C eps_last |D|

    Elsewhere L doubles. Unlike in the paper, which keeps it, such a step is
    then taken back: a single one can end where h is flat. One that makes h
    overflow is taken back likewise.

    The constants M and C of the paper are not known in practice: |v| stands
    for both, which is M to first order, eps being a bound of gradients and
    residuals rather than of distances.

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

    constraints = {
        **BilevelSolver.constraints,
        "tolerance": checks.positive,
        "tol_decrease": checks.one_of(*DECREASES),
    }
    eval_freq = 1

    def start(self):
        self.exact = ExactOracles(self.G, self.F, self.z)
        self.L = None
        # F, the hypergradient p and eps at x.
        self.last = None

    def advance(self, n_iterations):
        for t in range(self.t, self.t + n_iterations):
            self.step(self.tolerance * DECREASES[self.tol_decrease](t))

    def step(self, eps):
        x = self.x.copy()
        if self.last is not None:
            x -= self.last[1] / self.L
            project(self.G, x)
        F, p = self.exact.value_and_gradient(x, eps)
        if self.last is None:
            self.L = np.linalg.norm(p) or 1.0
        elif self.decreases(F, eps, np.linalg.norm(x - self.x)):
            self.L *= SHRINK
        else:
            self.L *= GROW
            return
        self.x, self.z, self.last = x, self.exact.z, (F, p, eps)

    def decreases(self, F, eps, length):
        """Whether a step decreases h enough, up to the tolerance."""
        F_last, _, eps_last = self.last
        M = C = np.linalg.norm(self.exact.v)
        return F <= (F_last - 0.5 * self.L * length**2
                     + M * (eps + eps_last) + C * eps_last * length)
