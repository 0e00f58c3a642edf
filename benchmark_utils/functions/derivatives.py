"""A check of every derivative of a problem, for its author and the tests.

Nothing but rounding excuses a difference, and its size is measured, so that
the check is the same in all units. Along a line, a function is fitted by a
polynomial: of low degree, by least squares, at more points than it has
coefficients. Its slope is the numerical derivative; what is left of the
values is rounding, or what the polynomial cannot follow, and the scatter of
the slope follows from it by the algebra of least squares. A narrower window
follows the function more closely, a wider one has less rounding: the best is
taken. The same remainders say to how many digits an output of a function is
computed, whatever is added and cancelled on the way, which is what two ways
of computing it may differ by.

It has more than 400 lines, as half of them say what is measured and why, which
a reader of a refusal needs in one place.
"""
import warnings
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL, batch_size_of

_EPS = np.finfo(float).eps
# Points in a window, and the degree of the polynomial. Windows are powers of
# 4 of the size of the point around which they are.
_N_POINTS, _DEGREE, _NARROWEST, _WIDEST = 20, 10, -10, 6
# Standard deviations that a difference may be of: remainders at nine more
# points than coefficients tell them to a factor of 2 or 3.
_DEVIATIONS = 20
# A slope that is known so well, relative to its size, is good enough.
_GOOD = 1e-10
# The smallest relative mistake that rounding may not hide without a word.
_VISIBLE = 1e-3

# Rows that take the values at the points to the fit at the points, and to
# the value and the slope of the fit at 0.
_POINTS = chebyshev.chebpts1(_N_POINTS)
_BASIS = chebyshev.chebvander(_POINTS, _DEGREE)
_SOLVE = np.linalg.pinv(_BASIS)
_RESIDUAL = np.eye(_N_POINTS) - _BASIS @ _SOLVE
_SLOPE = np.array([
    chebyshev.chebval(0.0, chebyshev.chebder(unit))
    for unit in np.eye(_DEGREE + 1)]) @ _SOLVE


class RoundingWarning(UserWarning):
    """A derivative that cannot be checked: rounding hides it."""


def check_problem(problem, seed=0):
    """Check G and F of a problem, at its start and near it.

    >>> problem = load_problem("quadratic", n_inner=24)
    >>> check_problem(problem)  # Raises where a derivative is wrong.

    Parameters
    ----------
    problem : BilevelProblem
        Of a dataset by ``benchmark_utils.problems.loading.load_problem``.
    seed : int
        Of the random directions, points and batch sizes.

    Raises
    ------
    AssertionError
        Naming the function, the derivative, the batch and by how much it is
        wrong. As for ``check_function``.
    """
    rng = np.random.default_rng(seed)
    z, x = problem.inner_start, problem.outer_start
    near = (z + 0.1 * _size(z) * rng.standard_normal(z.size),
            problem.inner.project(
                x + 0.1 * _size(x) * rng.standard_normal(x.size)))
    for name in ("inner", "outer"):
        function = getattr(problem, name)
        n = function.n_samples
        # The first ends on a short batch, unless n <= 2; the second makes
        # at most 200 batches.
        fewest = -(-n // 200)
        drawn = int(rng.integers(fewest, min(n, fewest + 63) + 1))
        sizes = [n // 2 + 1, drawn, "full"]
        for point, size in zip([near, (z, x), near], sizes, strict=True):
            check_function(function, *point, size, rng, name)


def check_function(function, z, x, batch_size, rng, name="function"):
    """Check the NumPy methods and the compiled kernels of a function.

    Derivatives are compared with numerical ones of the value (gradients) and
    of the gradients (products), along random directions: for the NumPy
    methods, and for the kernels on the first batch, on the last, on one drawn
    at random and on ``FULL``. Also checked: that kernels agree with the NumPy
    methods on all samples, that batches average to the whole, that oracles in
    one pass agree with those they stand for, overwrite ``out``, change
    nothing else and count their calls, that weights of samples, in a linear
    model, combine to the derivatives, and that ``project`` is the projection
    onto a convex set.

    What is compared may differ by rounding, whose size is measured. Where it
    would hide a mistake of 0.1 %, as where a constant that is far larger than
    all the rest is part of the value, a ``RoundingWarning`` says so.

    Parameters
    ----------
    function : function
        Such as ``LogisticRegression``: NumPy methods and ``batches``.
    z, x : array of float64, shape (p,), (d,)
        A feasible point, around which the function is smooth. Where
        constraints are met nearby, x is moved into the feasible set, so that
        nothing is evaluated outside.
    batch_size : int or "full"
    rng : numpy.random.Generator
    name : str
        What the errors call the function.

    Raises
    ------
    AssertionError
        Naming the function, the derivative, the batch and the error.
    """
    batched = function.batches(
        batch_size, rng.permutation(function.n_samples))
    _check_projection(function, batched, x, rng, name)
    lines = _lines(function, z, x, rng)
    z, x, v = lines.z, lines.x, lines.v
    # Of a sum in any order, relative to the sum of what is added.
    n_terms = function.n_samples + z.size + x.size
    exact, noise = _check_numpy(function, lines, n_terms, rng, name)
    drawn = int(rng.integers(batched.n_batches))
    average_noise = {}
    for batch in [FULL, *sorted({0, drawn, batched.n_batches - 1})]:
        where = f"{name}, batch {batch} of {batched.n_batches}"

        def call(key, z, x, v, batch=batch):
            return _call(batched, batch, key, z, x, v)

        own_noise = {key: _noise(lines, call, key) for key in _KEYS}
        out = _call_all(batched, batch, z, x, v, own_noise, n_terms, where)
        _check_slopes(call, lines, rng, where, name)
        if batch == FULL:
            whole = out
            for key in _KEYS:
                _assert_same(whole[key], exact[key],
                             noise[key] + own_noise[key], n_terms,
                             f"{name}: kernel {key} on FULL, against NumPy")
        for key in _KEYS:
            average_noise[key] = max(
                average_noise.get(key, 0.0), own_noise[key])
    _check_average(batched, z, x, v, whole, average_noise, n_terms, name)


_KEYS = ("value", "grad_z", "grad_x", "hvp", "cross")


class _Lines(NamedTuple):
    """A point, and a direction of z, of x and of v; |t| <= reach for x."""

    z: np.ndarray
    x: np.ndarray
    v: np.ndarray
    along_z: np.ndarray
    along_x: np.ndarray
    along_v: np.ndarray
    reach: float

    def at(self, t):
        return (self.z + t * self.along_z, self.x + t * self.along_x,
                self.v + t * self.along_v)


def _lines(function, z, x, rng):
    z_size = _size(z)
    v, along_z, along_v = z_size * rng.standard_normal((3, z.size))
    along_x = _size(x) * rng.standard_normal(x.size)
    ends = [x + along_x, x - along_x]
    feasible = [function.project(end.copy()) for end in ends]
    if all(map(np.array_equal, ends, feasible)):
        return _Lines(z, x, v, along_z, along_x, along_v, np.inf)
    # Between two feasible points all are.
    x, along_x = np.add(*feasible) / 2, np.subtract(*feasible) / 2
    return _Lines(z, x, v, along_z, along_x, along_v, 1.0)


def _size(point):
    """Typical size of the entries of a point, and 1 where all are 0."""
    largest = np.max(np.abs(point), initial=0.0)
    return largest and largest * np.sqrt(np.mean((point / largest)**2)) or 1.0


class _Slope(NamedTuple):
    """A slope at 0, its standard deviation, and the window."""

    slope: float
    deviation: float
    window: float


def _slope(f, size, reach=np.inf):
    """Numerical derivative of a function of a number, at 0.

    Parameters
    ----------
    f : function
        From float to float.
    size : float
        Of the slope, roughly: one that is known far better is good enough.
    reach : float
        Largest argument.

    Returns
    -------
    _Slope
    """
    best = _Slope(np.nan, np.inf, 1.0)
    for power in sorted(range(_NARROWEST, _WIDEST + 1), key=abs):
        window = 4.0**power
        if window > reach:
            continue
        with np.errstate(all="ignore"):  # Where it is too wide.
            values = np.array([f(window * t) for t in _POINTS])
            left = np.linalg.norm(_RESIDUAL @ values) / np.sqrt(
                _N_POINTS - _DEGREE - 1)
        deviation = np.linalg.norm(_SLOPE) / window * (
            left + _EPS * np.max(np.abs(values)))
        if deviation < best.deviation:
            best = _Slope(_SLOPE @ values / window, deviation, window)
        if best.deviation <= _GOOD * size or np.all(values == values[0]):
            break
    return best


def _noise(lines, call, key):
    """Standard deviation of the rounding of an output, of its worst entry."""
    best = np.inf
    for window in 4.0**-np.arange(1, 9):
        with np.errstate(all="ignore"):
            values = np.array([
                call(key, *lines.at(window * t)) for t in _POINTS])
            left = _RESIDUAL @ values.reshape(_N_POINTS, -1)
            largest = np.max(np.linalg.norm(left, axis=0), initial=0.0)
            size = np.max(np.abs(values), initial=0.0)
        noise = largest / np.sqrt(_N_POINTS - _DEGREE - 1)
        if noise < best:
            best = noise
        if best <= 10 * _EPS * size:
            break
    return best


def _check_numpy(function, lines, n_terms, rng, name):
    """Outputs of the NumPy methods, checked, and their rounding."""
    def call(key, z, x, v):
        if key == "hvp" and not hasattr(function, "hvp"):
            return function.grad_hessian(z, x)[1] @ v
        more = [v] if key in ("hvp", "cross") else []
        return getattr(function, key)(z, x, *more)

    z, x, v = lines.z, lines.x, lines.v
    out = {key: call(key, z, x, v) for key in _KEYS}
    noise = {key: _noise(lines, call, key) for key in _KEYS}
    _check_slopes(call, lines, rng, f"{name}, NumPy", name)

    def check(actual, key, what):
        _assert_same(actual, out[key], 2 * noise[key], n_terms,
                     f"{name}: {what}")

    if hasattr(function, "grad_hessian"):
        gradient, hessian = function.grad_hessian(z, x)
        check(gradient, "grad_z", "grad_hessian, the gradient")
        check(hessian @ v, "hvp", "grad_hessian, the Hessian")
    if hasattr(function, "hessian_operator"):
        check(function.hessian_operator(z, x)(v), "hvp", "hessian_operator")
    if hasattr(function, "expand"):
        here = function.expand(z, x)
        for actual, key in [(here.value, "value"), (here.gradient, "grad_z"),
                            (here.product(v), "hvp")]:
            check(actual, key, f"expand, instead of {key}")
    return out, noise


def _check_slopes(call, lines, rng, where, name):
    """Compare with numerical derivatives along random lines."""
    z, x, v, along_z, along_x, _, reach = lines
    along = {
        "grad_z": lambda t: (z + t * along_z, x, v),
        "grad_x": lambda t: (z, x + t * along_x, v),
        # Both are derivatives along v: the cross derivative is symmetric.
        "hvp": lambda t: (z + t * v, x, v),
        "cross": lambda t: (z + t * v, x, v),
    }
    of = {"grad_z": "value", "grad_x": "value", "hvp": "grad_z",
          "cross": "grad_x"}
    for key, at in along.items():
        output = call(key, z, x, v)
        if key in ("grad_z", "grad_x"):
            weights = along_z if key == "grad_z" else along_x
            line = lambda t, at=at: call("value", *at(t))  # noqa: E731
        else:
            weights = rng.standard_normal(output.size)
            line = lambda t, at=at, key=key, w=weights: (  # noqa: E731
                call(of[key], *at(t)) @ w)
        exact = output @ weights
        size = np.linalg.norm(output * weights)
        found = _slope(line, size, reach if key == "grad_x" else np.inf)
        with np.errstate(all="ignore"):
            values = np.array([call(key, *at(found.window * t)) @ weights
                               for t in _POINTS])
        own = np.linalg.norm(_RESIDUAL @ values) / np.sqrt(
            _N_POINTS - _DEGREE - 1) + _EPS * size
        allowed = _DEVIATIONS * (found.deviation + own)
        error = abs(exact - found.slope)
        assert error <= allowed, (
            f"{where}: {key}: the slope along a line is {exact:.9g} by "
            f"{key}, and {found.slope:.9g} by differences of {of[key]}: off "
            f"by {error:.1e}, and rounding explains {allowed:.1e}")
        if size > 0 and not allowed <= _VISIBLE * size:
            warnings.warn(
                f"{name}: {key} is not checked, as rounding of {of[key]} "
                "hides it: leave out constants that are large beside what "
                "varies, or check it at another point", RoundingWarning,
                stacklevel=4)


def _assert_same(actual, expected, noise, n_terms, what, size=0.0):
    """Two ways of computing the same, which round differently.

    ``size`` is that of what was added and subtracted on the way, if that is
    more than the result.
    """
    size = max(size, np.max(np.abs(expected), initial=0.0),
               np.max(np.abs(actual), initial=0.0))
    allowed = _DEVIATIONS * noise + (n_terms + _DEVIATIONS) * _EPS * size
    error = np.max(np.abs(actual - expected), initial=0.0)
    assert error <= allowed, (
        f"{what}: off by {error:.1e}, where entries are of up to {size:.1e} "
        f"and rounding explains {allowed:.1e}")


_COUNTS = {"grad_z": 1, "grad_x": 1, "hvp": 1, "cross": 1, "gradients": 2,
           "directions": 3, "value": 0, "gradients_by_sample": 2,
           "directions_by_sample": 3, "add_samples": 0, "add_entries": 0}


def _call(batched, batch, key, z, x, v):
    """The value, or an oracle with one output, which starts as NaN."""
    if key == "value":
        return oracles.value(batched, batch, z, x)
    out = np.full(x.size if key in ("grad_x", "cross") else z.size, np.nan)
    extra = [v] if key in ("hvp", "cross") else []
    getattr(oracles, key)(batched, batch, z, x, *extra, out)
    return out


def _call_all(batched, batch, z, x, v, noise, n_terms, where):
    """Outputs of all oracles; what they share is checked."""
    arguments = [a.copy() for a in (z, x, v)]
    out, counts = {}, {}

    def counted(key, call):
        before = batched.oracle_calls[0]
        result = call()
        counts[key] = int(batched.oracle_calls[0] - before)
        return result

    for key in _KEYS:
        out[key] = counted(
            key, lambda key=key: _call(batched, batch, key, z, x, v))
    both = np.full(z.size, np.nan), np.full(x.size, np.nan)
    counted("gradients", lambda: oracles.gradients(
        batched, batch, z, x, *both))
    three = tuple(np.full(s, np.nan) for s in (z.size, z.size, x.size))
    counted("directions", lambda: oracles.directions(
        batched, batch, z, x, v, *three))
    passes = [("gradients", ["grad_z", "grad_x"], both),
              ("directions", ["grad_z", "hvp", "cross"], three)]
    size = batch_size_of.py_func(batched, batch)
    if oracles.has_oracles_by_sample(batched):
        passes += _call_by_sample(
            batched, batch, z, x, v, out, size, counted, n_terms, where)
    for oracle, keys, results in passes:
        for key, result in zip(keys, results, strict=True):
            _assert_same(result, out[key], 2 * noise[key], n_terms,
                         f"{where}: {key} of {oracle}")
    for key, count in counts.items():
        n = _COUNTS[key]
        assert count == n * size, (
            f"{where}: {key} counts {count} oracle calls, not "
            f"{n} for each of {size} samples")
    for before, after in zip(arguments, (z, x, v), strict=True):
        assert np.array_equal(before, after), (
            f"{where}: an oracle changes z, x or v")
    return out


def _call_by_sample(batched, batch, z, x, v, right, size, counted, n_terms,
                    where):
    """Derivatives of a linear model, from the weights of its samples."""
    in_z, in_x = batched.n_weights, batched.n_outer_weights
    w_grad, w_hvp = np.full((2, size, in_z), np.nan)
    w_x, w_cross = np.full((2, size, in_x), np.nan)
    both = np.full(z.size, np.nan), np.full(x.size, np.nan)
    three = tuple(np.full(s, np.nan) for s in (z.size, z.size, x.size))
    n_batches = 1 if batch == FULL else batched.n_batches

    def add(key, weights, outs, keys):
        # The averages so far, which are added where samples add anything, in
        # units of what is to come.
        largest = max(
            np.max(np.abs(right[k]), initial=0.0) for k in keys) or 1.0
        so_far = 0.25 * largest if weights[0].shape[1] else 0.0
        # Where samples have an entry of x, there is nothing else.
        entries = key == "add_entries" and so_far
        before = [0.0 if entries else out.copy() for out in outs]
        averages = [np.full(out.size, so_far) for out in outs]
        if key == "add_samples":  # Of two, or of the first alone.
            arguments = [len(weights)] + [
                a for pair in (weights, outs, averages)
                for a in (pair[0], pair[-1])]
        else:
            arguments = [*weights, *outs, *averages]
        counted(key, lambda: getattr(oracles, key)(
            batched, batch, *arguments))
        for out, start, average in zip(outs, before, averages, strict=True):
            out -= so_far
            _assert_same(
                n_batches * (average - so_far), out - start, 0.0, n_terms,
                f"{where}: average of {key}",
                n_batches * largest + np.max(np.abs(start), initial=0.0))

    counted("gradients_by_sample", lambda: oracles.gradients_by_sample(
        batched, batch, z, x, w_grad, w_x, *both))
    add("add_samples", [w_grad], both[:1], ["grad_z"])
    add("add_entries", [w_x], both[1:], ["grad_x"])
    w_grad[:] = np.nan
    counted("directions_by_sample", lambda: oracles.directions_by_sample(
        batched, batch, z, x, v, w_grad, w_hvp, w_cross, *three))
    add("add_samples", [w_grad, w_hvp], three[:2], ["grad_z", "hvp"])
    add("add_entries", [w_cross], three[2:], ["cross"])
    return [("gradients_by_sample", ["grad_z", "grad_x"], both),
            ("directions_by_sample", ["grad_z", "hvp", "cross"], three)]


def _check_average(batched, z, x, v, whole, noise, n_terms, name):
    """The plain average over batches is the whole function."""
    N = batched.n_batches
    for key in _KEYS:
        parts = [_call(batched, k, key, z, x, v) for k in range(N)]
        _assert_same(
            sum(parts) / N, whole[key], 2 * noise[key], n_terms,
            f"{name}: average of {key} over {N} batches",
            np.max([np.abs(part) for part in parts], initial=0.0))


def _check_projection(function, batched, x, rng, name):
    """The nearest point of a convex set: by what it is characterised.

    y - P(y) makes no acute angle with c - P(y), for all y and all feasible c.
    """
    def project(y):
        """By NumPy, and by the kernel, which agree."""
        projected, compiled = function.project(y.copy()), y.copy()
        oracles.project(batched, compiled)
        _assert_same(projected, compiled, 0.0, x.size,
                     f"{name}: project of the kernels and of NumPy",
                     np.max(np.abs(y), initial=0.0))
        return projected

    _assert_same(project(x), x, 0.0, x.size,
                 f"{name}: project moves a feasible point")
    outside = x + 10.0 * _size(x) * rng.standard_normal((3, x.size))
    feasible = [x, *map(project, outside)]
    for y, nearest in zip(outside, feasible[1:], strict=True):
        _assert_same(project(nearest), nearest, 0.0, x.size,
                     f"{name}: project moves points that it has made feasible")
        for other in feasible:
            angle = (y - nearest) @ (other - nearest)
            scale = np.linalg.norm(y) * (
                np.linalg.norm(other) + np.linalg.norm(nearest))
            assert angle <= (x.size + _DEVIATIONS) * _EPS * scale, (
                f"{name}: project does not give the nearest point of a "
                f"convex set: another is nearer, by {angle:.1e}")
