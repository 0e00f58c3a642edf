"""Products of samples with several vectors, and tanh, against NumPy."""
import numpy as np
import pytest
from harness import from_python
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark_utils.compiled import jit, tanh
from benchmark_utils.functions import products
from benchmark_utils.functions.chunks import aligned_zeros, in_chunks

set_products = from_python(products.set_products)
add_combinations = from_python(products.add_combinations)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 40),
       st.booleans(), st.integers(0, 2**32 - 1))
def test_products(p, n, n_samples, transposed, seed):
    """Whatever is left of blocks of four by four."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((p, n_samples))
    # A column that is not used, as that of the constant one in a head.
    heads = rng.standard_normal((p, n + 1) if transposed else (n, p))
    used, steps = (heads[:, :n].T, (1, n + 1)) if transposed else (
        heads, (p, 1))
    out = np.full((n, n_samples), np.nan)
    set_products(rows, heads.ravel(), *steps, out)
    assert_allclose(out, used @ rows, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 40),
       st.integers(0, 2**32 - 1))
def test_combinations(p, n, n_samples, seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((p, n_samples))
    weights = rng.standard_normal((n, n_samples))
    before = rng.standard_normal(n * p)
    out = before.copy()
    add_combinations(rows, weights, out)
    assert_allclose(
        out, before + (weights @ rows.T).ravel(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(1,), (3, 5, 8), (17,), (0, 4)])
def test_arrays_start_at_a_cache_line(shape):
    arrays = [aligned_zeros(*shape) for _ in range(20)]
    for k, array in enumerate(arrays):
        assert array.shape == shape and array.dtype == float
        assert not np.any(array) and array.flags.c_contiguous
        assert array.ctypes.data % 64 == 0 or array.size == 0
        array += k
    rows, _ = in_chunks(np.ones((300, 3)), 64, 64)
    assert rows.ctypes.data % 64 == 0


@jit
def tanh_of_all(u, out):
    for i in range(u.size):
        out[i] = tanh(u[i])


def test_tanh_is_within_three_ulp(rng):
    small = 10.0 ** np.linspace(-320, 1.4, 100_001)
    u = np.concatenate([
        np.linspace(-22.0, 22.0, 200_001), rng.standard_normal(100_000),
        small, -small,
        # Where the range reduction goes from one integer to the next.
        np.log(2.0) / 4 * np.arange(-120, 121)])
    out = np.empty_like(u)
    tanh_of_all(u, out)
    exact = np.tanh(u.astype(np.longdouble))
    ulp = np.spacing(np.abs(exact).astype(float))
    assert np.max(np.abs(out - exact) / ulp) <= 3.0
    assert np.all(np.abs(out) <= 1.0)


def test_tanh_limits():
    u = np.array([0.0, -0.0, 20.0, 1e308, np.inf, -20.0, -1e308, -np.inf])
    out = np.empty_like(u)
    tanh_of_all(u, out)
    assert np.array_equal(out, [0.0, 0.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    tanh_of_all(np.array([np.nan]), out)
    assert np.isnan(out[0])
