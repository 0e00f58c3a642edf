"""Short vectors in registers, against NumPy."""
import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose

from benchmark_utils.functions.vectors import (
    LANES,
    add_outer,
    add_products,
    add_up,
    add_up_each,
    aligned_zeros,
    load,
    load_rows,
    same,
    spread,
    store,
    store_rows,
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
    assert_allclose(out, expected, rtol=1e-15)


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
