"""The exact solution of the inner problem, and the metrics made from it.

Independent of what they judge: no compiled kernel, no solver, no benchopt.

- here: the metrics of a pair (z, x), the gradient of h, and what of it counts
  where x is constrained;
- ``exact``: Newton's method with a factorised Hessian;
- ``truncated``: Newton's method with conjugate gradient, for many variables;
- ``null_space``: where the samples of G do not decide z;
- ``linear_systems``: what the two methods share, conjugate gradient first.
"""
import warnings

import numpy as np
from scipy import linalg
from threadpoolctl import ThreadpoolController

from benchmark_utils.reference.exact import newton
from benchmark_utils.reference.linear_systems import InnerProblemError
from benchmark_utils.reference.truncated import TOLERANCE, truncated_newton

__all__ = ["MAX_EXACT_DIM", "TRUNCATED_TOLERANCE", "InnerProblemError",
           "gradient_mapping", "implicit_gradient", "metrics", "solve_inner"]

# Threads of BLAS that still spin after an evaluation would take the processor
# from the solver whose clock then runs, or from the one beside it (-j 2).
_THREADS = ThreadpoolController()

# Largest p for which the Hessian is formed and factorised.
MAX_EXACT_DIM = 2000
TRUNCATED_TOLERANCE = TOLERANCE


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
    norm. Penalties that are not 0, but too small for double precision, have
    their true effect: of the minimisers that the samples cannot tell apart,
    the one of the least penalty. Beyond ``MAX_EXACT_DIM`` this holds where at
    most 2000 entries have next to no penalty. Combinations that the samples
    see less than 1e-10 as much as single entries count as not seen.

    Parameters
    ----------
    inner : function
        G, smooth and convex in z, with NumPy methods. One that promises so by
        an attribute ``convex = True`` is believed; of others, curvatures at
        the solution are checked. Beyond ``MAX_EXACT_DIM`` it needs
        ``expand``, or else ``hessian_operator`` and ``hessian_diagonal``.
        ``penalties`` gives the r of a part
        1/2 sum_k r_k z_k^2 of it; without it, r is 0.
    x : array of float64, shape (d,)
        Feasible outer variable.
    z : array of float64, shape (p,)
        Warm start; z = 0 replaces it where that is better.

    Returns
    -------
    z_star : array of float64, shape (p,)
    solve : Inverse
        The function b -> H^-1 b, with H the Hessian at z_star, or what
        (H + t)^-1 b tends to as t -> 0, without what grows as 1/t: the
        direction of that is ``solve.unbounded(b)``.

    Raises
    ------
    InnerProblemError
        If there is no minimiser, or none that can be computed: why. Also
        where a negative curvature is met, at the solution or on the way: then
        h is not defined by what holds near z*(x) alone.
    """
    solve = truncated_newton if z.size > MAX_EXACT_DIM else newton
    return solve(inner, x, z)


def implicit_gradient(problem, x, z_star, solve):
    """Gradient of h by the implicit function theorem.

    With H the Hessian of G in z, at (z*(x), x), and C its cross derivative,

        grad h = grad_x F + C v,    H v = -grad_z F.

    Where H is singular, these are the limits of the derivatives for penalties
    r + t as t -> 0. Let N be the null space of H, which is that of the
    samples on the entries of z without a penalty, and v(t) the solution for
    H + t.

    - Where grad_z F has no part in N, as where validation samples depend on z
      through the same combinations as training samples do, v(t) tends to
      -H^+ grad_z F, and the derivatives to those made with it.
    - Else v(t) grows as -(1/t) P_N grad_z F. With dr/dx_k = 1, a derivative
      z_k v_k tends to infinity, unless z_k is 0 for all t, as where k is 0 in
      all training samples: then it is 0. Where it is infinite, h jumps: its
      limit depends on the ratio in which the penalties tend to 0.
    - With r = e^x, r v(t) is bounded, and so are the derivatives.

    Parameters
    ----------
    problem : BilevelProblem
    x : array of float64, shape (d,)
    z_star, solve
        From ``solve_inner``; ``solve`` may be any function b -> H^-1 b.

    Returns
    -------
    array of float64, shape (d,)
        Infinite entries where h jumps.
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


def gradient_mapping(project, x, gradient):
    """What of a gradient counts under constraints: x - P(x - gradient).

    Under constraints the gradient of h does not vanish at a minimiser; its
    part that points out of the feasible set has no meaning. This is the
    gradient mapping for a step of length 1, with P the projection onto any
    closed convex set (Yu. Nesterov, "Introductory lectures on convex
    optimization", 2004, section 2.2.3; A. Beck, "First-order methods in
    optimization", 2017, section 10.3):

    - it is 0 if and only if x is feasible and stationary;
    - it is the gradient, to the last bit, in each entry that P leaves as it
      is: everywhere, where there is no constraint or none is met;
    - it is continuous in x, and of a norm of at most that of the gradient
      at a feasible x. The projection of -gradient onto the cone of feasible
      directions, which is what x - P(x - t gradient), divided by t, tends
      to as t -> 0, is not continuous: at a distance of 1e-20 from the bound
      it is still the whole gradient.

    The step of 1 compares things of different units: for an entry x_k >= 0
    with a positive slope, it is the smaller of the slope and of what is left
    to the bound, x_k. A bounded set bounds it too. Of h in other units it is
    therefore a multiple at points where no constraint is met, and else not.

    Parameters
    ----------
    project : function
        P: from a point of shape (d,) to the nearest feasible one.
    x, gradient : array of float64, shape (d,)

    Returns
    -------
    array of float64, shape (d,)
        The gradient itself where it is infinite, as where h jumps.
    """
    if not np.all(np.isfinite(gradient)):
        return gradient
    ahead = x - gradient
    moved = project(ahead.copy())
    return np.where(moved == ahead, gradient, x - moved)


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
        ``value`` = h(x), ``grad_norm`` = norm of the gradient of h at x or,
        where x is constrained, of its ``gradient_mapping``,
        ``inner_distance`` = norm of z - z*(x), ``value_gap`` =
        h(x) - min h where min h is known, and the ``scores`` of the problem,
        at z*(x). A pure function of (z, x). ``grad_norm`` is infinite where h
        jumps. All NaN if z or x is not finite; also if h is not defined, or
        cannot be computed, with a warning that says why.
    """
    names = ["value", "grad_norm", "inner_distance", *problem.scores]
    if problem.minimum is not None:
        names.append("value_gap")
    undefined = dict.fromkeys(names, np.nan)
    if not (np.all(np.isfinite(z)) and np.all(np.isfinite(x))):
        return undefined
    # Where z has nearly diverged, overflow is an answer, not an accident.
    with (np.errstate(over="ignore", invalid="ignore"),
          _THREADS.limit(limits=1, user_api="blas")):
        try:
            result, z_star = _judge(problem, z, x)
        except InnerProblemError as error:
            _warn(error)
            return undefined
        for name, score in problem.scores.items():
            result[name] = score(z_star, x)
    if problem.minimum is not None:
        result["value_gap"] = result["value"] - problem.minimum[1]
    return result


def _judge(problem, z, x):
    """The metrics that all problems have, and z*(x)."""
    z_star, solve = solve_inner(problem.inner, x, z)
    gradient = gradient_mapping(
        problem.inner.project, x,
        implicit_gradient(problem, x, z_star, solve))
    result = {
        "value": problem.outer.value(z_star, x),
        # Squares overflow in NumPy's norm, not in that of BLAS.
        "grad_norm": linalg.norm(gradient, check_finite=False),
        "inner_distance": linalg.norm(z - z_star, check_finite=False),
    }
    if (not np.isfinite([result["value"], result["inner_distance"]]).all()
            or np.isnan(result["grad_norm"])):
        raise InnerProblemError(
            "F, its gradient or z*(x) are too large for double precision")
    return result, z_star


def _warn(error):
    """Say why there are no metrics, at the end of each run that has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(
            f"h is not defined at this x, or cannot be computed: {error}. "
            "The run ends here, and is reported as diverged",
            RuntimeWarning, stacklevel=3)
