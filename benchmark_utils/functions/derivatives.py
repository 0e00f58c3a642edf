"""A check of every derivative of a problem, for its author and the tests."""
import numpy as np
from scipy.differentiate import derivative

from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL, batch_size_of


def check_problem(problem, seed=0, rtol=1e-6):
    """Check G and F of a problem, at its start and near it.

    >>> check_problem(problem)  # Raises where a derivative is wrong.

    Parameters
    ----------
    problem : BilevelProblem
    seed : int
        Of the random directions, points and batch sizes.
    rtol : float
        As in ``check_function``.

    Raises
    ------
    AssertionError
        Naming the function, the derivative, the batch and by how much it is
        wrong. As for ``check_function``.
    """
    rng = np.random.default_rng(seed)
    z, x = problem.inner_start, problem.outer_start
    near = (z + 0.1 * rng.standard_normal(z.size),
            problem.inner.project(x + 0.1 * rng.standard_normal(x.size)))
    for name in ("inner", "outer"):
        function = getattr(problem, name)
        n = function.n_samples
        # The first ends on a short batch, unless n <= 2; the second makes
        # at most 200 batches.
        fewest = -(-n // 200)
        drawn = int(rng.integers(fewest, min(n, fewest + 63) + 1))
        sizes = [n // 2 + 1, drawn, "full"]
        for point, size in zip([near, (z, x), near], sizes, strict=True):
            check_function(function, *point, size, rng, rtol, name)


def check_function(function, z, x, batch_size, rng, rtol=1e-6,
                   name="function"):
    """Check the NumPy methods and the compiled kernels of a function.

    Derivatives are compared with numerical ones of the value (gradients) and
    of the gradients (products), by SciPy, along random directions: for the
    NumPy methods, and for the kernels on the first batch, on the last, on
    one drawn at random and on ``FULL``. Also checked: that kernels agree
    with the NumPy methods on all samples, that batches average to the whole,
    that oracles in one pass agree with those they stand for, overwrite
    ``out``, change nothing else and count their calls, that weights of
    samples, in a linear model, combine to the derivatives, and that
    ``project`` is a projection.

    Parameters
    ----------
    function : function
        Such as ``LogisticRegression``: NumPy methods and ``batches``.
    z, x : array of float64, shape (p,), (d,)
        A feasible point, around which the function is smooth.
    batch_size : int or "full"
    rng : numpy.random.Generator
    rtol : float
        Largest error, relative to the size of what is compared (1e-3
        where that is smaller).
    name : str
        What the errors call the function.

    Raises
    ------
    AssertionError
        Naming the function, the derivative, the batch and the error.
    """
    v = rng.standard_normal(z.size)
    exact = _check_numpy(function, z, x, v, rng, rtol, name)
    batched = function.batches(
        batch_size, rng.permutation(function.n_samples))
    drawn = int(rng.integers(batched.n_batches))
    for batch in {FULL, 0, drawn, batched.n_batches - 1}:
        where = f"{name}, batch {batch} of {batched.n_batches}"
        out = _call_all(batched, batch, z, x, v, where)
        _check_slopes(
            lambda z, x, k=batch: oracles.value(batched, k, z, x),
            lambda z, x, k=batch: _call(batched, k, "grad_z", z, x, v),
            lambda z, x, k=batch: _call(batched, k, "grad_x", z, x, v),
            z, x, v, out, rng, rtol, where)
        if batch == FULL:
            whole = out
    for key, expected in exact.items():
        _assert_close(whole[key], expected, 1e-9,
                      f"{name}: kernel {key} on FULL, against NumPy")
    _check_average(batched, z, x, v, whole, name)
    _check_projection(function, batched, x, rng, name)


def _check_numpy(function, z, x, v, rng, rtol, name):
    """Outputs of the NumPy methods, checked."""
    out = {
        "value": function.value(z, x), "grad_z": function.grad_z(z, x),
        "grad_x": function.grad_x(z, x), "cross": function.cross(z, x, v),
        "hvp": _numpy_hvp(function, z, x, v),
    }
    _check_slopes(function.value, function.grad_z, function.grad_x,
                  z, x, v, out, rng, rtol, f"{name}, NumPy")
    if hasattr(function, "grad_hessian"):
        gradient, hessian = function.grad_hessian(z, x)
        _assert_close(gradient, out["grad_z"], 1e-9,
                      f"{name}: grad_hessian, the gradient")
        _assert_close(hessian @ v, out["hvp"], 1e-9,
                      f"{name}: grad_hessian, the Hessian")
    return out


def _numpy_hvp(function, z, x, v):
    if hasattr(function, "hvp"):
        return function.hvp(z, x, v)
    return function.grad_hessian(z, x)[1] @ v


def _check_slopes(value, grad_z, grad_x, z, x, v, out, rng, rtol, where):
    """Compare with numerical derivatives along random lines."""
    lines = {
        "grad_z": lambda t, along: value(z + t * along, x),
        "grad_x": lambda t, along: value(z, x + t * along),
    }
    for key, line in lines.items():
        along = rng.standard_normal(out[key].size)
        # Rounding of the value bounds what can be seen of its slope.
        _assert_close(
            out[key] @ along,
            _slope(lambda t, f=line, along=along: f(t, along)), rtol,
            f"{where}: {key}",
            scale=np.linalg.norm(out[key]) + abs(out["value"]))
    # Both are derivatives along v: the cross derivative is symmetric.
    for key, gradient in [("hvp", grad_z), ("cross", grad_x)]:
        weights = rng.standard_normal(out[key].size)
        _assert_close(
            out[key] @ weights,
            _slope(lambda t, g=gradient, w=weights: g(z + t * v, x) @ w),
            rtol, f"{where}: {key}", scale=np.linalg.norm(out[key]))


def _slope(f):
    """Derivative of a function of a number, at 0."""
    return derivative(np.vectorize(f), 0.0, initial_step=0.05).df


def _assert_close(actual, expected, rtol, what, scale=0.0):
    scale = max(1e-3, scale, np.max(np.abs(expected), initial=0.0))
    error = np.max(np.abs(actual - expected), initial=0.0) / scale
    assert error <= rtol, (
        f"{what}: relative error {error:.1e}, allowed is {rtol:.0e}")


_COUNTS = {"grad_z": 1, "grad_x": 1, "hvp": 1, "cross": 1, "gradients": 2,
           "directions": 3, "value": 0, "gradients_by_sample": 2,
           "directions_by_sample": 3, "add_samples": 0, "add_entries": 0}


def _call(batched, batch, key, z, x, v):
    """One of the oracles with one output, which starts as NaN."""
    out = np.full(x.size if key in ("grad_x", "cross") else z.size, np.nan)
    extra = [v] if key in ("hvp", "cross") else []
    getattr(oracles, key)(batched, batch, z, x, *extra, out)
    return out


def _call_all(batched, batch, z, x, v, where):
    """Outputs of all oracles; what they share is checked."""
    arguments = [a.copy() for a in (z, x, v)]
    out, counts = {}, {}

    def counted(key, call):
        before = batched.oracle_calls[0]
        result = call()
        counts[key] = int(batched.oracle_calls[0] - before)
        return result

    out["value"] = counted(
        "value", lambda: oracles.value(batched, batch, z, x))
    for key in ("grad_z", "grad_x", "hvp", "cross"):
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
            batched, batch, z, x, v, size, counted, where)
    for oracle, keys, results in passes:
        for key, result in zip(keys, results, strict=True):
            _assert_close(result, out[key], 1e-9,
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


def _call_by_sample(batched, batch, z, x, v, size, counted, where):
    """Derivatives of a linear model, from the weights of its samples."""
    in_z, in_x = batched.n_weights, batched.n_outer_weights
    w_grad, w_hvp = np.full((2, size, in_z), np.nan)
    w_x, w_cross = np.full((2, size, in_x), np.nan)
    both = np.full(z.size, np.nan), np.full(x.size, np.nan)
    three = tuple(np.full(s, np.nan) for s in (z.size, z.size, x.size))
    n_batches = 1 if batch == FULL else batched.n_batches

    def add(key, weights, outs):
        # The averages so far, which are added where samples add anything.
        so_far = 0.25 if weights[0].shape[1] else 0.0
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
            _assert_close(n_batches * (average - so_far), out - start, 1e-9,
                          f"{where}: average of {key}")

    counted("gradients_by_sample", lambda: oracles.gradients_by_sample(
        batched, batch, z, x, w_grad, w_x, *both))
    add("add_samples", [w_grad], both[:1])
    add("add_entries", [w_x], both[1:])
    w_grad[:] = np.nan
    counted("directions_by_sample", lambda: oracles.directions_by_sample(
        batched, batch, z, x, v, w_grad, w_hvp, w_cross, *three))
    add("add_samples", [w_grad, w_hvp], three[:2])
    add("add_entries", [w_cross], three[2:])
    return [("gradients_by_sample", ["grad_z", "grad_x"], both),
            ("directions_by_sample", ["grad_z", "hvp", "cross"], three)]


def _check_average(batched, z, x, v, whole, name):
    """The plain average over batches is the whole function."""
    N = batched.n_batches
    for key in ("grad_z", "grad_x", "hvp", "cross"):
        mean = sum(_call(batched, k, key, z, x, v) for k in range(N)) / N
        _assert_close(mean, whole[key], 1e-9,
                      f"{name}: average of {key} over {N} batches")
    mean = sum(oracles.value(batched, k, z, x) for k in range(N)) / N
    _assert_close(mean, whole["value"], 1e-9,
                  f"{name}: average of value over {N} batches")


def _check_projection(function, batched, x, rng, name):
    outside = x + 10.0 * rng.standard_normal(x.size)
    projected = function.project(outside.copy())
    compiled = outside.copy()
    oracles.project(batched, compiled)
    assert np.array_equal(projected, compiled), (
        f"{name}: project of the kernels is not that of NumPy")
    assert np.array_equal(function.project(projected.copy()), projected), (
        f"{name}: project moves points that it has made feasible")
    assert np.array_equal(function.project(x.copy()), x), (
        f"{name}: project moves a feasible point")
