"""The exact solution of the inner problem, and the metrics made from it."""
import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from threadpoolctl import ThreadpoolController

# Threads of BLAS that still spin after an evaluation would take the processor
# from the solver whose clock then runs, or from the one beside it (-j 2).
_THREADS = ThreadpoolController()

# Newton's decrement squared, below which the quadratic convergence makes the
# next iterate exact to machine precision.
_CONVERGED = 1e-24
_MAX_ITERATIONS = 100


class InnerProblemError(ArithmeticError):
    """The inner problem has no minimiser that can be computed."""


def solve_inner(inner, x, z):
    """Minimise G(., x) to machine precision.

    Newton's method with the exact Hessian, backtracking while far from the
    solution. The result depends on nothing but the arguments.

    Parameters
    ----------
    inner : function
        G, smooth and strongly convex in z, with NumPy methods.
    x : array of float64, shape (d,)
        Feasible outer variable.
    z : array of float64, shape (p,)
        Warm start; z = 0 replaces it where that is better.

    Returns
    -------
    z_star : array of float64, shape (p,)
    factor : tuple
        Cholesky factor of the Hessian at z_star, for ``cho_solve``.

    Raises
    ------
    InnerProblemError
        If the Hessian is not numerically positive definite or the
        iterations do not converge.
    """
    value, at_zero = inner.value(z, x), inner.value(np.zeros_like(z), x)
    if not value <= at_zero:
        z, value = np.zeros_like(z), at_zero
    smallest = np.inf
    for _ in range(_MAX_ITERATIONS):
        gradient, hessian = inner.grad_hessian(z, x)
        try:
            factor = cho_factor(hessian)
        except (LinAlgError, ValueError) as error:
            raise InnerProblemError(
                f"Hessian of the inner function: {error}") from error
        step = cho_solve(factor, gradient)
        decrement = gradient @ step
        # Where the problem is so ill conditioned that rounding of the
        # gradient keeps the decrement above the threshold, it stalls at
        # that level: then nothing more can be gained.
        stalled = decrement < 1e-16 and decrement > 0.25 * smallest
        # Where G has no minimiser, on separable data, the decrement vanishes
        # as z runs off, but the step does not.
        settled = np.max(np.abs(step)) <= 1e-6 * (1 + np.max(np.abs(z)))
        if settled and (decrement <= _CONVERGED or stalled):
            return z - step, factor
        smallest = min(smallest, decrement)
        if decrement < 1e-4:
            z = z - step
            continue
        z, value = _backtrack(inner, x, z, value, step, decrement)
    raise InnerProblemError(
        f"Newton's method: decrement {decrement:.1e} after "
        f"{_MAX_ITERATIONS} iterations")


def _backtrack(inner, x, z, value, step, decrement):
    """Longest of the steps 1, 1/2, 1/4, ... that decreases G enough."""
    length = 1.0
    while length > 1e-10:
        trial = z - length * step
        trial_value = inner.value(trial, x)
        if trial_value <= value - 0.1 * length * decrement:
            return trial, trial_value
        length *= 0.5
    raise InnerProblemError("Newton's method: no step decreases G")


def implicit_gradient(problem, x, z_star, factor):
    """Gradient of h by the implicit function theorem.

    Returns grad_x F - (cross of G) H^-1 grad_z F at (z*(x), x), shape (d,),
    with H the Hessian of G in z.
    """
    v_star = -cho_solve(factor, problem.outer.grad_z(z_star, x))
    return (problem.outer.grad_x(z_star, x)
            + problem.inner.cross(z_star, x, v_star))


def metrics(problem, z, x):
    """Judge a pair (z, x), exactly to near machine precision.

    Parameters
    ----------
    problem : BilevelProblem
    z : array of float64, shape (p,)
    x : array of float64, shape (d,)

    Returns
    -------
    dict
        ``value`` = h(x), ``grad_norm`` = norm of the gradient of h at x,
        ``inner_distance`` = norm of z - z*(x), and ``value_gap`` =
        h(x) - min h where min h is known. All NaN if z or x is not finite
        or the inner problem cannot be solved. A pure function of (z, x).
    """
    names = ["value", "grad_norm", "inner_distance"]
    if problem.minimum is not None:
        names.append("value_gap")
    diverged = dict.fromkeys(names, np.nan)
    if not (np.all(np.isfinite(z)) and np.all(np.isfinite(x))):
        return diverged
    # Where z has nearly diverged, overflow is an answer, not an accident.
    with (np.errstate(over="ignore", invalid="ignore"),
          _THREADS.limit(limits=1, user_api="blas")):
        try:
            z_star, factor = solve_inner(problem.inner, x, z)
        except InnerProblemError:
            return diverged
        gradient = implicit_gradient(problem, x, z_star, factor)
        result = {
            "value": problem.outer.value(z_star, x),
            "grad_norm": np.linalg.norm(gradient),
            "inner_distance": np.linalg.norm(z - z_star),
        }
    if problem.minimum is not None:
        result["value_gap"] = result["value"] - problem.minimum[1]
    return result
