"""Products of samples with several vectors, and tanh, against NumPy."""
import numpy as np
import pytest
from harness import from_python
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark_utils.compiling.compiled import jit, tanh
from benchmark_utils.compiling.vectors import LANES
from benchmark_utils.functions.chunks import in_chunks
from benchmark_utils.functions.hyper_representation import products
from benchmark_utils.functions.hyper_representation.products import fill_lanes

set_products = from_python(products.set_products)
add_combinations = from_python(products.add_combinations)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 11), st.integers(1, 9),
       st.booleans(), st.integers(0, 2**32 - 1))
def test_products(p, n, n_vectors, transposed, seed):
    """Whatever is left of blocks."""
    rng = np.random.default_rng(seed)
    n_samples = n_vectors * LANES
    rows = rng.standard_normal((p, n_samples))
    # A column that is not used, as that of the constant one in a head.
    heads = rng.standard_normal((p, n + 1) if transposed else (n, p))
    used, steps = (heads[:, :n].T, (1, n + 1)) if transposed else (
        heads, (p, 1))
    out = np.full((n, n_samples), np.nan)
    set_products(rows, heads.ravel(), *steps, out)
    assert_allclose(out, used @ rows, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 11), st.integers(1, 9),
       st.integers(0, 2**32 - 1))
def test_combinations(p, n, n_vectors, seed):
    rng = np.random.default_rng(seed)
    n_samples = n_vectors * LANES
    rows = rng.standard_normal((p, n_samples))
    weights = rng.standard_normal((n, n_samples))
    before = rng.standard_normal(n * p)
    out = before.copy()
    add_combinations(rows, weights, out)
    assert_allclose(
        out, before + (weights @ rows.T).ravel(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 7, LANES, 24, 100])
def test_chunks_are_filled_up_to_whole_vectors(size, rng):
    X = rng.standard_normal((230, 3))
    chunks, _ = in_chunks(X, size, 64)
    filled = fill_lanes(chunks)
    used = chunks.shape[2]
    assert filled.shape[2] % LANES == 0 and filled.shape[2] < used + LANES
    assert np.array_equal(filled[:, :, :used], chunks)
    assert not np.any(filled[:, :, used:])
    assert filled.ctypes.data % 64 == 0


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
