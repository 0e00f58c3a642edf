"""Kernels of averages of quadratic functions."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
)


class QuadraticBatches(NamedTuple):
    """A quadratic function cut into mini-batches, for compiled oracles.

    Attributes
    ----------
    A, B, C : array of float64, shape (n, p * p), (n, d * d), (n, d * p)
        Second-order coefficients, one flattened matrix a sample.
    a, b : array of float64, shape (n, p), (n, d)
        First-order coefficients.
    n_samples, batch_size, n_batches : int
    mean_A, mean_B, mean_C, mean_a, mean_b : array of float64
        Scratch space: the weighted sums over the batch at hand, flattened.
    scratch_z, scratch_x : array of float64, shape (p,), (d,)
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    a: np.ndarray
    b: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    mean_A: np.ndarray
    mean_B: np.ndarray
    mean_C: np.ndarray
    mean_a: np.ndarray
    mean_b: np.ndarray
    scratch_z: np.ndarray
    scratch_x: np.ndarray
    oracle_calls: np.ndarray


@kernel
def _average(f, batch, samples, mean):
    """Weighted sum over a batch: reads each coefficient exactly once.

    All vectors are multiplied by the averaged matrix afterwards, which costs
    1 / batch_size of this pass. Four samples at a time, so that the sum is
    loaded and stored a quarter as often.
    """
    first = 0 if batch < 0 else batch * f.batch_size
    last = first + batch_size_of(f, batch)
    weight = batch_weight(f, batch)
    for q in range(mean.size):
        mean[q] = 0.0
    in_fours = first + (last - first) // 4 * 4
    for i in range(first, in_fours, 4):
        for q in range(mean.size):
            mean[q] += (samples[i, q] + samples[i + 1, q]
                        + samples[i + 2, q] + samples[i + 3, q])
    for i in range(in_fours, last):
        for q in range(mean.size):
            mean[q] += samples[i, q]
    for q in range(mean.size):
        mean[q] *= weight


@kernel
def _set_product(matrix, vector, out):
    """out = matrix @ vector, the matrix flattened by rows."""
    for row in range(out.size):
        total = 0.0
        for column in range(vector.size):
            total += matrix[row * vector.size + column] * vector[column]
        out[row] = total


@kernel
def _add_transposed_product(matrix, vector, out):
    """out += matrix' @ vector, the matrix flattened by rows."""
    for row in range(vector.size):
        for column in range(out.size):
            out[column] += matrix[row * out.size + column] * vector[row]


@kernel
def _add(vector, out):
    for k in range(out.size):
        out[k] += vector[k]


@kernel
def _set_grad_z(f, z, x, out):
    _set_product(f.mean_A, z, out)
    _add_transposed_product(f.mean_C, x, out)
    _add(f.mean_a, out)


@kernel
def _set_grad_x(f, z, x, out):
    _set_product(f.mean_C, z, out)
    _set_product(f.mean_B, x, f.scratch_x)
    _add(f.scratch_x, out)
    _add(f.mean_b, out)


@kernel
def _value(f, batch, z, x):
    _average(f, batch, f.A, f.mean_A)
    _average(f, batch, f.B, f.mean_B)
    _average(f, batch, f.C, f.mean_C)
    _average(f, batch, f.a, f.mean_a)
    _average(f, batch, f.b, f.mean_b)
    total = 0.0
    _set_product(f.mean_A, z, f.scratch_z)
    for k in range(z.size):
        total += z[k] * (0.5 * f.scratch_z[k] + f.mean_a[k])
    _set_product(f.mean_B, x, f.scratch_x)
    for k in range(x.size):
        total += x[k] * (0.5 * f.scratch_x[k] + f.mean_b[k])
    _set_product(f.mean_C, z, f.scratch_x)
    for k in range(x.size):
        total += x[k] * f.scratch_x[k]
    return total


@kernel
def _grad_z(f, batch, z, x, out):
    _average(f, batch, f.A, f.mean_A)
    _average(f, batch, f.C, f.mean_C)
    _average(f, batch, f.a, f.mean_a)
    _set_grad_z(f, z, x, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    _average(f, batch, f.B, f.mean_B)
    _average(f, batch, f.C, f.mean_C)
    _average(f, batch, f.b, f.mean_b)
    _set_grad_x(f, z, x, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    _average(f, batch, f.A, f.mean_A)
    _set_product(f.mean_A, v, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    _average(f, batch, f.C, f.mean_C)
    _set_product(f.mean_C, v, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _grad_z(f, batch, z, x, out_z)
    _average(f, batch, f.B, f.mean_B)
    _average(f, batch, f.b, f.mean_b)
    _set_grad_x(f, z, x, out_x)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    _grad_z(f, batch, z, x, out_grad)
    _set_product(f.mean_A, v, out_hvp)
    _set_product(f.mean_C, v, out_cross)
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _project(f, x):
    pass


oracles.register(
    QuadraticBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x, hvp=_hvp,
    cross=_cross, gradients=_gradients, directions=_directions,
    project=_project,
)
