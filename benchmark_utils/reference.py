"""The exact solution of the inner problem, and the metrics made from it."""
from functools import partial

import numpy as np
from scipy import linalg
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg
from threadpoolctl import ThreadpoolController

# Threads of BLAS that still spin after an evaluation would take the processor
# from the solver whose clock then runs, or from the one beside it (-j 2).
_THREADS = ThreadpoolController()

# Newton's decrement squared, below which the quadratic convergence makes the
# next iterate exact to machine precision.
_CONVERGED = 1e-24
_MAX_ITERATIONS = 100

# Largest p for which the Hessian is formed and factorised.
MAX_EXACT_DIM = 2000
# Beyond: norms of the gradient of G and of the residual of the adjoint
# system, relative to their norms at z = 0 and at v = 0.
TRUNCATED_TOLERANCE = 1e-10
# Steps of conjugate gradient, each a pass over the data: enough for condition
# numbers of 1e5. Where they are worse, as in a run that is about to diverge,
# SciPy's default of 10 p steps may take hours.
_MAX_CG_STEPS = 5000


class InnerProblemError(ArithmeticError):
    """The inner problem has no minimiser that can be computed."""


def solve_inner(inner, x, z):
    """Minimise G(., x), to machine precision for p <= ``MAX_EXACT_DIM``.

    Newton's method with the exact Hessian, backtracking while far from the
    solution. Beyond that p, each step is computed by conjugate gradient, and
    the solution has a gradient of at most ``TRUNCATED_TOLERANCE`` times the
    gradient g_0 at z = 0: to first order, h is then wrong by at most |v*|
    ``TRUNCATED_TOLERANCE`` |g_0|. The result depends on nothing but the
    arguments.

    Parameters
    ----------
    inner : function
        G, smooth and strongly convex in z, with NumPy methods; beyond
        ``MAX_EXACT_DIM`` also ``hessian_operator`` and ``hessian_diagonal``.
    x : array of float64, shape (d,)
        Feasible outer variable.
    z : array of float64, shape (p,)
        Warm start; z = 0 replaces it where that is better.

    Returns
    -------
    z_star : array of float64, shape (p,)
    solve : function
        b -> H^-1 b, with H the Hessian at z_star.

    Raises
    ------
    InnerProblemError
        If the Hessian is not numerically positive definite or the
        iterations do not converge.
    """
    value, at_zero = inner.value(z, x), inner.value(np.zeros_like(z), x)
    if not value <= at_zero:
        z, value = np.zeros_like(z), at_zero
    if z.size > MAX_EXACT_DIM:
        return _truncated_newton(inner, x, z, value)
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
            return z - step, partial(cho_solve, factor)
        smallest = min(smallest, decrement)
        if decrement < 1e-4:
            z = z - step
            continue
        z, value = _backtrack(inner, x, z, value, step, decrement)
    raise InnerProblemError(
        f"Newton's method: decrement {decrement:.1e} after "
        f"{_MAX_ITERATIONS} iterations")


def _truncated_newton(inner, x, z, value):
    """As ``solve_inner``, without forming a Hessian."""
    at_zero = np.linalg.norm(inner.grad_z(np.zeros_like(z), x))
    target = TRUNCATED_TOLERANCE * at_zero
    for _ in range(_MAX_ITERATIONS):
        gradient = inner.grad_z(z, x)
        norm = np.linalg.norm(gradient)
        hessian = (inner.hessian_operator(z, x), inner.hessian_diagonal(z, x))
        if norm <= target:
            return z, partial(
                _conjugate_gradient, *hessian, rtol=TRUNCATED_TOLERANCE)
        # Superlinear convergence, and no more accuracy than is asked for.
        step = _conjugate_gradient(
            *hessian, gradient, rtol=min(0.1, np.sqrt(norm / at_zero)),
            atol=0.1 * target)
        decrement = gradient @ step
        if decrement < 1e-6:
            z = z - step
            value = inner.value(z, x)
        else:
            z, value = _backtrack(inner, x, z, value, step, decrement)
    raise InnerProblemError(
        f"truncated Newton: gradient {norm:.1e} after {_MAX_ITERATIONS} "
        "iterations")


def _conjugate_gradient(product, diagonal, b, rtol, atol=0.0):
    """Solve H x = b, or say that it cannot be done.

    Preconditioned by the diagonal: penalties may be far apart.
    """
    shape = b.size, b.size
    operator = LinearOperator(shape, matvec=product, dtype=float)
    scale = np.where(diagonal > 0, diagonal, 1.0)
    preconditioner = LinearOperator(
        shape, matvec=lambda v: v / scale, dtype=float)
    solution, info = cg(
        operator, b, rtol=rtol, atol=atol, maxiter=_MAX_CG_STEPS,
        M=preconditioner)
    if info != 0 or not np.all(np.isfinite(solution)):
        raise InnerProblemError(
            "conjugate gradient has not converged: the Hessian of the inner "
            "function is singular numerically")
    return solution


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


def implicit_gradient(problem, x, z_star, solve):
    """Gradient of h by the implicit function theorem.

    Returns grad_x F - (cross of G) H^-1 grad_z F at (z*(x), x), shape (d,),
    with H the Hessian of G in z and ``solve`` the function b -> H^-1 b.
    """
    v_star = -solve(problem.outer.grad_z(z_star, x))
    return (problem.outer.grad_x(z_star, x)
            + problem.inner.cross(z_star, x, v_star))


def metrics(problem, z, x):
    """Judge a pair (z, x), as exactly as ``solve_inner`` says.

    Parameters
    ----------
    problem : BilevelProblem
    z : array of float64, shape (p,)
    x : array of float64, shape (d,)

    Returns
    -------
    dict
        ``value`` = h(x), ``grad_norm`` = norm of the gradient of h at x,
        ``inner_distance`` = norm of z - z*(x), ``value_gap`` =
        h(x) - min h where min h is known, and the ``scores`` of the problem,
        at z*(x). All NaN if z or x is not finite or the inner problem cannot
        be solved. A pure function of (z, x).
    """
    names = ["value", "grad_norm", "inner_distance", *problem.scores]
    if problem.minimum is not None:
        names.append("value_gap")
    diverged = dict.fromkeys(names, np.nan)
    if not (np.all(np.isfinite(z)) and np.all(np.isfinite(x))):
        return diverged
    # Where z has nearly diverged, overflow is an answer, not an accident.
    with (np.errstate(over="ignore", invalid="ignore"),
          _THREADS.limit(limits=1, user_api="blas")):
        try:
            z_star, solve = solve_inner(problem.inner, x, z)
            gradient = implicit_gradient(problem, x, z_star, solve)
        except InnerProblemError:
            return diverged
        result = {
            "value": problem.outer.value(z_star, x),
            # Squares overflow in NumPy's norm, not in that of BLAS.
            "grad_norm": linalg.norm(gradient, check_finite=False),
            "inner_distance": linalg.norm(z - z_star, check_finite=False),
        }
        if not np.all(np.isfinite(list(result.values()))):
            return diverged
        for name, score in problem.scores.items():
            result[name] = score(z_star, x)
    if problem.minimum is not None:
        result["value_gap"] = result["value"] - problem.minimum[1]
    return result
