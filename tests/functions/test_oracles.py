"""Oracles: against numerical differentiation, and against each other."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark_utils.compiling.compiled import exp, jit
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.derivatives import check_function
from benchmark_utils.functions.logistic import PENALTIES, LogisticRegression
from benchmark_utils.functions.quadratic import Quadratic

KINDS = ["quadratic", *(
    (parametrization, penalty) for parametrization in ("exponential", "linear",
                                                       None)
    for penalty in PENALTIES)]


def random_function(kind, n, p, d, rng):
    """A function of the given kind, and a feasible point (z, x).

    The kind is "quadratic", or a parametrization and a penalty.
    """
    if kind == "quadratic":
        A, B = rng.standard_normal((n, p, p)), rng.standard_normal((n, d, d))
        function = Quadratic(
            A + A.transpose(0, 2, 1), B + B.transpose(0, 2, 1),
            rng.standard_normal((n, d, p)), rng.standard_normal((n, p)),
            rng.standard_normal((n, d)))
    else:
        y = np.ones(n)
        y[rng.permutation(n)[:max(1, n // 2)]] = -1.0
        function = LogisticRegression(
            rng.standard_normal((n, p)), y, kind[0], penalty=kind[1])
    z = rng.standard_normal(function.inner_dim)
    x = rng.standard_normal(function.outer_dim)
    return function, z, np.abs(x) if kind[0] == "linear" else x


@st.composite
def functions(draw):
    kind = draw(st.sampled_from(KINDS))
    n = draw(st.integers(2, 40))
    p, d = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch_size = draw(st.integers(1, n) | st.just("full"))
    function, z, x = random_function(kind, n, p, d, rng)
    return function, z, x, rng.standard_normal(z.size), batch_size


@settings(max_examples=40, deadline=None)
@given(functions(), st.integers(0, 2**32 - 1))
def test_derivatives_match_numerical_differentiation(case, seed):
    f, z, x, _, batch_size = case
    check_function(f, z, x, batch_size, np.random.default_rng(seed))


def block(f, k, batch_size):
    """The function of one batch, as a function of its own samples only."""
    rows = slice(k * batch_size, (k + 1) * batch_size)
    if isinstance(f, Quadratic):
        return Quadratic(f.A[rows], f.B[rows], f.C[rows], f.a[rows],
                         f.b[rows])
    part = LogisticRegression.__new__(LogisticRegression)
    part.__dict__.update(f.__dict__, rows=f.rows[rows])
    part.n_samples = len(part.rows)
    return part


def compiled(f, k, z, x, v):
    """All oracles of a compiled function on one batch."""
    out = {name: np.full(z.size, np.nan) for name in
           ("grad_z", "hvp", "both_z", "all_grad", "all_hvp")}
    out |= {name: np.full(x.size, np.nan) for name in
            ("grad_x", "cross", "both_x", "all_cross")}
    out["value"] = oracles.value(f, k, z, x)
    oracles.grad_z(f, k, z, x, out["grad_z"])
    oracles.grad_x(f, k, z, x, out["grad_x"])
    oracles.hvp(f, k, z, x, v, out["hvp"])
    oracles.cross(f, k, z, x, v, out["cross"])
    oracles.gradients(f, k, z, x, out["both_z"], out["both_x"])
    oracles.directions(f, k, z, x, v, out["all_grad"], out["all_hvp"],
                       out["all_cross"])
    return out


def assert_agrees(out, value, grad_z, grad_x, hvp, cross):
    expected = {
        "value": value, "grad_z": grad_z, "both_z": grad_z,
        "all_grad": grad_z, "grad_x": grad_x, "both_x": grad_x, "hvp": hvp,
        "all_hvp": hvp, "cross": cross, "all_cross": cross,
    }
    for name, exact in expected.items():
        assert_allclose(out[name], exact, rtol=1e-10, atol=1e-11,
                        err_msg=name)


@settings(max_examples=60, deadline=None)
@given(functions())
def test_batches_match_numpy_and_average_to_the_whole(case):
    f, z, x, v, batch_size = case
    batched = f.batches(batch_size)
    size = f.n_samples if batch_size == "full" else batch_size
    everything = compiled(batched, FULL, z, x, v)
    assert_agrees(everything, f.value(z, x), f.grad_z(z, x), f.grad_x(z, x),
                  f.hessian(z, x) @ v, f.cross(z, x, v))
    calls = batched.oracle_calls[0]
    assert calls == 9 * f.n_samples

    totals = dict.fromkeys(everything, 0.0)
    for k in range(batched.n_batches):
        out = compiled(batched, k, z, x, v)
        for name in totals:
            totals[name] = totals[name] + out[name] / batched.n_batches
        # (N / n) times the sum over the batch, the penalty kept as it is.
        part = block(f, k, size)
        ratio = part.n_samples * batched.n_batches / f.n_samples
        if isinstance(f, Quadratic):
            assert_agrees(
                out, ratio * part.value(z, x), ratio * part.grad_z(z, x),
                ratio * part.grad_x(z, x), ratio * (part.hessian(z, x) @ v),
                ratio * part.cross(z, x, v))
        else:
            rest = 1.0 - ratio
            r = f._penalty(x)[0]
            assert_agrees(
                out,
                ratio * part.value(z, x) + rest * 0.5 * r @ z**2,
                ratio * part.grad_z(z, x) + rest * r * z,
                f.grad_x(z, x),
                ratio * (part.hessian(z, x) @ v) + rest * r * v,
                f.cross(z, x, v))
    for name, total in totals.items():
        assert_allclose(total, everything[name], rtol=1e-10, atol=1e-11,
                        err_msg=name)
    # Each batch counts its own samples, and a short one no more than it has.
    assert batched.oracle_calls[0] - calls == 9 * f.n_samples


@pytest.mark.parametrize("batch_size", [1, 7, 64, 100, 129, 200, 300, "full"])
def test_batches_larger_than_a_chunk(batch_size, rng):
    f, z, x = random_function(("exponential", "feature"), 517, 5, 5, rng)
    v = rng.standard_normal(5)
    batched = f.batches(batch_size)
    out = compiled(batched, FULL, z, x, v)
    assert_agrees(out, f.value(z, x), f.grad_z(z, x), f.grad_x(z, x),
                  f.hessian(z, x) @ v, f.cross(z, x, v))
    mean = np.mean([compiled(batched, k, z, x, v)["all_grad"]
                    for k in range(batched.n_batches)], axis=0)
    assert_allclose(mean, f.grad_z(z, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 50.0, 1e3, 1e5])
def test_extreme_margins(scale, rng):
    """Derivatives stay finite and right where exp overflows."""
    f, z, x = random_function(("exponential", "feature"), 30, 4, 4, rng)
    z, v = z * scale, rng.standard_normal(4)
    out = compiled(f.batches(8), FULL, z, x, v)
    assert_agrees(out, f.value(z, x), f.grad_z(z, x), f.grad_x(z, x),
                  f.hessian(z, x) @ v, f.cross(z, x, v))
    assert all(np.all(np.isfinite(array)) for array in out.values())


def test_nan_is_not_hidden(rng):
    f, z, x = random_function(("exponential", "feature"), 30, 4, 4, rng)
    z[0] = np.nan
    out = compiled(f.batches(8), FULL, z, x, np.ones(4))
    assert np.all(np.isnan(out["grad_z"])) and np.all(np.isnan(out["hvp"]))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_projection_of_the_linear_parametrisation(penalty, rng):
    f, _, x = random_function(("linear", penalty), 10, 4, 4, rng)
    x[-1] = -0.5
    expected = f.project(x)
    oracles.project(f.batches(2), x)
    assert np.array_equal(x, expected) and x[-1] == 0.0


def test_register_wants_exactly_the_oracles():
    with pytest.raises(ValueError, match="missing or unknown"):
        oracles.register(tuple, value=None)
    one_by_sample = dict.fromkeys([*oracles._ORACLES, "add_samples"])
    with pytest.raises(ValueError, match=r"unknown \['add_entries'"):
        oracles.register(tuple, **one_by_sample)


@jit
def exp_of_all(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


def test_exp_is_within_two_ulp(rng):
    x = np.concatenate([
        np.linspace(-745.2, 709.78, 200_001), rng.standard_normal(100_000),
        rng.standard_normal(1000) * 1e-10,
        np.arange(-1074, 1024) * np.log(2.0),
    ])
    out = np.empty_like(x)
    exp_of_all(x, out)
    exact = np.exp(x.astype(np.longdouble))
    ulp = np.spacing(np.maximum(exact.astype(float), 5e-324))
    assert np.max(np.abs(out - exact) / ulp) <= 2.0


def test_exp_limits():
    x = np.array([0.0, -0.0, 710.0, 1e308, np.inf, -746.0, -1e308, -np.inf])
    out = np.empty_like(x)
    exp_of_all(x, out)
    assert np.array_equal(
        out, [1.0, 1.0, np.inf, np.inf, np.inf, 0.0, 0.0, 0.0])
    exp_of_all(np.array([np.nan]), out)
    assert np.isnan(out[0])
