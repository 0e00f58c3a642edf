"""Kernels of a linear head on one hidden layer."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import exp, kernel, tanh
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import batch_size_of, batch_weight
from benchmark_utils.functions.chunks import first_chunk, last_chunk
from benchmark_utils.functions.hyper_representation.products import (
    add_combinations,
    set_products,
)


class HyperRepresentationBatches(NamedTuple):
    """A head on a hidden layer, cut into batches, for compiled oracles.

    Below, q is the number of features with the constant one, m + 1 that of
    hidden units with a constant one, and K the number of outputs.

    Attributes
    ----------
    rows : array of float64, shape (n_chunks, q, chunk_size)
        Samples, laid out by ``in_chunks`` and ``fill_lanes``. The last
        feature is the constant one, and 0 in the zero samples that fill up:
        what these add to any derivative is 0.
    targets : array of float64, shape (n_chunks, K, chunk_size)
        In the same layout: what the outputs should be, or 1 for the class of
        the sample and 0 for the others.
    n_samples, batch_size, n_batches, chunks_per_batch : int
    squared : int
        1 for half the squared error, 0 for the multinomial logistic loss.
    linear : int
        1 for linear hidden units, 0 for tanh.
    ridge, decay : float
        Penalties on z and on x.
    hidden : array of float64, shape (m + 1, chunk_size)
    scores : array of float64, shape (2 K, chunk_size)
        Outputs of z and of v, then derivatives of the losses in them.
    back : array of float64, shape (m, chunk_size)
    largest, total, along : array of float64, shape (chunk_size,)
    heads : array of float64, shape (2 K (m + 1),)
        Scratch space of the kernels.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    rows: np.ndarray
    targets: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    chunks_per_batch: int
    squared: int
    linear: int
    ridge: float
    decay: float
    hidden: np.ndarray
    scores: np.ndarray
    back: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    along: np.ndarray
    heads: np.ndarray
    oracle_calls: np.ndarray


# Loops over tanh and exp are functions of their own: LLVM then inlines them,
# and vectorises the loop, which it does not in a larger function.
@kernel
def _tanh_row(hidden, l):
    for i in range(hidden.shape[1]):
        hidden[l, i] = tanh(hidden[l, i])


@kernel
def _exp_row(scores, k, shift, total):
    """scores[k] = exp(scores[k] - shift), also added to total."""
    for i in range(total.size):
        scores[k, i] = exp(scores[k, i] - shift[i])
        total[i] += scores[k, i]


@kernel
def _set_hidden(f, chunk, x):
    """f.hidden = hidden units of a chunk, and the constant one."""
    m, size = f.back.shape
    q = f.rows.shape[1]
    set_products(f.rows[chunk], x, q, 1, f.hidden[:m])
    if f.linear == 0:
        for l in range(m):
            _tanh_row(f.hidden, l)
    for i in range(size):
        f.hidden[m, i] = f.rows[chunk, q - 1, i]


@kernel
def _set_exponentials(f, K):
    """f.scores[:K] = exponentials, f.total = their sum over outputs.

    Both divided by that of the largest score, f.largest.
    """
    size = f.largest.size
    for i in range(size):
        f.largest[i] = f.scores[0, i]
        f.total[i] = 0.0
    for k in range(1, K):
        for i in range(size):
            f.largest[i] = max(f.largest[i], f.scores[k, i])
    for k in range(K):
        _exp_row(f.scores, k, f.largest, f.total)


@kernel
def _set_residuals(f, chunk, scale):
    """f.scores[:K] = scale times derivatives of the losses in the outputs."""
    K, size = f.targets.shape[1], f.largest.size
    if f.squared == 1:
        for i in range(size):
            f.total[i] = 1.0
    else:
        _set_exponentials(f, K)
    for i in range(size):
        f.total[i] = scale / f.total[i]
    for k in range(K):
        for i in range(size):
            f.scores[k, i] = (f.total[i] * f.scores[k, i]
                              - scale * f.targets[chunk, k, i])


@kernel
def _set_residuals_along(f, chunk, scale):
    """f.scores[K:] = residuals, f.scores[:K] = their derivative along v.

    That derivative is the second one of the losses, times the outputs of v,
    which are in f.scores[K:] before. In this order: as v moves z, the
    derivative of the losses in the hidden units changes by z' times the
    latter and v' times the former, and f.heads is (z, v).
    """
    K, size = f.targets.shape[1], f.largest.size
    if f.squared == 1:
        for k in range(K):
            for i in range(size):
                error = f.scores[k, i] - f.targets[chunk, k, i]
                f.scores[k, i] = scale * f.scores[K + k, i]
                f.scores[K + k, i] = scale * error
        return
    _set_exponentials(f, K)
    for i in range(size):
        f.along[i] = 0.0
    for k in range(K):
        for i in range(size):
            f.along[i] += f.scores[k, i] * f.scores[K + k, i]
    for i in range(size):
        f.along[i] /= f.total[i]
        f.total[i] = scale / f.total[i]
    for k in range(K):
        for i in range(size):
            weight = f.total[i] * f.scores[k, i]
            f.scores[k, i] = weight * (f.scores[K + k, i] - f.along[i])
            f.scores[K + k, i] = weight - scale * f.targets[chunk, k, i]


@kernel
def _propagate_back(f, chunk, heads, n, out):
    """Add to out (d,) the derivative in x of the outputs of n heads.

    What is known is the derivative in these outputs, f.scores[:n].
    """
    m, size = f.back.shape
    set_products(f.scores[:n], heads, 1, m + 1, f.back)
    if f.linear == 0:
        for l in range(m):
            for i in range(size):
                f.back[l, i] *= 1.0 - f.hidden[l, i] * f.hidden[l, i]
    add_combinations(f.rows[chunk], f.back, out)


@kernel
def _set_penalised(penalty, variable, out):
    for c in range(out.size):
        out[c] = penalty * variable[c]


@kernel
def _put_heads(f, z, v):
    """f.heads = (z, v)."""
    for c in range(z.size):
        f.heads[c] = z[c]
    for c in range(z.size):
        f.heads[z.size + c] = v[c]


@kernel
def _set_both(f, chunk, x, scale):
    """Residuals and their derivative along v, after ``_put_heads``."""
    _set_hidden(f, chunk, x)
    set_products(f.hidden, f.heads, f.hidden.shape[0], 1, f.scores)
    _set_residuals_along(f, chunk, scale)


@kernel
def _half_square(penalty, variable):
    """penalty / 2 times the square; 0 without one, where squares overflow."""
    total = 0.0
    if penalty > 0.0:
        for c in range(variable.size):
            total += variable[c] * variable[c]
    return 0.5 * penalty * total


@kernel
def _value(f, batch, z, x):
    total, K, q = 0.0, f.targets.shape[1], f.rows.shape[1]
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_hidden(f, chunk, x)
        set_products(f.hidden, z, f.hidden.shape[0], 1, f.scores[:K])
        for i in range(f.along.size):
            f.along[i] = 0.0
        if f.squared == 1:
            for k in range(K):
                for i in range(f.along.size):
                    error = f.scores[k, i] - f.targets[chunk, k, i]
                    f.along[i] += 0.5 * error * error
        else:
            for k in range(K):
                for i in range(f.along.size):
                    f.along[i] -= f.targets[chunk, k, i] * f.scores[k, i]
            _set_exponentials(f, K)
            for i in range(f.along.size):
                f.along[i] += f.largest[i] + np.log(f.total[i])
        for i in range(f.along.size):
            # 0 for the samples that fill up.
            total += f.rows[chunk, q - 1, i] * f.along[i]
    return (batch_weight(f, batch) * total + _half_square(f.ridge, z)
            + _half_square(f.decay, x))


@kernel
def _grad_z(f, batch, z, x, out):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(f.ridge, z, out)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_hidden(f, chunk, x)
        set_products(f.hidden, z, f.hidden.shape[0], 1, f.scores[:K])
        _set_residuals(f, chunk, scale)
        add_combinations(f.hidden, f.scores[:K], out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(f.decay, x, out)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_hidden(f, chunk, x)
        set_products(f.hidden, z, f.hidden.shape[0], 1, f.scores[:K])
        _set_residuals(f, chunk, scale)
        _propagate_back(f, chunk, z, K, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(f.ridge, v, out)
    _put_heads(f, z, v)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_both(f, chunk, x, scale)
        add_combinations(f.hidden, f.scores[:K], out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(0.0, x, out)
    _put_heads(f, z, v)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_both(f, chunk, x, scale)
        _propagate_back(f, chunk, f.heads, 2 * K, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(f.ridge, z, out_z)
    _set_penalised(f.decay, x, out_x)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_hidden(f, chunk, x)
        set_products(f.hidden, z, f.hidden.shape[0], 1, f.scores[:K])
        _set_residuals(f, chunk, scale)
        add_combinations(f.hidden, f.scores[:K], out_z)
        _propagate_back(f, chunk, z, K, out_x)
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    K, scale = f.targets.shape[1], batch_weight(f, batch)
    _set_penalised(f.ridge, z, out_grad)
    _set_penalised(f.ridge, v, out_hvp)
    _set_penalised(0.0, x, out_cross)
    _put_heads(f, z, v)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_both(f, chunk, x, scale)
        add_combinations(f.hidden, f.scores[K:], out_grad)
        add_combinations(f.hidden, f.scores[:K], out_hvp)
        _propagate_back(f, chunk, f.heads, 2 * K, out_cross)
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _project(f, x):
    pass


oracles.register(
    HyperRepresentationBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project)
