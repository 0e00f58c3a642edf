"""Kernels of logistic regression on sparse samples."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import descend, exp, kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
)
from benchmark_utils.functions.logistic.dense_kernels import (
    cross,
    grad_x,
    penalty_value,
    project,
    set_cross,
    set_penalties,
    set_product,
)


class SparseLogisticBatches(NamedTuple):
    """A logistic loss on sparse samples, for the compiled oracles.

    Attributes
    ----------
    data : array of float64, shape (n_non_zeros,)
    indices, indptr : array of int32 or int64
        Samples y_i x_i, in compressed sparse rows.
    n_samples, batch_size, n_batches : int
    penalty, r, oracle_calls
        As in ``LogisticBatches``.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    penalty: int
    r: np.ndarray
    oracle_calls: np.ndarray

    @property
    def weights_per_sample(self):
        """As ``oracles`` says: in the derivatives in z, and in x."""
        return 1, 0


@kernel
def _first(f, batch):
    return 0 if batch < 0 else batch * f.batch_size


@kernel
def _margin(f, i, z):
    """<y_i x_i, z>."""
    total = 0.0
    for q in range(f.indptr[i], f.indptr[i + 1]):
        total += f.data[q] * z[f.indices[q]]
    return total


@kernel
def _two_margins(f, i, z, v):
    """<y_i x_i, z> and <y_i x_i, v>, in one pass."""
    first = second = 0.0
    for q in range(f.indptr[i], f.indptr[i + 1]):
        first += f.data[q] * z[f.indices[q]]
        second += f.data[q] * v[f.indices[q]]
    return first, second


@kernel
def _add_sample(f, i, weight, out):
    """out += weight y_i x_i."""
    for q in range(f.indptr[i], f.indptr[i + 1]):
        out[f.indices[q]] += weight * f.data[q]


@kernel
def _add_sample_twice(f, i, weight, out, other_weight, other):
    """The same to two vectors, in one pass."""
    for q in range(f.indptr[i], f.indptr[i + 1]):
        out[f.indices[q]] += weight * f.data[q]
        other[f.indices[q]] += other_weight * f.data[q]


@kernel
def _value(f, batch, z, x):
    total, first = 0.0, _first(f, batch)
    for i in range(first, first + batch_size_of(f, batch)):
        u = _margin(f, i, z)
        total += np.log1p(exp(-abs(u))) - min(u, 0.0)
    return total * batch_weight(f, batch) + penalty_value(f, z, x)


@kernel
def _grad_z(f, batch, z, x, out):
    scale, first = batch_weight(f, batch), _first(f, batch)
    set_penalties(f, x)
    set_product(f.r, z, out)
    for i in range(first, first + batch_size_of(f, batch)):
        s = 1.0 / (1.0 + exp(_margin(f, i, z)))
        _add_sample(f, i, -scale * s, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    scale, first = batch_weight(f, batch), _first(f, batch)
    set_penalties(f, x)
    set_product(f.r, v, out)
    for i in range(first, first + batch_size_of(f, batch)):
        u, u_v = _two_margins(f, i, z, v)
        s = 1.0 / (1.0 + exp(u))
        _add_sample(f, i, scale * s * (1.0 - s) * u_v, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _grad_z(f, batch, z, x, out_z)
    grad_x(f, batch, z, x, out_x)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    scale, first = batch_weight(f, batch), _first(f, batch)
    set_penalties(f, x)
    set_product(f.r, z, out_grad)
    set_product(f.r, v, out_hvp)
    set_cross(f, z, v, out_cross)
    for i in range(first, first + batch_size_of(f, batch)):
        u, u_v = _two_margins(f, i, z, v)
        s = 1.0 / (1.0 + exp(u))
        _add_sample_twice(
            f, i, -scale * s, out_grad, scale * s * (1.0 - s) * u_v, out_hvp)
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    first = _first(f, batch)
    set_penalties(f, x)
    set_product(f.r, z, out_grad)
    set_product(f.r, v, out_hvp)
    set_cross(f, z, v, out_cross)
    for k in range(batch_size_of(f, batch)):
        u, u_v = _two_margins(f, first + k, z, v)
        s = 1.0 / (1.0 + exp(u))
        w_grad[k, 0] = -s
        w_hvp[k, 0] = s * (1.0 - s) * u_v
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    first = _first(f, batch)
    grad_x(f, batch, z, x, out_x)  # Sets f.r.
    set_product(f.r, z, out_z)
    for k in range(batch_size_of(f, batch)):
        w_grad[k, 0] = -1.0 / (1.0 + exp(_margin(f, first + k, z)))
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _add_samples(f, batch, n_vectors, weights, others, out, other, average,
                 other_average):
    _add_to_both(f, batch, weights, out, average)
    if n_vectors == 2:
        _add_to_both(f, batch, others, other, other_average)


@kernel
def _add_to_both(f, batch, weights, out, average):
    descend(out, -1.0, average)
    # In one pass: each sample is loaded once.
    scale, first = batch_weight(f, batch), _first(f, batch)
    for k in range(batch_size_of(f, batch)):
        _add_sample_twice(f, first + k, scale * weights[k, 0], out,
                          weights[k, 0] / f.n_samples, average)


@kernel
def _add_entries(f, batch, weights, out, average):
    pass  # x has no entry of a sample.


oracles.register(
    SparseLogisticBatches, value=_value, grad_z=_grad_z, grad_x=grad_x,
    hvp=_hvp, cross=cross, gradients=_gradients, directions=_directions,
    project=project, directions_by_sample=_directions_by_sample,
    gradients_by_sample=_gradients_by_sample, add_samples=_add_samples,
    add_entries=_add_entries,
)
