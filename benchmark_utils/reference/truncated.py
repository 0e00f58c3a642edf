"""Newton's method with conjugate gradient, for many variables."""
from functools import partial

import numpy as np

from benchmark_utils.reference.exact import (
    MAX_ITERATIONS,
    SETTLED_STEP,
    UNGUARDED,
    not_converged,
)
from benchmark_utils.reference.linear_systems import (
    InnerProblemError,
    Inverse,
    backtrack,
    cholesky,
    conjugate_gradient,
    expand,
    products,
)
from benchmark_utils.reference.null_space import DOUBTFUL_PIVOT, null_space

# Norms of the gradient of G and of the residual of the adjoint system,
# relative to their norms at z = 0 and at v = 0.
TOLERANCE = 1e-10
# The same, for the coarse problem whose solution is the start.
_COARSE_TOLERANCE = 1e-2
# A negative curvature is not seen if a random vector has a smaller part in
# its direction, relative to its norm: with a probability of about 1e-6 times
# the square root of p.
_CONVEX_TOLERANCE = 1e-6
# Gradients, relative to that at z = 0: those that single precision is enough
# for, and those below which a preconditioner is kept.
_ROUGH, _SETTLED = 1e-4, 1e-3
# Decrement squared, below which steps from a value in single precision are not
# checked.
_ROUGHLY_UNGUARDED = 1e-5
# Penalties without an effect in double precision, beside average squares of
# features, and how many may be to find out what the samples do not see.
_NO_PENALTY, _MAX_ROWS = 1e-13, 2000


def truncated_newton(inner, x, z):
    """As ``solve_inner``, without forming a Hessian."""
    unseen = r = None
    if hasattr(inner, "second_moments"):
        # Where no sample has a feature, its penalty holds z at 0.
        unseen, r = inner.second_moments == 0, inner.penalties(x)
        z = np.where(unseen, 0.0, z)
    z = _coarse_start(inner, x, z)
    if hasattr(inner, "settle"):
        z = inner.settle(z, x)
    z, here, null, precondition = _iterate(inner, x, z, TOLERANCE)
    exact, rough = products(here, null)
    if not getattr(inner, "convex", False):
        # Along the adjoint, all may be well, and along another direction not.
        b = np.random.default_rng(0).standard_normal(z.size)
        conjugate_gradient(
            exact, precondition, b, _CONVEX_TOLERANCE * np.linalg.norm(b))

    def inverse(b):
        return conjugate_gradient(
            rough, precondition, b, TOLERANCE * np.linalg.norm(b),
            exact=None if rough is exact else exact)

    return z, Inverse(inverse, null, unseen, r)


def _coarse_start(inner, x, z):
    """Near the solution, by a problem of fewer variables if there is one."""
    coarse = inner.coarse() if hasattr(inner, "coarse") else None
    if coarse is None:
        return z
    try:
        start = _iterate(coarse.function, x, coarse.restrict(z),
                         _COARSE_TOLERANCE)
    except InnerProblemError:
        return z
    return coarse.prolong(start[0])


def _iterate(inner, x, z, tolerance):
    """Minimise G(., x), to a gradient relative to that at z = 0.

    Returns
    -------
    z : array, shape (p,)
    here : expansion at z
    null : NullSpace or False
    precondition : function
    """
    zero = np.zeros_like(z)
    here, at_zero = (expand(inner, a, x, rough=True) for a in (z, zero))
    if not here.value <= at_zero.value:
        z, here = zero, at_zero
    start = np.linalg.norm(at_zero.gradient)
    target = tolerance * start
    null = _find_null_space(inner, x)
    precondition = None
    # Of the expansion here, and of the products with the Hessian.
    rough = in_single = True
    previous = np.inf
    for _ in range(MAX_ITERATIONS):
        norm = np.linalg.norm(here.gradient)
        if rough and norm <= _ROUGH * start:
            rough, here = False, expand(inner, z, x)
            norm = np.linalg.norm(here.gradient)
        if precondition is None or norm > _SETTLED * start:
            make = here.preconditioner or partial(_by_diagonal, here)
            precondition = make()
        if norm <= target:
            if _is_minimum(here, at_zero, z, tolerance):
                return z, here, null, precondition
            target = 0.1 * norm
        # Superlinear convergence, and no more accuracy than is asked for.
        goal = max(min(0.1, (norm / start)**0.75) * norm, 0.5 * target)
        exact, single = products(here, null)
        solve = partial(
            conjugate_gradient, single if in_single else exact,
            precondition, target=goal)
        try:
            step = Inverse(solve, null).newton_step(here.gradient, z)
        except InnerProblemError:
            if not in_single:
                raise
            in_single = False
            continue
        decrement = here.gradient @ step
        unguarded = _ROUGHLY_UNGUARDED if rough else UNGUARDED
        rough = goal > _ROUGH * start
        if decrement < unguarded:
            # Where single precision is not enough, the gradient says so.
            in_single = in_single and norm < 0.5 * previous
            z = z - step
            here = expand(inner, z, x, rough)
        else:
            z, _, here = backtrack(
                partial(_value_and_all, inner, x, rough), z, here.value,
                step, decrement)
        previous = norm
    raise InnerProblemError(not_converged(MAX_ITERATIONS, decrement, step))


def _value_and_all(inner, x, rough, z):
    here = expand(inner, z, x, rough)
    return here.value, here


def _by_diagonal(here):
    """The function b -> D^-1 b, with the diagonal of the Hessian."""
    diagonal = here.diagonal()
    diagonal = np.where(diagonal > 0, diagonal, 1.0)
    return lambda b: b / diagonal


def _is_minimum(here, at_zero, z, tolerance):
    """Whether a small gradient means what it seems to.

    Where the curvature is small, so may the gradient be, far from the
    solution: G must be near its minimum too, and z settled.
    """
    ahead = _by_diagonal(here)(here.gradient)
    excess = ahead @ here.gradient
    settled = np.max(np.abs(ahead)) <= max(SETTLED_STEP, tolerance) * (
        1 + np.max(np.abs(z)))
    return settled and excess <= (10 * tolerance)**2 * (
        at_zero.value - here.value)


def _find_null_space(inner, x):
    """Null space where penalties have no effect in double precision."""
    if not hasattr(inner, "hessian_block"):
        return False
    r, moments = inner.penalties(x), inner.second_moments
    rows = np.flatnonzero((r <= _NO_PENALTY * moments) & (moments > 0))
    if not 0 < len(rows) <= _MAX_ROWS:
        return False
    zero = np.zeros_like(r)
    block = inner.hessian_block(zero, x, rows)
    if cholesky(block)[1] >= DOUBTFUL_PIVOT:
        return False
    return null_space(block, rows, r[rows], inner.grad_z(zero, x)[rows], True)
