"""Systems with the Hessian of G: what both of Newton's methods share."""
from types import SimpleNamespace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, eigvalsh

# Error of conjugate gradient in single precision, relative to its start.
SINGLE = 1e-6
# Steps of conjugate gradient, each a pass over the data: enough for condition
# numbers of 1e5. Where they are worse, as in a run that is about to diverge,
# SciPy's default of 10 p steps may take hours.
MAX_STEPS = 5000
# Curvatures, relative to the largest, that may be negative by rounding.
_ROUNDING = 1e-11
# Where it takes so many, those in single precision would be more again.
_MANY_STEPS = 300


class InnerProblemError(ArithmeticError):
    """The inner problem has no minimiser that can be computed."""


NO_MINIMISER = (
    "G decreases on and on as z grows, as where the samples are separated by "
    "features without a penalty, or with next to none")
NOT_CONVEX = (
    "G is not convex in z: its curvature is negative at the point that "
    "Newton's method has come to, so that z*(x) is not the minimiser by any "
    "local condition, or is none at all")

NOT_STRONGLY_CONVEX = (
    "G is not strongly convex at z*(x): its curvature vanishes there in some "
    "direction, but not nearby, so that z*(x) has no derivative")


class Inverse:
    """The function b -> H^-1 b, or its limit: see ``solve_inner``.

    Parameters
    ----------
    inverse : function
        b -> K^-1 b, with K the Hessian, made regular by ``null``.
    null : NullSpace or False
    unseen : array of bool, shape (p,), optional
        Entries of z that do not occur in a sample, if ``inverse`` is not to
        see them.
    r : array, shape (p,), optional
        Penalties: what the Hessian is there.
    """

    def __init__(self, inverse, null=False, unseen=None, r=None):
        self.inverse, self.null = inverse, null
        self.unseen, self.r = unseen, r

    def __call__(self, b):
        if self.unseen is None:
            return self._of_seen(b)
        # Without a penalty, their derivatives are 0 whatever v is there.
        alone = np.divide(b, self.r, out=np.zeros_like(b),
                          where=self.unseen & (self.r > 0))
        return self._of_seen(np.where(self.unseen, 0.0, b)) + alone

    def _of_seen(self, b):
        if self.null:
            return self.null.solve(self.inverse, b)
        return self.inverse(b)

    def newton_step(self, gradient, z):
        """H^-1 times the gradient of G at z."""
        if self.null:
            return self.null.newton_step(self.inverse, gradient, z)
        return self.inverse(gradient)

    def unbounded(self, b):
        """Direction in which (H + t)^-1 b grows as t -> 0, or None."""
        return self.null.unbounded(b) if self.null else None


def cholesky(hessian):
    """Factor, and the smallest of its pivots relative to the diagonal.

    Where there is no factor, that is 0.
    """
    if not np.all(np.isfinite(hessian)):
        raise InnerProblemError("the Hessian of G is not finite")
    try:
        factor = cho_factor(hessian, check_finite=False)
    except LinAlgError:
        return None, 0.0
    pivots = np.diag(factor[0])**2 / np.diag(hessian)
    return factor, np.min(pivots, initial=1.0)


def has_negative_curvature(hessian):
    """Whether a matrix has a negative eigenvalue, and not by rounding alone.

    Rows are scaled, so that a direction of small entries counts as any other.
    """
    diagonal = np.abs(np.diag(hessian))
    rows = np.max(np.abs(hessian), axis=0)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, rows))
    scale[scale == 0] = 1.0
    size = eigvalsh(hessian / scale / scale[:, None], check_finite=False)
    return size[0] < -10 * np.finfo(float).eps * len(size) * np.max(
        np.abs(size))


def expand(inner, z, x, rough=False):
    """The inner function at a point, from what methods it has.

    Parameters
    ----------
    rough : bool
        Whether single precision will do for value and gradient.

    Returns
    -------
    object
        As ``benchmark_utils.functions.expansion`` describes it.
    """
    if hasattr(inner, "expand"):
        return inner.expand(z, x, rough)
    product = inner.hessian_operator(z, x)
    return SimpleNamespace(
        value=inner.value(z, x), gradient=inner.grad_z(z, x),
        product=product, rough_product=product,
        diagonal=lambda: inner.hessian_diagonal(z, x), preconditioner=None)


def products(here, null):
    """Hessian times a vector, exactly and roughly, made regular."""
    if not null:
        return here.product, here.rough_product
    return null.fill_product(here.product), null.fill_product(
        here.rough_product)


def conjugate_gradient(product, precondition, b, target, exact=None,
                       max_steps=None):
    """Solve H s = b, to a norm of the residual.

    SciPy's method starts anew, and forgets its directions, where a residual
    is to be corrected; this one goes on along them.

    Parameters
    ----------
    product : function
        v -> H v, perhaps in single precision.
    precondition : function
        b -> M^-1 b.
    b : array, shape (p,)
    target : float
    exact : function, optional
        v -> H v in double precision. With it, the residual is computed anew
        where single precision may have changed it.
    max_steps : int, optional
        ``MAX_STEPS`` without it.

    Returns
    -------
    array, shape (p,)

    Raises
    ------
    InnerProblemError
        If it does not converge, or if a curvature is negative. Where it does
        converge, none is in a direction that b has a part of: along an
        eigenvector of an eigenvalue <= 0, the residual cannot decrease as
        long as all other curvatures that are met are positive.
    """
    s, residual = np.zeros_like(b), b
    norm = known = np.linalg.norm(b)
    error = 0.0 if exact is None else SINGLE
    direction = old = old_slope = None
    steepest = 0.0
    for n_steps in range(max_steps or MAX_STEPS):
        if norm <= target:
            return s
        ahead = precondition(residual)
        slope = ahead @ residual
        if direction is None:
            direction = ahead
        else:
            # Of Polak and Ribiere, as the residual may be a new one.
            turn = ahead @ (residual - old) / old_slope
            direction = ahead + turn * direction
        old, old_slope = residual, slope
        along = product(direction)
        curvature = direction @ along
        length = slope / curvature
        sound = 0 < length < np.inf
        squared = direction @ direction
        steepest = max(steepest, abs(curvature) / squared)
        if sound:
            s = s + length * direction
            residual = residual - length * along
            norm = np.linalg.norm(residual)
            sound = norm < 1e6 * known
        elif not error:
            if curvature < -_ROUNDING * steepest * squared:
                raise InnerProblemError(NOT_CONVEX)
            break
        # Rounding has changed it by less than a tenth of the target where
        # the last one that is known was near.
        if error and (not sound or (
                error * known > 0.1 * target
                and norm <= max(target, 10 * error * known))):
            right = b - exact(s)
            error = max(error, np.linalg.norm(right - residual) / known)
            residual, norm = right, np.linalg.norm(right)
            if not sound or not norm <= 0.1 * known:
                # Single precision is not enough.
                product, direction, error = exact, None, 0.0
                if not norm <= np.linalg.norm(b):
                    s, residual, norm = np.zeros_like(b), b, np.linalg.norm(b)
            elif n_steps > _MANY_STEPS:
                product, error = exact, 0.0
            known = norm
    raise InnerProblemError(
        "conjugate gradient has not converged: the Hessian of G is singular, "
        "or nearly so, as where the samples are separated by features without "
        "a penalty, or with next to none")


def backtrack(evaluate, z, value, step, decrement):
    """Longest of the steps 1, 1/2, 1/4, ... that decreases G enough.

    Parameters
    ----------
    evaluate : function
        From a point to its value and something else.

    Returns
    -------
    z : array, shape (p,)
    value : float
    more : object
        What ``evaluate`` gives there.
    """
    length = 1.0
    while length > 1e-10:
        trial = z - length * step
        trial_value, more = evaluate(trial)
        if trial_value <= value - 0.1 * length * decrement:
            return trial, trial_value, more
        length *= 0.5
    raise InnerProblemError("Newton's method: no step decreases G")
