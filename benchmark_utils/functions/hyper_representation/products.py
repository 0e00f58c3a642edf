"""Products of a chunk of samples with several vectors, and their transpose.

The two passes over a chunk of which a dense kind is made, each sum of a block
in a register. Chunks are whole vectors, see ``fill_lanes``.
"""
import numpy as np

from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.compiling.vectors import (
    LANES,
    add_outer,
    add_up,
    add_up_each,
    aligned_zeros,
    load,
    spread,
    store,
)

# A block of sums: 4 vectors times the samples of so many registers, or 2
# combinations times ``LANES`` features.
_COLUMNS = LANES // 2
# Features that stay in the first-level cache for all combinations.
_TILE = 64
_ZERO, _ONE = np.zeros(1), np.ones(1)


def fill_lanes(chunks):
    """Fill chunks up to whole vectors, with zero samples.

    Parameters
    ----------
    chunks : array of float64, shape (n_chunks, p, chunk_size)

    Returns
    -------
    array of float64, shape (n_chunks, p, n_samples)
        n_samples is a multiple of ``LANES``.
    """
    n_chunks, p, size = chunks.shape
    if size % LANES == 0:
        return chunks
    filled = -(-size // LANES) * LANES
    out = aligned_zeros(n_chunks * p * filled).reshape(n_chunks, p, filled)
    out[:, :, :size] = chunks
    return out


def _product(n, columns):
    n_sums = n * columns

    @kernel
    def block(rows, i, weights, first, by_vector, by_feature, out, k):
        p, size = rows.shape
        sums = spread(_ZERO, 0, 0, n_sums)
        for j in range(p):
            sums = add_outer(
                sums, spread(weights, first + j * by_feature, by_vector, n),
                load(rows, j * size + i, 0, 1, columns))
        store(out, k * size + i, size, n, columns, sums)

    return block


_product_4_wide, _product_4 = _product(4, _COLUMNS), _product(4, 1)
_product_1_wide, _product_1 = _product(1, _COLUMNS), _product(1, 1)


@kernel
def set_products(rows, weights, by_vector, by_feature, out):
    """out[k, i] = sum_j weights[k * by_vector + j * by_feature] rows[j, i].

    Parameters
    ----------
    rows : array of float64, shape (p, n_samples)
        A chunk of samples; n_samples is a multiple of ``LANES``.
    weights : array of float64
        n vectors of p entries.
    by_vector, by_feature : int
        From a vector to the next, and from a feature to the next: p and 1
        where the vectors come one after the other.
    out : array of float64, shape (n, n_samples)
        Overwritten.
    """
    size, n, wide = rows.shape[1], out.shape[0], _COLUMNS * LANES
    i = 0
    while i < size:
        if i + wide <= size:
            for k in range(0, n - 3, 4):
                _product_4_wide(rows, i, weights, k * by_vector, by_vector,
                                by_feature, out, k)
            for k in range(n - n % 4, n):
                _product_1_wide(rows, i, weights, k * by_vector, by_vector,
                                by_feature, out, k)
            i += wide
        else:
            for k in range(0, n - 3, 4):
                _product_4(rows, i, weights, k * by_vector, by_vector,
                           by_feature, out, k)
            for k in range(n - n % 4, n):
                _product_1(rows, i, weights, k * by_vector, by_vector,
                           by_feature, out, k)
            i += LANES


def _combination(n):
    n_sums = n * LANES

    @kernel
    def block(rows, first, last, weights, k, out):
        p, size = rows.shape
        for j in range(first, last, LANES):
            sums = spread(_ZERO, 0, 0, n_sums)
            for i in range(0, size, LANES):
                sums = add_outer(
                    sums, load(weights, k * size + i, size, n, 1),
                    load(rows, j * size + i, size, LANES, 1))
            store(out, k * p + j, p, n, 1, add_outer(
                load(out, k * p + j, p, n, 1), add_up_each(sums),
                spread(_ONE, 0, 0, 1)))

    return block


_combination_2, _combination_1 = _combination(2), _combination(1)


@kernel
def add_combinations(rows, weights, out):
    """out[k * p + j] += sum_i weights[k, i] rows[j, i].

    Parameters
    ----------
    rows : array of float64, shape (p, n_samples)
        A chunk of samples, as above.
    weights : array of float64, shape (n, n_samples)
        A row a combination.
    out : array of float64, shape (n * p,)
        n vectors, one after the other.
    """
    p, size, n = rows.shape[0], rows.shape[1], weights.shape[0]
    whole = p - p % LANES
    for first in range(0, whole, _TILE):
        last = min(first + _TILE, whole)
        for k in range(0, n - 1, 2):
            _combination_2(rows, first, last, weights, k, out)
        if n % 2:
            _combination_1(rows, first, last, weights, n - 1, out)
    # Features that are left.
    for k in range(n):
        for j in range(whole, p):
            sums = spread(_ZERO, 0, 0, 1)
            for i in range(0, size, LANES):
                sums = add_outer(
                    sums, load(weights, k * size + i, 0, 1, 1),
                    load(rows, j * size + i, 0, 1, 1))
            out[k * p + j] += add_up(sums)
