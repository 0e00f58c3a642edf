"""Kernels of multinomial logistic regression."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiled import exp, exp_all, kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
)
from benchmark_utils.functions.chunks import first_chunk, last_chunk


class MultinomialBatches(NamedTuple):
    """A multinomial logistic loss cut into batches, for compiled oracles.

    Attributes
    ----------
    rows : array of float64, shape (n_chunks, n_features, chunk_size)
        Samples. Each batch is a run of ``chunks_per_batch`` chunks, and every
        loop over samples runs along contiguous memory. Zero samples fill up
        short chunks.
    labels : array of int64, shape (n_chunks, chunk_size)
        Class of each sample; -1 for those that fill up.
    order : array of int64, shape (n_samples,)
        Entry of x of each sample, where x is weights, in the order of the
        batches.
    n_samples, batch_size, n_batches, chunks_per_batch, n_classes : int
    outer : int
        What x is: 0 nothing, 1 one weight a sample, 2, 3, 4 one log-penalty
        a class, a feature, in all.
    ridge : float
        C, the fixed penalty.
    scores, products : array of float64, shape (n_classes, chunk_size)
    weight, slope, loss, own, largest, total : array, shape (chunk_size,)
    r : array of float64, shape (d,)
    combination : array of float64, shape (p,)
        Scratch space of the kernels.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    rows: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    chunks_per_batch: int
    n_classes: int
    outer: int
    ridge: float
    scores: np.ndarray
    products: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    loss: np.ndarray
    own: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    r: np.ndarray
    combination: np.ndarray
    oracle_calls: np.ndarray

    @property
    def weights_per_sample(self):
        """As ``oracles`` says: in the derivatives in z, and in x."""
        return self.n_classes, int(self.outer == 1)


@kernel
def _first_sample(f, chunk):
    """Place in ``order`` of the first sample of a chunk."""
    batch = chunk // f.chunks_per_batch
    within = chunk - batch * f.chunks_per_batch
    return batch * f.batch_size + within * f.labels.shape[1]


@kernel
def _n_filled(f, chunk):
    """Number of samples in a chunk, without those that fill it up."""
    batch = chunk // f.chunks_per_batch
    within = chunk - batch * f.chunks_per_batch
    left = batch_size_of(f, batch) - within * f.labels.shape[1]
    return min(f.labels.shape[1], left)


# The kernels that touch the data: several classes and features at a time, so
# that samples and sums are loaded and stored a fraction as often.
@kernel
def _set_scores(rows, chunk, z, out):
    """out[k, i] = <rows[chunk, :, i], z[k]>, z flattened by rows."""
    p, size, K = rows.shape[1], rows.shape[2], out.shape[0]
    in_fours, in_twos = p - p % 4, K - K % 2
    for k in range(K):
        for i in range(size):
            out[k, i] = 0.0
    for k in range(0, in_twos, 2):
        a, b = k * p, (k + 1) * p
        for j in range(0, in_fours, 4):
            a0, a1, a2, a3 = (
                z[a + j], z[a + j + 1], z[a + j + 2], z[a + j + 3])
            b0, b1, b2, b3 = (
                z[b + j], z[b + j + 1], z[b + j + 2], z[b + j + 3])
            for i in range(size):
                d0, d1 = rows[chunk, j, i], rows[chunk, j + 1, i]
                d2, d3 = rows[chunk, j + 2, i], rows[chunk, j + 3, i]
                out[k, i] += d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3
                out[k + 1, i] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3
    for k in range(K):
        # Features that are left, and all of a class that is left.
        for j in range(in_fours if k < in_twos else 0, p):
            a0 = z[k * p + j]
            for i in range(size):
                out[k, i] += rows[chunk, j, i] * a0


@kernel
def _add_combinations(rows, chunk, weights, out):
    """out[k] += rows[chunk] @ weights[k], out flattened by rows."""
    p, size, K = rows.shape[1], rows.shape[2], weights.shape[0]
    in_twos, classes_in_twos = p - p % 2, K - K % 2
    for k in range(0, classes_in_twos, 2):
        a, b = k * p, (k + 1) * p
        for j in range(0, in_twos, 2):
            s0 = s1 = t0 = t1 = 0.0
            for i in range(size):
                d0, d1 = rows[chunk, j, i], rows[chunk, j + 1, i]
                s0 += d0 * weights[k, i]
                s1 += d1 * weights[k, i]
                t0 += d0 * weights[k + 1, i]
                t1 += d1 * weights[k + 1, i]
            out[a + j] += s0
            out[a + j + 1] += s1
            out[b + j] += t0
            out[b + j + 1] += t1
    for k in range(K):
        for j in range(in_twos if k < classes_in_twos else 0, p):
            s0 = 0.0
            for i in range(size):
                s0 += rows[chunk, j, i] * weights[k, i]
            out[k * p + j] += s0


# Loops over exp are functions of their own: LLVM then inlines exp into them,
# and vectorises it, which it does not in a larger function.
@kernel
def _exp_shifted(scores, k, shift, total):
    """scores[k] = exp(scores[k] - shift), also added to total."""
    for i in range(total.size):
        scores[k, i] = exp(scores[k, i] - shift[i])
        total[i] += scores[k, i]


@kernel
def _set_sigmoids(x, order, first, n, scale, weight, slope):
    """scale times sigma and sigma' of the entries of x of n samples."""
    for i in range(n):
        u = x[order[first + i]]
        e = exp(-abs(u))
        s = 1.0 / (1.0 + e)
        weight[i] = scale * (s if u >= 0 else e * s)
        slope[i] = scale * e * s * s
    for i in range(n, weight.size):
        weight[i] = slope[i] = 0.0


@kernel
def _set_weights(f, chunk, x, scale):
    """f.weight and f.slope: scale times w_i and its derivative."""
    if f.outer == 1:
        _set_sigmoids(x, f.order, _first_sample(f, chunk),
                      _n_filled(f, chunk), scale, f.weight, f.slope)
    else:
        for i in range(f.weight.size):
            f.weight[i] = scale


@kernel
def _set_probabilities(f, chunk, z):
    """f.scores = softmax over classes; f.loss = losses of samples."""
    _set_scores(f.rows, chunk, z, f.scores)
    K, size = f.scores.shape
    for i in range(size):
        f.largest[i] = f.scores[0, i]
        f.total[i] = 0.0
    for k in range(1, K):
        for i in range(size):
            f.largest[i] = max(f.largest[i], f.scores[k, i])
    for i in range(size):
        f.loss[i] = f.largest[i] - f.scores[max(f.labels[chunk, i], 0), i]
    for k in range(K):
        _exp_shifted(f.scores, k, f.largest, f.total)
    for i in range(size):
        f.loss[i] += np.log(f.total[i])
        f.total[i] = 1.0 / f.total[i]
    for k in range(K):
        for i in range(size):
            f.scores[k, i] *= f.total[i]


@kernel
def _set_hessian_products(f, chunk, v):
    """f.products = w (diag(s) - s s') (scores of v), one column a sample.

    After ``_set_probabilities``. f.own becomes the derivative of the losses
    along v, which the cross derivative needs.
    """
    _set_scores(f.rows, chunk, v, f.products)
    K, size = f.scores.shape
    for i in range(size):
        f.own[i] = 0.0
    for k in range(K):
        for i in range(size):
            f.own[i] += f.scores[k, i] * f.products[k, i]
    for i in range(size):
        f.largest[i] = f.products[max(f.labels[chunk, i], 0), i]
    for k in range(K):
        for i in range(size):
            f.products[k, i] = (f.weight[i] * f.scores[k, i]
                                * (f.products[k, i] - f.own[i]))
    for i in range(size):
        f.own[i] -= f.largest[i]


@kernel
def _set_residuals(f, chunk):
    """f.scores = w_i (s_i - e_{y_i}), from the probabilities s_i."""
    K, size = f.scores.shape
    for i in range(size):
        f.scores[max(f.labels[chunk, i], 0), i] -= 1.0
    for k in range(K):
        for i in range(size):
            f.scores[k, i] *= f.weight[i]


@kernel
def _put(f, chunk, values, out):
    """Entries of out of the samples of a chunk: slope times values."""
    first = _first_sample(f, chunk)
    for i in range(_n_filled(f, chunk)):
        out[f.order[first + i]] = f.slope[i] * values[i]


@kernel
def _set_penalties(f, x):
    """f.r = r(x) where x is log-penalties."""
    if f.outer >= 2:
        exp_all(x, f.r)


@kernel
def _penalty(f, k, j):
    """C + r_kj, after ``_set_penalties``."""
    if f.outer == 2:
        return f.ridge + f.r[k]
    if f.outer == 3:
        return f.ridge + f.r[j]
    if f.outer == 4:
        return f.ridge + f.r[0]
    return f.ridge


@kernel
def _set_penalised(f, z, out):
    """out_kj = (C + r_kj) z_kj."""
    p = f.rows.shape[1]
    for k in range(f.n_classes):
        for j in range(p):
            out[k * p + j] = _penalty(f, k, j) * z[k * p + j]


@kernel
def _set_penalty_cross(f, z, v, scale, out):
    """out = scale times the derivative in x of sum_kj r_kj z_kj v_kj."""
    p = f.rows.shape[1]
    for c in range(out.size):
        out[c] = 0.0
    if f.outer < 2:
        return
    for k in range(f.n_classes):
        for j in range(p):
            product = z[k * p + j] * v[k * p + j]
            if f.outer == 2:
                out[k] += product
            elif f.outer == 3:
                out[j] += product
            else:
                out[0] += product
    for c in range(out.size):
        out[c] *= scale * f.r[c]


@kernel
def _value(f, batch, z, x):
    total = penalty = 0.0
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        for i in range(_n_filled(f, chunk)):
            total += f.weight[i] * f.loss[i]
    _set_penalties(f, x)
    p = f.rows.shape[1]
    for k in range(f.n_classes):
        for j in range(p):
            penalty += _penalty(f, k, j) * z[k * p + j] ** 2
    return total + 0.5 * penalty


@kernel
def _grad_z(f, batch, z, x, out):
    _set_penalties(f, x)
    _set_penalised(f, z, out)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    _set_penalties(f, x)
    _set_penalty_cross(f, z, z, 0.5, out)
    # Weights: the entries of the samples of the batch, and no others.
    if f.outer == 1:
        scale = batch_weight(f, batch)
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            _set_weights(f, chunk, x, scale)
            _set_probabilities(f, chunk, z)
            _put(f, chunk, f.loss, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    _set_penalties(f, x)
    _set_penalised(f, v, out)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        _add_combinations(f.rows, chunk, f.products, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    _set_penalties(f, x)
    _set_penalty_cross(f, z, v, 1.0, out)
    if f.outer == 1:
        scale = batch_weight(f, batch)
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            _set_weights(f, chunk, x, scale)
            _set_probabilities(f, chunk, z)
            _set_hessian_products(f, chunk, v)
            _put(f, chunk, f.own, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _set_penalties(f, x)
    _set_penalised(f, z, out_z)
    _set_penalty_cross(f, z, z, 0.5, out_x)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        if f.outer == 1:
            _put(f, chunk, f.loss, out_x)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out_z)
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    _set_penalties(f, x)
    _set_penalised(f, z, out_grad)
    _set_penalised(f, v, out_hvp)
    _set_penalty_cross(f, z, v, 1.0, out_cross)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        if f.outer == 1:
            _put(f, chunk, f.own, out_cross)
        _add_combinations(f.rows, chunk, f.products, out_hvp)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out_grad)
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


# The oracles by sample: the samples enter the derivatives in z through one
# number a class, those in x through their own entry of x or not at all.
@kernel
def _keep(values, first, n, out):
    """out[first:first + n] = values (K, chunk_size), transposed."""
    for i in range(n):
        for k in range(values.shape[0]):
            out[first + i, k] = values[k, i]


@kernel
def _keep_entries(f, values, first, n, out):
    """out[first:first + n] = slope times values, where x is weights."""
    if f.outer == 1:
        for i in range(n):
            out[first + i, 0] = f.slope[i] * values[i]


@kernel
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    _set_penalties(f, x)
    _set_penalised(f, z, out_grad)
    _set_penalised(f, v, out_hvp)
    _set_penalty_cross(f, z, v, 1.0, out_cross)
    first = 0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        _set_weights(f, chunk, x, 1.0)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        _keep(f.products, first, n, w_hvp)
        _keep_entries(f, f.own, first, n, w_cross)
        _set_residuals(f, chunk)
        _keep(f.scores, first, n, w_grad)
        first += n
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    _set_penalties(f, x)
    _set_penalised(f, z, out_z)
    _set_penalty_cross(f, z, z, 0.5, out_x)
    first = 0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        _set_weights(f, chunk, x, 1.0)
        _set_probabilities(f, chunk, z)
        _keep_entries(f, f.loss, first, n, w_x)
        _set_residuals(f, chunk)
        _keep(f.scores, first, n, w_grad)
        first += n
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _add_samples(f, batch, weights, out, average):
    scale, first = batch_weight(f, batch), 0
    for c in range(out.size):
        f.combination[c] = 0.0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        for k in range(f.n_classes):
            for i in range(n):
                f.scores[k, i] = weights[first + i, k]
            for i in range(n, f.scores.shape[1]):
                f.scores[k, i] = 0.0
        _add_combinations(f.rows, chunk, f.scores, f.combination)
        first += n
    for c in range(out.size):
        out[c] += scale * f.combination[c]
        average[c] += f.combination[c] / f.n_samples


@kernel
def _add_entries(f, batch, weights, out, average):
    scale, first = batch_weight(f, batch), max(batch, 0) * f.batch_size
    if f.outer == 1:
        for i in range(batch_size_of(f, batch)):
            entry = f.order[first + i]
            out[entry] += scale * weights[i, 0]
            average[entry] += weights[i, 0] / f.n_samples


@kernel
def _project(f, x):
    pass


oracles.register(
    MultinomialBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project, directions_by_sample=_directions_by_sample,
    gradients_by_sample=_gradients_by_sample, add_samples=_add_samples,
    add_entries=_add_entries,
)
