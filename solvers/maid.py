import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.error_bounds import ErrorBounds
from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.methods.solver import BilevelSolver

ETA = 1e-4
SHORTER, LONGER = 0.9, 10 / 9  # The step.
TIGHTER, LOOSER = 0.5, 1.05  # eps and delta.
N_TRIES, MAX_TRIES = 10, 320
ROUNDING = 1e-14


class Solver(BilevelSolver):
    """Method of Adaptive Inexact Descent (MAID).

    M. S. Salehi, S. Mukherjee, L. Roberts, M. J. Ehrhardt, "An adaptively
    inexact first-order method for bilevel optimization with application to
    hyperparameter learning", SIAM J. Math. Data Sci., 2025.

    Gradient descent on h without a step size and without a schedule of
    tolerances. z is within eps of z*(x), the residual of v within delta. Both
    halve until a bound omega of the error of the hypergradient p is below
    |p|: -p is a direction of descent then. A line search shortens the step s
    until h, of which F(z, x) is an estimate with known error, has decreased
    for certain. If it has, s, eps and delta grow; if no step does, eps and
    delta halve. An iteration is one such search.

    z is within eps where |g| <= mu eps, with mu the smallest eigenvalue of
    the Hessian where x was last. On problems where this is next to 0 all has
    to be nearly exact; a larger ``mu`` then costs less, but is no constant of
    strong convexity: eps and omega are no bounds any more, neither that -p is
    a direction of descent nor that h decreases is certain, and the method is
    a heuristic. Where a search has chosen a number, that is what was run.

    The constants, and the condition of the line search, which needs a convex
    F(., x), are those of the authors' code; the paper's were not at hand.
    From neither: omega, see ``ErrorBounds``; that the number of tries doubles
    after a search without success, where the code adds one; and F(z, x) at
    the present z, where the code may have it from a less exact one. Values of
    F, which the line search spends, do not count as oracle calls.

    Parameters
    ----------
    tolerance : float
        eps and delta at the start.
    first_step : float
        Length of the first step that is tried.
    mu : float or None
        Strong convexity of G in z; None for the smallest eigenvalue. A number
        above it takes away what the paper promises.
    """

    name = "MAID"

    parameters = {"tolerance": [0.1], "first_step": [1.0], "mu": [None]}

    constraints = {
        **BilevelSolver.constraints,
        "tolerance": checks.positive,
        "first_step": checks.positive,
        "mu": checks.positive_or_none,
    }
    # A number may be above the true constant: omega is then no bound.
    search_space = {"tolerance": (0.01, 1.0), "mu": [None, 1e-3, 1e-2, 1e-1]}
    eval_freq = 1

    def start(self):
        self.exact = ExactOracles(self.G, self.F, self.z)
        self.bounds = ErrorBounds(self.G, self.F, self.mu)
        self.eps = self.delta = self.tolerance
        self.s, self.n_tries = None, N_TRIES

    def advance(self, n_iterations):
        # At a wild trial point, overflow is an answer, not an accident.
        with np.errstate(all="ignore"):
            if self.t == 0:
                self.bounds.update(self.z, self.x)
            for _ in range(n_iterations):
                F, f1, p = self.hypergradient()
                if np.isfinite(F):
                    self.search(F, np.linalg.norm(f1), p)

    def hypergradient(self):
        """F, f1 and p at x, so exact that -p is a direction of descent."""
        while True:
            F, f1 = self.outer_function(self.x)
            v = self.exact.adjoint(self.x, f1, self.delta)
            if not (np.isfinite(F) and np.all(np.isfinite(v))):
                return np.inf, f1, self.x
            self.z, self.exact.v = self.exact.z, v
            p, omega = self.bounds.hypergradient(self.z, v, self.x)
            if (omega < (1 - ETA) * np.linalg.norm(p)
                    or max(self.eps, self.delta) < ROUNDING):
                return F, f1, p
            self.eps *= TIGHTER
            self.delta *= TIGHTER

    def outer_function(self, x):
        """F and f1 at (z, x), with z within eps of z*(x)."""
        F = self.exact.value(x, self.bounds.mu * self.eps)
        f1 = np.zeros_like(self.z)
        if np.isfinite(F):
            grad_z(self.F, FULL, self.exact.z, x, f1)
        return F, f1

    def search(self, F, slope, p):
        """Make the longest step that decreases h for certain."""
        norm, eps = np.linalg.norm, self.eps
        if self.s is None:
            self.s = self.first_step / (norm(p) or 1.0)
        for i in range(self.n_tries):
            s = self.s * SHORTER**i
            x = self.x - s * p
            project(self.G, x)
            F_new, f1 = self.outer_function(x)
            # h(x_new) - h(x), at most.
            change = (F_new - F + (norm(f1) + slope) * eps
                      + 0.5 * self.bounds.L * eps * eps)
            if change <= -(ETA**2) / s * norm(x - self.x) ** 2:
                self.x, self.z = x, self.exact.z
                self.s, self.n_tries = s * LONGER, N_TRIES
                self.eps, self.delta = eps * LOOSER, self.delta * LOOSER
                self.bounds.update(self.z, x)
                return
        self.exact.z = self.z
        self.n_tries = min(2 * self.n_tries, MAX_TRIES)
        self.eps, self.delta = eps * TIGHTER, self.delta * TIGHTER
