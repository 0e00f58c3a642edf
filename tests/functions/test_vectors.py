"""Short vectors in registers, against NumPy."""
import platform
from types import SimpleNamespace

import numpy as np
import pytest
from harness import run
from numba import njit
from numpy.testing import assert_allclose

from benchmark_utils.compiling import target
from benchmark_utils.compiling.vectors import (
    LANES,
    add,
    add_inner,
    add_outer,
    add_products,
    add_up,
    add_up_each,
    aligned_zeros,
    divide,
    exponential,
    load,
    load_lanes,
    load_rows,
    maximum,
    multiply,
    same,
    spread,
    store,
    store_lanes,
    store_rows,
    subtract,
    transpose,
)


@njit
def product(a, b, out):
    """out (2, 2 vectors) += two numbers of a times two vectors of b."""
    sums = load(out, 0, 2 * LANES, 2, 2)
    sums = add_outer(sums, spread(a, 1, 3, 2), load(b, 5, 0, 1, 2))
    store(out, 0, 2 * LANES, 2, 2, sums)


def test_outer_products(rng):
    a, b = rng.standard_normal((2, 5 + 2 * LANES))
    out = rng.standard_normal((2, 2 * LANES))
    expected = out + np.outer(a[[1, 4]], b[5:])
    product(a, b, out.ravel())
    # Fused or not: a rounding of the product.
    assert_allclose(out, expected, rtol=1e-14, atol=1e-15)


@njit
def move(a, places, out):
    store_rows(out, places, 1, 3 * LANES, LANES, 2, 2,
               load_rows(a, places, 0, 3 * LANES, 1, 2, 2))


def test_rows_in_a_list(rng):
    a, out = rng.standard_normal((2, 6, 3 * LANES))
    places = np.array([4, 2, 0], np.int32)
    expected = out.copy()
    expected[[2, 0], LANES:] = a[[4, 2], 1:1 + 2 * LANES]
    move(a, places, out)
    assert np.array_equal(out, expected)


@njit
def turn(a, n, out):
    store(out, 0, LANES, LANES, 1, transpose(load(a, 0, n, LANES, 1)))


def test_transpose(rng):
    a, out = rng.standard_normal((LANES, 11)), np.zeros((LANES, LANES))
    turn(a, 11, out)
    assert np.array_equal(out, a[:, :LANES].T)


@njit
def inner(a, b):
    return add_up(add_products(
        same(0, 3), load(a, 0, 0, 1, 3), load(b, 0, 0, 1, 3)))


def test_inner_product(rng):
    a, b = rng.standard_normal((2, 3 * LANES))
    assert_allclose(inner(a, b), a @ b, rtol=1e-13)


@njit
def inner_of_rows(a, b, out):
    """out (2 vectors) += 3 numbers of a times 3 rows of b."""
    store(out, 0, 0, 1, 2, add_inner(
        load(out, 0, 0, 1, 2), spread(a, 0, 1, 3),
        load(b, 0, 2 * LANES, 3, 2)))


def test_inner_products_of_rows(rng):
    a, b = rng.standard_normal(3), rng.standard_normal((3, 2 * LANES))
    out = rng.standard_normal(2 * LANES)
    expected = out + a @ b
    inner_of_rows(a, b.ravel(), out)
    assert_allclose(out, expected, rtol=1e-14, atol=1e-15)


@njit
def move_lanes(a, b, n, limit, row, j, out_a, out_b):
    store_lanes(out_a, out_b, n, 2 * LANES, limit, row, j,
                load_lanes(a, b, n, 2 * LANES, limit, row, j))


@pytest.mark.parametrize("n, row", [(3, 0), (LANES + 2, LANES), (LANES, 0)])
def test_rows_of_two_arrays(rng, n, row):
    """Those from the limit on are neither read nor written."""
    a, b = rng.standard_normal((2, n, 2 * LANES))
    limit = min(2 * n, row + LANES - 1)
    out = np.zeros((2 * n, 2 * LANES))
    move_lanes(a, b, n, limit, row, 3, *(
        part.ravel() for part in (out[:n], out[n:])))
    expected = np.zeros_like(out)
    places = slice(row, limit), slice(3, 3 + LANES)
    expected[places] = np.vstack([a, b])[places]
    assert np.array_equal(out, expected)


@njit
def each(a, b, out):
    x, y = load(a, 0, 0, 1, 1), load(b, 0, 0, 1, 1)
    store(out, 0, 0, 1, 1, add(x, y))
    store(out, LANES, 0, 1, 1, subtract(x, y))
    store(out, 2 * LANES, 0, 1, 1, multiply(x, y))
    store(out, 3 * LANES, 0, 1, 1, divide(x, y))
    store(out, 4 * LANES, 0, 1, 1, maximum(x, y))


def test_lane_by_lane(rng):
    a, b = rng.standard_normal((2, LANES))
    out = np.zeros((5, LANES))
    each(a, b, out.ravel())
    assert np.array_equal(
        out, [a + b, a - b, a * b, a / b, np.maximum(a, b)])


@njit
def exponentials(a):
    for k in range(0, a.size, LANES):
        store(a, k, 0, 1, 1, exponential(load(a, k, 0, 1, 1)))


def test_exponentials(rng):
    """Subnormal results, 0 and infinity among them."""
    a = np.concatenate([
        rng.uniform(-700, 700, 100 * LANES), rng.uniform(-1, 1, 100 * LANES),
        np.resize([-np.inf, -1e9, -746, -740, 0, 709.7, 711, np.inf],
                  8 * LANES)])
    with np.errstate(over="ignore"):
        expected = np.exp(a)
    exponentials(a)
    assert_allclose(a, expected, rtol=1e-15, atol=5e-324)


TWICE = 2 * LANES


@njit
def sums_of_each(a, out):
    store(out, 0, 0, 1, 2, add_up_each(load(a, 0, LANES, TWICE, 1)))


def test_sums_of_each(rng):
    a, out = rng.standard_normal((TWICE, LANES)), np.zeros(TWICE)
    sums_of_each(a, out)
    assert_allclose(out, a.sum(1), rtol=1e-13, atol=1e-15)


def test_shapes_that_do_not_fit():
    @njit
    def wrong(a):
        sums = load(a, 0, 0, 1, 3)
        add_outer(sums, spread(a, 0, 0, 2), load(a, 0, 0, 1, 2))

    with pytest.raises(Exception, match="add_outer"):
        wrong(np.zeros(100))


@pytest.mark.parametrize("size", [1, 7, 8, 1000])
def test_arrays_that_start_on_a_cache_line(size):
    a = aligned_zeros(size)
    assert a.shape == (size,) and a.ctypes.data % 64 == 0
    assert a.dtype == np.float64 and not a.any()


x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="these are processors of x86")


@x86
@pytest.mark.parametrize("name, features, width", [
    ("generic", "", 2), ("haswell", "", 4), ("skylake-avx512", "", 8),
    ("znver4", "-avx512f", 4), ("haswell", "+avx512f,+evex512", 8),
    ("haswell", "-avx", 2)])
def test_width_of_registers(monkeypatch, name, features, width):
    triple, *_ = target.cpu_target.target_context.codegen().magic_tuple()
    codegen = SimpleNamespace(magic_tuple=lambda: (triple, name, features))
    monkeypatch.setattr(target, "cpu_target", SimpleNamespace(
        target_context=SimpleNamespace(codegen=lambda: codegen)))
    assert target.numbers_in_register() == width


@x86
def test_vectors_are_as_wide_as_the_target_and_not_the_host():
    code, text = run(
        ["-c", "from benchmark_utils.compiling.vectors import LANES\n"
         "print('lanes:', LANES)"],
        NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="")
    assert code == 0 and "lanes: 4" in text, text
