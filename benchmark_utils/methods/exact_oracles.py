"""h and its gradient by SciPy's solvers, from counted oracles alone.

For solvers that treat h as a function to be minimised: the inner problem by a
trust-region Newton method, the adjoint system by conjugate gradient, each to a
tolerance. Every derivative is one call of a compiled oracle on all samples,
so that ``oracle_calls`` counts what SciPy has used.
"""
import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from threadpoolctl import ThreadpoolController

from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import (
    cross,
    grad_z,
    gradients,
    hvp,
    value,
)

_MAX_ITERATIONS = 100
_ROUNDING = 1e-13  # Relative, of a sum over all samples.
_SOLVED = 1e-6  # Of the gradient at z = 0, where rounding forbids more.
_THREADS = ThreadpoolController()


def one_thread():
    """Context in which BLAS has one thread, for SciPy's L-BFGS.

    On its matrices of the size of the memory others only wait, at ten times
    the processor time, and at the cost of a run beside it.
    """
    return _THREADS.limit(limits=1, user_api="blas")


class InnerProblemError(ArithmeticError):
    """The inner problem has no minimiser that can be computed."""


class ExactOracles:
    """h(x), its gradient, z*(x) and v*(x), warm-started from call to call.

    Parameters
    ----------
    G, F : function
        Inner and outer function, for the compiled oracles.
    z : array of float64, shape (p,)
        First warm start of the inner problem; copied.

    Attributes
    ----------
    z, v : array of float64, shape (p,)
        Last solutions of the inner problem and of the adjoint system. Each
        solution is a new array; a failure leaves them as they were.
    g : array of float64, shape (p,)
        Gradient of G in z at the last ``z``, no longer than the tolerance:
        0 before the first solution. F(z, x) + v'g differs from h(x) by no
        more than the product of the two solutions' errors, F(z, x) alone by
        up to abs(v'g).
    """

    def __init__(self, G, F, z):
        self.G, self.F = G, F
        self.z, self.v, self.g = z.copy(), np.zeros_like(z), np.zeros_like(z)

    def value(self, x, tolerance):
        """h(x), or inf where the inner problem cannot be solved.

        Parameters
        ----------
        x : array of float64, shape (d,)
            Feasible outer variable.
        tolerance : float
            Norm of the gradient of G at which the inner problem is solved.

        Returns
        -------
        float
        """
        # At a wild trial point, overflow is an answer, not an accident.
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                self.z, self.g = solve_inner(
                    self.G, x, self.z, tolerance, self.minimise)
            except InnerProblemError:
                return np.inf
        h = value(self.F, FULL, self.z, x)
        return h if np.isfinite(h) else np.inf

    def value_and_gradient(self, x, tolerance):
        """h(x) and its gradient, or inf and 0 where either overflows.

        ``tolerance`` is also that of the adjoint system: the norm of its
        residual H v + f1.

        Returns
        -------
        h : float
        gradient : array of float64, shape (d,)
        """
        h, gradient = self.value(x, tolerance), np.zeros_like(x)
        if not np.isfinite(h):
            return np.inf, gradient
        f1, Cv = np.empty_like(self.z), np.empty_like(x)
        gradients(self.F, FULL, self.z, x, f1, gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            v = self.adjoint(x, f1, tolerance)
        cross(self.G, FULL, self.z, x, v, Cv)
        gradient += Cv
        if not np.all(np.isfinite(gradient)):
            return np.inf, np.zeros_like(x)
        self.v = v
        return h, gradient

    def minimise(self, problem):
        """Lower the gradient of an ``InnerProblem`` to its tolerance."""
        problem.last_value = value(self.G, FULL, problem.z, problem.x)
        minimize(
            problem.function, problem.z, jac=True, hessp=problem.product,
            callback=problem.stop, method="trust-ncg",
            options={"gtol": problem.tolerance, "maxiter": _MAX_ITERATIONS})

    def adjoint(self, x, f1, tolerance):
        """Solution of H v = -f1 at z, a new array of shape (p,)."""
        return solve_adjoint(self.G, x, self.z, f1, self.v, tolerance)


def solve_inner(G, x, z, tolerance, minimise):
    """Minimise G(., x) by one of SciPy's methods.

    Parameters
    ----------
    G : function
        Inner function, for the compiled oracles.
    x : array of float64, shape (d,)
    z : array of float64, shape (p,)
        Warm start; z = 0 replaces it where G is smaller there.
    tolerance : float
        Norm of the gradient of G in z. Where rounding errors forbid it, the
        result is what they allow.
    minimise : callable
        Takes an ``InnerProblem``, whose ``z`` and ``norm`` it lowers.

    Returns
    -------
    z, g : array of float64, shape (p,)
        The solution, and the gradient of G in z there.

    Raises
    ------
    InnerProblemError
        If a derivative overflows or conjugate gradient stagnates, as where
        the Hessian is singular numerically, or if the gradient remains large.
    """
    zero = np.zeros_like(z)
    if not value(G, FULL, z, x) <= value(G, FULL, zero, x):
        z = zero
    problem = InnerProblem(G, x, z, tolerance)
    last_norm = np.inf
    # Once, unless rounding has ended it early: then again, from its result.
    while tolerance < problem.norm and problem.norm <= 0.5 * last_norm:
        last_norm = problem.norm
        minimise(problem)
    if problem.norm > tolerance:
        g = np.empty_like(z)
        grad_z(G, FULL, zero, x, g)
        if not problem.norm <= _SOLVED * np.linalg.norm(g):
            raise InnerProblemError(
                f"gradient of G of norm {problem.norm:.1e}")
    return problem.z, problem.g


class InnerProblem:
    """G(., x) as SciPy wants it, and the z of smallest gradient it has seen.

    As G is strongly convex, that z is the closest to the solution.

    Attributes
    ----------
    z : array of float64, shape (p,)
    g : array of float64, shape (p,)
        Gradient there; NaN before the first call.
    norm : float
        Of the gradient there; infinite before the first call.
    """

    def __init__(self, G, x, z, tolerance):
        self.G, self.x, self.tolerance = G, x, tolerance
        self.z, self.g, self.norm = z, np.full_like(z, np.nan), np.inf
        self.n_products = 0

    def function(self, z):
        g = np.empty_like(z)
        grad_z(self.G, FULL, z, self.x, g)
        norm = np.linalg.norm(g)
        if not np.isfinite(norm):
            raise InnerProblemError("the gradient of G overflows")
        if norm < self.norm:
            self.z, self.g, self.norm = z.copy(), g.copy(), norm
        self.trial_value = value(self.G, FULL, z, self.x)
        return self.trial_value, g

    def product(self, z, d):
        # Without a limit, SciPy would go on for ever.
        self.n_products += 1
        if self.n_products > 10 * (_MAX_ITERATIONS + z.size):
            raise InnerProblemError("too many products with the Hessian")
        Hd = np.empty_like(z)
        hvp(self.G, FULL, z, self.x, d, Hd)
        if not np.isfinite(d @ Hd):
            raise InnerProblemError("the Hessian of G overflows")
        return Hd

    def stop(self, intermediate_result):
        # A gain that drowns in rounding errors tells SciPy nothing of a
        # step, good as that may be.
        gain = abs(self.trial_value - self.last_value)
        drowned = gain <= _ROUNDING * abs(self.last_value)
        if drowned or self.norm <= self.tolerance:
            raise StopIteration
        self.last_value = intermediate_result.fun


def solve_adjoint(G, x, z, f1, v, tolerance):
    """Solve H v = -f1 by SciPy's conjugate gradient.

    Parameters
    ----------
    G, x, z
        As in ``solve_inner``; H is the Hessian of G there.
    f1 : array of float64, shape (p,)
    v : array of float64, shape (p,)
        Warm start.
    tolerance : float
        Norm of the residual H v + f1.

    Returns
    -------
    array of float64, shape (p,)
        What the method has after 10 p steps at the latest.
    """
    H = hessian(G, z, x)
    return cg(H, -f1, x0=v, rtol=0.0, atol=tolerance)[0]


def hessian(G, z, x):
    """Hessian of G in z on all samples, as SciPy's solvers want it.

    Returns
    -------
    LinearOperator, shape (p, p)
    """
    def product(d):
        d = np.ascontiguousarray(d).ravel()
        Hd = np.empty_like(d)
        hvp(G, FULL, z, x, d, Hd)
        return Hd

    return LinearOperator((z.size, z.size), matvec=product, dtype=float)
