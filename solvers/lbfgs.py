import numpy as np
from scipy.optimize import Bounds, minimize

from benchmark_utils import checks
from benchmark_utils.methods.boxes import is_box
from benchmark_utils.methods.exact_oracles import ExactOracles, one_thread
from benchmark_utils.methods.solver import BilevelSolver

ROUNDING = 1e-16


class Solver(BilevelSolver):
    """Limited-memory BFGS on h (L-BFGS).

    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for
    bound constrained optimization", SIAM J. Sci. Comput. 16(5), 1995.

    SciPy's L-BFGS-B minimises h by its implicit gradient. The inner problem
    is solved by a trust-region Newton method and the adjoint system by
    conjugate gradient, both warm-started and to a given tolerance. The bounds
    are the projections of points far outside: where the feasible set is no
    box, the problem is skipped.

    The callback comes after each accepted iteration, not after each trial of
    the line search. Where the line search finds no decrease, it starts again
    with an empty memory, and where that finds none either, with a tenth of
    the tolerance. The run ends below 1e-16, where rounding hides what a step
    along the gradient would gain. Where h falls
    for ever, as when penalties of useless features grow without bound, it
    depends on rounding how far out that is.

    Parameters
    ----------
    tolerance : float
        Norm of the gradient of G in z, and of the residual of the adjoint
        system, at which these are solved at first.
    memory : int
        Pairs of differences in the approximation of the Hessian of h.
    """

    name = "L-BFGS"

    parameters = {"tolerance": [1e-10], "memory": [10]}
    search_space = {"memory": (5, 40), "tolerance": (1e-10, 1e-4)}

    constraints = {
        **BilevelSolver.constraints,
        "tolerance": checks.positive,
        "memory": checks.n_pairs,
    }

    def skip(self, problem):
        """Why it does not run: its steps would leave the feasible set."""
        if is_box(problem.inner.project, problem.outer_start):
            return False, None
        return True, (f"{self.name} needs bounds on each entry of x alone, "
                      "and the feasible set of this problem is no box")

    def start(self):
        self.exact = ExactOracles(self.G, self.F, self.z)
        self.accuracy = self.tolerance
        # h, its gradient and z* at x, once known, and at the last trial.
        self.known = self.trial = None

    def run(self, callback):
        self._reset()
        self.start()
        goes_on = callback()
        if not goes_on:
            return
        far = np.full_like(self.x, np.inf)
        project = self.problem.inner.project

        def after_iteration(intermediate_result):
            nonlocal goes_on
            self.accept(intermediate_result.x)
            goes_on = callback()
            if not goes_on:
                raise StopIteration

        last_value = np.inf
        with one_thread():
            while goes_on:
                self.known = None
                minimize(
                    self.h, self.x, jac=True, method="L-BFGS-B",
                    bounds=Bounds(project(-far), project(far)),
                    callback=after_iteration,
                    # No other end than the callback's, or the line search's.
                    options={"maxcor": self.memory, "ftol": 0.0, "gtol": 0.0,
                             "maxiter": 10**9, "maxfun": 10**9})
                if not self.known[0] < last_value:
                    # What the error of z hides is seen with less of it.
                    self.accuracy *= 0.1
                    goes_on = goes_on and self.accuracy > ROUNDING
                last_value = self.known[0]

    def h(self, x):
        """h and its gradient; an overflow makes the line search go back."""
        value, gradient = self.exact.value_and_gradient(x, self.accuracy)
        # To first order in the error of z, F(z, x) is h(x) - v'g: a value that
        # is too low by that would stop the line search from its iterate.
        value += self.exact.v @ self.exact.g
        z = self.exact.z
        if not np.isfinite(value) and self.known is not None:
            # As much above h(x_t) as the slope there promised to go below:
            # the next trial step is about a tenth, whatever the scale of h.
            h_t, gradient_t, z = self.known
            value = h_t + abs(gradient_t @ (x - self.x))
        self.trial = value, gradient, z
        if self.known is None:
            self.known = self.trial
        return value, gradient

    def accept(self, x):
        self.x, self.known = x.copy(), self.trial
        self.z = self.known[2]
