"""The exact solution of the inner problem, and the metrics made from it."""
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
from scipy import linalg
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from threadpoolctl import ThreadpoolController

# Threads of BLAS that still spin after an evaluation would take the processor
# from the solver whose clock then runs, or from the one beside it (-j 2).
_THREADS = ThreadpoolController()

# Newton's decrement squared, below which the quadratic convergence makes the
# next iterate exact to machine precision.
_CONVERGED = 1e-24
_MAX_ITERATIONS = 100
# A Hessian of so many rows takes longer than gradients: it is kept as long as
# it makes the decrement so much smaller at each step.
_MIN_KEPT_DIM = 100
_KEPT_DECREASE = 0.01

# Largest p for which the Hessian is formed and factorised.
MAX_EXACT_DIM = 2000
# Beyond: norms of the gradient of G and of the residual of the adjoint
# system, relative to their norms at z = 0 and at v = 0.
TRUNCATED_TOLERANCE = 1e-10
# The same, for the coarse problem whose solution is the start.
_COARSE_TOLERANCE = 1e-2
# Error of conjugate gradient in single precision, relative to its start.
_SINGLE = 1e-6
# Gradients, relative to that at z = 0: those that single precision is enough
# for, and those below which a preconditioner is kept.
_ROUGH, _SETTLED = 1e-4, 1e-3
# Steps of conjugate gradient, each a pass over the data: enough for condition
# numbers of 1e5. Where they are worse, as in a run that is about to diverge,
# SciPy's default of 10 p steps may take hours.
_MAX_CG_STEPS = 5000

# Pivots of the Cholesky factor relative to the diagonal of the Hessian, below
# which there may be, or is, a null space.
_DOUBTFUL_PIVOT, _SINGULAR_PIVOT = 1e-6, 1e-13
# Penalties that are so small beside the curvature leave a null space to them.
_SMALL_PENALTY, _NO_PENALTY = 1e-4, 1e-13
# What stands for the t of penalties r + t, t -> 0, where r = 0.
_VANISHING = 1e-270


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

    Where the samples do not see a combination of entries of z, and these have
    no penalty, G(., x) has many minimisers. The one returned is what the
    minimiser for the penalties r + t tends to as t -> 0: that of the least
    norm. Penalties that are not 0 but too small for double precision have
    their true effect: of the minimisers that the samples cannot tell apart,
    the one of the least penalty.

    Parameters
    ----------
    inner : function
        G, smooth and convex in z, with NumPy methods. Beyond
        ``MAX_EXACT_DIM`` it needs ``expand``, or else ``hessian_operator``
        and ``hessian_diagonal``. ``penalties`` gives the r of a part
        1/2 sum_k r_k z_k^2 of it; without it, r is 0.
    x : array of float64, shape (d,)
        Feasible outer variable.
    z : array of float64, shape (p,)
        Warm start; z = 0 replaces it where that is better.

    Returns
    -------
    z_star : array of float64, shape (p,)
    solve : function
        b -> H^-1 b, with H the Hessian at z_star, or what
        (H + t)^-1 b tends to without what grows as 1/t. Its method
        ``unbounded`` gives the direction of the latter.

    Raises
    ------
    InnerProblemError
        If there is no minimiser, or none that can be computed: why.
    """
    if z.size > MAX_EXACT_DIM:
        return _solve_truncated(inner, x, z)
    return _solve_exactly(inner, x, z)


def _solve_exactly(inner, x, z):
    value, at_zero = inner.value(z, x), inner.value(np.zeros_like(z), x)
    if not value <= at_zero:
        z, value = np.zeros_like(z), at_zero
    inverse = null = None
    smallest = previous = np.inf
    for _ in range(_MAX_ITERATIONS):
        fresh = inverse is None
        if fresh:
            gradient, hessian = inner.grad_hessian(z, x)
            inverse, null = _factorise(
                inner, x, z, gradient, hessian, null)
        else:
            gradient = inner.grad_z(z, x)
        step = inverse.newton_step(gradient, z)
        decrement = gradient @ step
        # Where the problem is so ill conditioned that rounding of the
        # gradient keeps the decrement above the threshold, it stalls at
        # that level: then nothing more can be gained.
        stalled = decrement < 1e-16 and decrement > 0.25 * smallest
        # Where G has no minimiser, on separable data, the decrement vanishes
        # as z runs off, but the step does not.
        settled = np.max(np.abs(step)) <= 1e-6 * (1 + np.max(np.abs(z)))
        converged = settled and (decrement <= _CONVERGED or stalled)
        if converged and fresh:
            return z - step, inverse
        if (converged or z.size < _MIN_KEPT_DIM
                or not decrement <= _KEPT_DECREASE * previous):
            inverse = None
        smallest, previous = min(smallest, decrement), decrement
        if decrement < 1e-4:
            z = z - step
            continue
        z, value = _backtrack(
            lambda trial: (inner.value(trial, x), None), z, value, step,
            decrement)[:2]
    raise InnerProblemError(
        f"Newton's method has not converged in {_MAX_ITERATIONS} iterations: "
        f"decrement {decrement:.1e}, step {np.max(np.abs(step)):.1e}"
        + _runs_off(decrement))


def _runs_off(decrement):
    """What it means that the decrement is small, but the steps are not."""
    return "" if decrement > 1e-8 else (
        "; G decreases on and on as z grows, as on samples that features "
        "without a penalty separate, and has no minimiser")


def _factorise(inner, x, z, gradient, hessian, null):
    """Make a Hessian that can be solved with, and know its null space.

    Parameters
    ----------
    null : _NullSpace, False or None
        What an earlier Hessian had, which is the same for all z; None where
        there was no reason to look.

    Returns
    -------
    inverse : _Inverse
    null : _NullSpace, False or None
    """
    if null is None:
        try:
            factor, pivot = _cholesky(hessian)
        except LinAlgError:
            pivot = 0.0
        if pivot >= _DOUBTFUL_PIVOT:
            return _Inverse(partial(cho_solve, factor)), None
        r = _penalties(inner, x, z)
        rows = np.flatnonzero(r <= _SMALL_PENALTY * np.diag(hessian))
        null = _null_space(
            hessian[np.ix_(rows, rows)], rows, r, gradient - r * z,
            hasattr(inner, "penalties"))
    try:
        factor, pivot = _cholesky(
            null.fill(hessian) if null else hessian)
    except LinAlgError:
        pivot = 0.0
    if pivot < _SINGULAR_PIVOT:
        raise InnerProblemError(
            "the Hessian of G is singular within rounding, but not exactly: "
            "features without a penalty depend on each other to so many "
            "digits that h cannot be computed in double precision")
    return _Inverse(partial(cho_solve, factor), null), null


def _cholesky(hessian):
    """Factor, and the smallest of its pivots relative to the diagonal."""
    diagonal = np.diag(hessian)
    if not np.all(diagonal > 0):
        if not np.all(np.isfinite(diagonal)):
            raise InnerProblemError("the Hessian of G is not finite")
        raise LinAlgError
    try:
        factor = cho_factor(hessian)
    except ValueError as error:
        raise InnerProblemError(f"the Hessian of G: {error}") from error
    return factor, np.min(np.diag(factor[0])**2 / diagonal)


def _penalties(inner, x, z):
    if hasattr(inner, "penalties"):
        return inner.penalties(x)
    return np.zeros_like(z)


def _null_space(block, rows, r, loss_gradient, known):
    """The directions in which nothing but small penalties acts.

    Parameters
    ----------
    block : array, shape (k, k)
        Of the Hessian, where penalties are small.
    rows : array of int64, shape (k,)
        Which entries of z these are.
    r : array, shape (p,)
        All penalties.
    loss_gradient : array, shape (p,)
        Gradient of G without its penalties.
    known : bool
        Whether r is known.

    Returns
    -------
    _NullSpace or False
        False if there is none, or none that is one exactly: along it, the
        gradient of the loss must be 0.
    """
    curvature = block - np.diag(r[rows])
    scale = np.sqrt(np.maximum(np.diag(curvature), 0.0))
    basis = _null_basis(curvature, scale)
    slopes = np.abs(basis.T @ loss_gradient[rows])
    if not basis.size or np.any(slopes > 1e-9 * np.abs(basis).T @ scale):
        return False
    return _NullSpace(basis, rows, r[rows], np.diag(block), known)


def _null_basis(matrix, scale):
    """Basis of the null space of a matrix, of as few entries as may be.

    Parameters
    ----------
    matrix : array, shape (k, k)
        Positive semidefinite.
    scale : array, shape (k,)
        Square roots of its diagonal.

    Returns
    -------
    array, shape (k, q)
    """
    idle, seen = np.flatnonzero(scale == 0), np.flatnonzero(scale)
    basis = np.zeros((len(scale), len(idle)))
    basis[idle, np.arange(len(idle))] = 1.0
    if not len(seen):
        return basis
    scale = scale[seen, None]
    size, vectors = linalg.eigh(matrix[np.ix_(seen, seen)] / (scale * scale.T))
    noise = 10 * np.finfo(float).eps * len(size) * size[-1]
    vectors = vectors[:, size <= noise]
    if not vectors.size:
        return basis
    # An identity matrix in the rows that are most independent: what depends
    # on each other in pairs or groups then stays apart.
    *_, order = linalg.qr(vectors.T, mode="r", pivoting=True)
    vectors = vectors @ np.linalg.inv(vectors[order[:vectors.shape[1]]])
    vectors[np.abs(vectors) < 1e-9] = 0.0
    combined = np.zeros((len(basis), vectors.shape[1]))
    combined[seen] = vectors / scale
    return np.hstack([basis, combined])


class _NullSpace:
    """Where the samples do not act: there, the penalties alone decide.

    With N the basis, B the Hessian without penalties, B N = 0, and R the
    penalties, the solution of (B + R) s = b is s = y + N c, where

        (B + R - R N (N'R N)^-1 N'R) y = b - R N (N'R N)^-1 N'b,
        N'R N c = N'b - N'R y.

    The matrix of the first system is 0 on N too. It is made regular by what
    acts on N alone, and changes nothing, as N' times its right hand side is
    0. N'R N is R_w'R_w, with R^(1/2) N = Q R_w; the rows of R^(1/2) N may
    have any ratio, which Householder's method with sorted rows and pivots
    of columns bears: M. J. D. Powell, J. K. Reid, "On applying Householder
    transformations to linear least squares problems", 1969.
    """

    def __init__(self, basis, rows, r, diagonal, known):
        self.rows, self.known = rows, known
        # Penalties without an effect stand for t -> 0.
        self.r = np.maximum(r, _VANISHING)
        root = np.sqrt(self.r)[:, None]
        order = np.argsort(-np.max(np.abs(root * basis), axis=1))
        Q, self.factor, pivots = linalg.qr(
            (root * basis)[order], mode="economic", pivoting=True)
        self.basis = basis[:, pivots]
        self.penalised = np.empty_like(Q)
        self.penalised[order] = Q
        self.penalised *= root
        diagonal = np.where(diagonal > 0, diagonal, 1.0)[:, None]
        self.filling = diagonal * self.basis / np.sqrt(
            np.sum(diagonal * self.basis**2, axis=0))
        self.free = np.abs(np.diag(self.factor)) < (
            1e3 * np.sqrt(_VANISHING) * np.max(np.abs(self.basis), axis=0))

    def fill(self, hessian):
        """The regular matrix of the first system."""
        hessian = hessian.copy()
        hessian[np.ix_(self.rows, self.rows)] += (
            self.filling @ self.filling.T
            - self.penalised @ self.penalised.T)
        return hessian

    def fill_product(self, product):
        """The same, where the Hessian is a function."""
        def filled(v):
            out, inside = product(v), v[self.rows]
            out[self.rows] += (
                self.filling @ (self.filling.T @ inside)
                - self.penalised @ (self.penalised.T @ inside))
            return out

        return filled

    def newton_step(self, inverse, gradient, z):
        """Solve for a gradient: along N, it is the penalties' alone."""
        along = self.basis.T @ (self.r * z[self.rows])
        step, c = self._solve(inverse, gradient, along)
        step[self.rows] += self.basis @ c
        return step

    def solve(self, inverse, b):
        """s, without what grows as 1/t."""
        step, c = self._solve(inverse, b, self._along(b))
        step[self.rows] += self.basis @ np.where(
            self.free & (np.abs(c) > 1e100), 0.0, c)
        return step

    def unbounded(self, b):
        """Direction in which s grows as 1/t, or None."""
        c = np.where(self.free, self._along(b), 0.0)
        if not np.any(c):
            return None
        direction = np.zeros_like(b)
        direction[self.rows] = self.basis @ c
        return direction

    def _along(self, b):
        """N'b, without rounding errors."""
        b = b[self.rows]
        along = self.basis.T @ b
        noise = 1e-11 * np.abs(self.basis).T @ np.abs(b)
        return np.where(self.known & (np.abs(along) > noise), along, 0.0)

    def _solve(self, inverse, b, along):
        solve = partial(linalg.solve_triangular, self.factor)
        along = solve(along, trans="T")
        b = b.copy()
        b[self.rows] -= self.penalised @ along
        y = inverse(b)
        return y, solve(along - self.penalised.T @ y[self.rows])


class _Inverse:
    """The function b -> H^-1 b, or what it tends to: see ``solve_inner``."""

    def __init__(self, inverse, null=None, unseen=None):
        self._inverse, self._null, self._unseen = inverse, null, unseen

    def __call__(self, b):
        if self._unseen is not None:
            b = np.where(self._unseen, 0.0, b)
        if self._null:
            return self._null.solve(self._inverse, b)
        return self._inverse(b)

    def newton_step(self, gradient, z):
        if self._null:
            return self._null.newton_step(self._inverse, gradient, z)
        return self._inverse(gradient)

    def unbounded(self, b):
        return self._null.unbounded(b) if self._null else None


def _solve_truncated(inner, x, z):
    """As ``solve_inner``, without forming a Hessian."""
    unseen = None
    if hasattr(inner, "second_moments"):
        # The penalty alone acts on them, or they do not matter.
        unseen = inner.second_moments == 0
        z = np.where(unseen, 0.0, z)
    coarse = inner.coarse() if hasattr(inner, "coarse") else None
    if coarse is not None:
        try:
            start = _newton_cg(coarse.function, x, coarse.restrict(z),
                               _COARSE_TOLERANCE)
            z = coarse.prolong(start[0])
        except InnerProblemError:
            pass
    z, here, null, precondition = _newton_cg(
        inner, x, z, TRUNCATED_TOLERANCE)
    exact, rough = _products(here, null)

    def inverse(b):
        return _conjugate_gradient(
            rough, precondition, None if rough is exact else exact, b,
            TRUNCATED_TOLERANCE * np.linalg.norm(b))

    return z, _Inverse(inverse, null, unseen)


def _newton_cg(inner, x, z, tolerance):
    """Truncated Newton method, to a gradient relative to that at z = 0.

    Returns
    -------
    z : array, shape (p,)
    here : expansion at z
    null : _NullSpace or False
    precondition : function
    """
    zero = np.zeros_like(z)
    here, at_zero = (_expand(inner, a, x, True) for a in (z, zero))
    if not here.value <= at_zero.value:
        z, here = zero, at_zero
    start = np.linalg.norm(at_zero.gradient)
    target = tolerance * start
    null = _negligible(inner, x, z)
    precondition = None
    rough = in_single = True
    previous = np.inf
    for _ in range(_MAX_ITERATIONS):
        norm = np.linalg.norm(here.gradient)
        if rough and norm <= _ROUGH * start:
            rough, here = False, _expand(inner, z, x)
            norm = np.linalg.norm(here.gradient)
        if precondition is None or norm > _SETTLED * start:
            precondition = here.preconditioner()
        if norm <= target:
            return z, here, null, precondition
        exact, single = _products(here, null)
        # Superlinear convergence, and no more accuracy than is asked for.
        goal = max(min(0.1, (norm / start)**0.75) * norm, 0.5 * target)
        solve = partial(
            _conjugate_gradient, single if in_single else exact,
            precondition, None, target=goal)
        step = _Inverse(solve, null).newton_step(here.gradient, z)
        decrement = here.gradient @ step
        rough = goal > _ROUGH * start
        if decrement < 1e-5:
            # Where single precision is not enough, the gradient says so.
            in_single = in_single and norm < 0.5 * previous
            z = z - step
            here = _expand(inner, z, x, rough)
        else:
            z, _, here = _backtrack(
                lambda trial, rough=rough: _value_first(
                    _expand(inner, trial, x, rough)), z, here.value, step,
                decrement)
        previous = norm
    raise InnerProblemError(
        f"truncated Newton: gradient {norm:.1e} after {_MAX_ITERATIONS} "
        f"iterations, {norm / start:.1e} of that at 0" + _runs_off(decrement))


def _value_first(here):
    return here.value, here


def _expand(inner, z, x, rough=False):
    """The inner function at a point, from what methods it has.

    Where ``rough``, single precision is enough.
    """
    if hasattr(inner, "expand"):
        return inner.expand(z, x, rough)
    product = inner.hessian_operator(z, x)

    def preconditioner():
        diagonal = inner.hessian_diagonal(z, x)
        diagonal = np.where(diagonal > 0, diagonal, 1.0)
        return lambda b: b / diagonal

    return SimpleNamespace(
        value=inner.value(z, x), gradient=inner.grad_z(z, x),
        product=product, rough_product=product,
        preconditioner=preconditioner)


def _products(here, null):
    """Hessian times a vector, exactly and roughly, made regular."""
    if not null:
        return here.product, here.rough_product
    return null.fill_product(here.product), null.fill_product(
        here.rough_product)


def _negligible(inner, x, z):
    """Null space where penalties have no effect in double precision."""
    if not hasattr(inner, "hessian_block"):
        return False
    r, moments = inner.penalties(x), inner.second_moments
    rows = np.flatnonzero((r <= _NO_PENALTY * moments) & (moments > 0))
    if not 0 < len(rows) <= MAX_EXACT_DIM:
        return False
    block = inner.hessian_block(z, x, rows)
    try:
        if _cholesky(block)[1] >= _DOUBTFUL_PIVOT:
            return False
    except LinAlgError:
        pass
    return _null_space(block, rows, r, inner.grad_z(z, x) - r * z, True)


def _conjugate_gradient(product, precondition, exact, b, target):
    """Solve H x = b, to this norm of the residual.

    Parameters
    ----------
    product : function
        v -> H v, perhaps in single precision.
    precondition : function
    exact : function or None
        v -> H v in double precision. The residual is then computed anew
        where single precision may have changed it, and the iterations go on
        along the directions that they have.
    b : array, shape (p,)
    target : float

    Raises
    ------
    InnerProblemError
        If it does not converge.
    """
    x, residual = np.zeros_like(b), b
    norm = known = np.linalg.norm(b)
    direction = old = old_slope = None
    for _ in range(_MAX_CG_STEPS):
        if norm <= target:
            return x
        ahead = precondition(residual)
        slope = ahead @ residual
        if direction is None:
            direction = ahead
        else:
            # Of Polak and Ribiere, as the residual may be a new one.
            direction = ahead + (
                ahead @ (residual - old)) / old_slope * direction
        old, old_slope = residual, slope
        along = product(direction)
        length = slope / (direction @ along)
        if not 0 < length < np.inf:
            break
        x = x + length * direction
        residual = residual - length * along
        norm = np.linalg.norm(residual)
        # Rounding has changed it by less than a tenth of the target where
        # the last one that is known was near.
        if (exact is not None and known > 0.1 * target / _SINGLE
                and norm <= max(target, 10 * _SINGLE * known)):
            residual = b - exact(x)
            norm = np.linalg.norm(residual)
            if norm > 0.1 * known:
                product = exact
            known = norm
    raise InnerProblemError(
        "conjugate gradient has not converged: the Hessian of G is too ill "
        "conditioned, or singular")


def _backtrack(evaluate, z, value, step, decrement):
    """Longest of the steps 1, 1/2, 1/4, ... that decreases G enough.

    ``evaluate`` gives the value at a point and something else; returned are
    the point and both of them.
    """
    length = 1.0
    while length > 1e-10:
        trial = z - length * step
        trial_value, more = evaluate(trial)
        if trial_value <= value - 0.1 * length * decrement:
            return trial, trial_value, more
        length *= 0.5
    raise InnerProblemError("Newton's method: no step decreases G")


def implicit_gradient(problem, x, z_star, solve):
    """Gradient of h by the implicit function theorem.

    Returns grad_x F - (cross of G) H^-1 grad_z F at (z*(x), x), shape (d,),
    with H the Hessian of G in z and ``solve`` the function b -> H^-1 b.

    Where H is singular, these are the limits of the derivatives for penalties
    r + t as t -> 0. They are infinite where F depends on what the samples of
    G do not see: there, h jumps, and its limit depends on how the penalties
    tend to 0.
    """
    along_z = problem.outer.grad_z(z_star, x)
    gradient = (problem.outer.grad_x(z_star, x)
                + problem.inner.cross(z_star, x, -solve(along_z)))
    growing = getattr(solve, "unbounded", lambda b: None)(along_z)
    if growing is not None:
        slopes = problem.inner.cross(z_star, x, -growing)
        noise = 1e-9 * np.linalg.norm(z_star) * np.linalg.norm(growing)
        grows = np.abs(slopes) > noise
        gradient[grows] = np.copysign(np.inf, slopes[grows])
    return gradient


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
        at z*(x). A pure function of (z, x). All NaN if z or x is not finite;
        also if the inner problem cannot be solved, with a warning that says
        why. ``grad_norm`` is infinite where h jumps.
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
        except InnerProblemError as error:
            warnings.warn(
                f"h(x) is not defined, or cannot be computed: {error}. No "
                "metric of this run from here on; benchopt will say that it "
                "diverged", RuntimeWarning, stacklevel=2)
            return diverged
        result = {
            "value": problem.outer.value(z_star, x),
            # Squares overflow in NumPy's norm, not in that of BLAS.
            "grad_norm": linalg.norm(gradient, check_finite=False),
            "inner_distance": linalg.norm(z - z_star, check_finite=False),
        }
        if not np.all(np.isfinite([result["value"],
                                   result["inner_distance"]])):
            return diverged
        for name, score in problem.scores.items():
            result[name] = score(z_star, x)
    if problem.minimum is not None:
        result["value_gap"] = result["value"] - problem.minimum[1]
    return result
