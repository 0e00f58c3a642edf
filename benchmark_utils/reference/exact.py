"""Newton's method with a factorised Hessian."""
from functools import partial

import numpy as np
from scipy.linalg import cho_solve

from benchmark_utils.reference.linear_systems import (
    NO_MINIMISER,
    NOT_CONVEX,
    NOT_STRONGLY_CONVEX,
    SINGLE,
    InnerProblemError,
    Inverse,
    backtrack,
    cholesky,
    conjugate_gradient,
    expand,
    has_negative_curvature,
    products,
)
from benchmark_utils.reference.null_space import DOUBTFUL_PIVOT, null_space

# Newton's decrement squared, below which the quadratic convergence makes the
# next iterate exact to machine precision.
_CONVERGED = 1e-24
# Decrement squared, below which steps are not checked.
UNGUARDED = 1e-10
# Largest last step, relative to 1 + |z|.
SETTLED_STEP = 1e-6
# Steps in a row whose decrement is still more than this part of the last one,
# near the solution: convergence is not quadratic, as the curvature vanishes.
_SLOW, _MANY_SLOW = 0.05, 6
# Where a penalty of e^-300 holds z on separable samples, Newton's method has
# some 300 steps of the same length to go.
MAX_ITERATIONS, _MAX_CHEAP_ITERATIONS = 100, 1000
# To form and factorise a Hessian of so many rows takes longer than so many
# products with it.
_MIN_KEPT_DIM, _KEPT_STEPS = 100, 20
# Smallest pivot of the Cholesky factor, relative to the diagonal, of a matrix
# that is not singular within rounding.
_SINGULAR_PIVOT = 1e-13
# Penalties beside which the curvature may leave a null space to them.
_SMALL_PENALTY = 1e-4


def newton(inner, x, z):
    """As ``solve_inner``, for few variables."""
    value, at_zero = inner.value(z, x), inner.value(np.zeros_like(z), x)
    if not value <= at_zero:
        z, value = np.zeros_like(z), at_zero
    keeps = z.size >= _MIN_KEPT_DIM and hasattr(inner, "hessian_operator")
    inverse = null = step = start = None
    smallest = previous = np.inf
    n_slow = 0
    n_iterations = MAX_ITERATIONS if keeps else _MAX_CHEAP_ITERATIONS
    for _ in range(n_iterations):
        if inverse is not None:
            gradient, step = _step_by_kept(inner, x, z, inverse, start)
        fresh = inverse is None or step is None
        if fresh:
            gradient, hessian = inner.grad_hessian(z, x)
            inverse, null = _factorise(inner, x, hessian, null)
            step = inverse.newton_step(gradient, z)
            start = start or np.linalg.norm(gradient)
        decrement = gradient @ step
        # Where the problem is so ill conditioned that rounding of the
        # gradient keeps the decrement above the threshold, it stalls at
        # that level: then nothing more can be gained.
        stalled = decrement < 1e-16 and decrement > 0.25 * smallest
        # Where G has no minimiser, on separable data, the decrement vanishes
        # as z runs off, but the step does not.
        settled = np.max(np.abs(step)) <= SETTLED_STEP * (
            1 + np.max(np.abs(z)))
        converged = settled and (decrement <= _CONVERGED or stalled)
        slow = fresh and _SLOW * previous < decrement < UNGUARDED
        n_slow = n_slow + 1 if slow else 0
        previous = decrement
        if converged and fresh:
            if n_slow >= _MANY_SLOW:
                raise InnerProblemError(NOT_STRONGLY_CONVEX)
            return z - step, inverse
        if converged or not keeps:
            inverse = None
        smallest = min(smallest, decrement)
        if decrement < UNGUARDED:
            # Rounding hides what the value does.
            z, value = z - step, None
            continue
        if value is None:
            value = inner.value(z, x)
        z, value, _ = backtrack(
            lambda trial: (inner.value(trial, x), None), z, value, step,
            decrement)
    raise InnerProblemError(not_converged(n_iterations, decrement, step))


def not_converged(n_iterations, decrement, step):
    """What it means that Newton's method has not converged."""
    # Where the decrement is small, the steps are not.
    reason = "" if decrement > 1e-8 else f"; {NO_MINIMISER}"
    return (f"Newton's method has not converged in {n_iterations} "
            f"iterations: decrement {decrement:.1e}, largest entry of the "
            f"step {np.max(np.abs(step)):.1e}{reason}")


def _step_by_kept(inner, x, z, inverse, start):
    """Newton's step by the factor of an earlier Hessian.

    It preconditions conjugate gradient, which takes less time than a new one;
    where it does not, the step is None.

    Returns
    -------
    gradient, step : array of shape (p,)
    """
    here = expand(inner, z, x)
    norm = np.linalg.norm(here.gradient)
    goal = min(0.1, (norm / start)**0.75)
    exact, rough = products(here, inverse.null)
    solve = partial(
        conjugate_gradient, rough if goal > 10 * SINGLE else exact,
        inverse.inverse, target=goal * norm, max_steps=_KEPT_STEPS)
    try:
        step = Inverse(solve, inverse.null).newton_step(here.gradient, z)
    except InnerProblemError:
        step = None
    return here.gradient, step


def _factorise(inner, x, hessian, null):
    """Make a Hessian that can be solved with, and know its null space.

    Parameters
    ----------
    null : NullSpace, False or None
        What an earlier Hessian had, which is the same for all z; None where
        there was no reason to look.

    Returns
    -------
    inverse : Inverse
    null : NullSpace, False or None
    """
    factor, pivot = cholesky(null.fill(hessian) if null else hessian)
    if null is None and pivot < DOUBTFUL_PIVOT:
        null = _find_null_space(inner, x, len(hessian))
        if null:
            factor, pivot = cholesky(null.fill(hessian))
    if pivot < _SINGULAR_PIVOT:
        if has_negative_curvature(hessian):
            raise InnerProblemError(NOT_CONVEX)
        _, at_zero = inner.grad_hessian(np.zeros(len(hessian)), x)
        if null:
            at_zero = null.fill(at_zero)
        raise InnerProblemError(
            NO_MINIMISER if cholesky(at_zero)[1] >= _SINGULAR_PIVOT else
            "the Hessian of G is singular within rounding, but not exactly: "
            "features without a penalty depend on each other to so many "
            "digits that h cannot be computed in double precision")
    return Inverse(partial(cho_solve, factor), null), null


def _find_null_space(inner, x, p):
    """Null space of the Hessian; at z = 0, samples weigh much the same."""
    gradient, hessian = inner.grad_hessian(np.zeros(p), x)
    known = hasattr(inner, "penalties")
    r = inner.penalties(x) if known else np.zeros(p)
    rows = np.flatnonzero(r <= _SMALL_PENALTY * np.diag(hessian))
    null = null_space(
        hessian[np.ix_(rows, rows)], rows, r[rows], gradient[rows], known)
    if null and not known:
        # Of a linear model it is one everywhere, of another function perhaps
        # at z = 0 alone.
        z = np.random.default_rng(0).standard_normal(p)
        elsewhere = inner.grad_hessian(z, x)[1][:, rows]
        bent = np.abs(elsewhere @ null.basis)
        noise = 1e-9 * np.max(np.abs(elsewhere), initial=0.0) * np.max(
            np.abs(null.basis), initial=0.0)
        if np.any(bent > noise):
            raise InnerProblemError(NOT_STRONGLY_CONVEX)
    return null
