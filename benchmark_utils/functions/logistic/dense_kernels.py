"""Kernels of logistic regression on dense samples."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import exp, exp_all, kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
)
from benchmark_utils.functions.chunks import first_chunk, last_chunk


class LogisticBatches(NamedTuple):
    """A logistic loss cut into mini-batches, for the compiled oracles.

    Attributes
    ----------
    rows : array of float64, shape (n_chunks, p, chunk_size)
        Samples y_i x_i. Each batch is a run of ``chunks_per_batch`` chunks,
        and every loop over samples runs along contiguous memory. Zero
        samples fill up short chunks: they add nothing to any derivative.
    n_samples, batch_size, n_batches, chunks_per_batch : int
    penalty : int
        0 without penalty, 1 for exponential, 2 for linear parametrization,
        3 and 4 for these with one penalty for all features.
    margin, weight : array of float64, shape (chunk_size,)
    r : array of float64, shape (p,)
        Scratch space of the kernels.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    rows: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    chunks_per_batch: int
    penalty: int
    margin: np.ndarray
    weight: np.ndarray
    r: np.ndarray
    oracle_calls: np.ndarray


# The kernels that touch the data. Several features at a time: sums over
# features are then loaded and stored a fraction as often. Two vectors at a
# time where an oracle needs both: each sample is then loaded once.
@kernel
def _margins(rows, chunk, z, out):
    """Margins of a chunk: out[i] = <rows[chunk, :, i], z>."""
    p, size = rows.shape[1], rows.shape[2]
    in_fours = p - p % 4
    for i in range(size):
        out[i] = 0.0
    for j in range(0, in_fours, 4):
        z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
        for i in range(size):
            out[i] += (rows[chunk, j, i] * z0 + rows[chunk, j + 1, i] * z1
                       + rows[chunk, j + 2, i] * z2
                       + rows[chunk, j + 3, i] * z3)
    for j in range(in_fours, p):
        z0 = z[j]
        for i in range(size):
            out[i] += rows[chunk, j, i] * z0


@kernel
def _add_combination(rows, chunk, weight, out):
    """Add a combination of samples: out += rows[chunk] @ weight."""
    p, size = rows.shape[1], rows.shape[2]
    in_fours = p - p % 4
    for j in range(0, in_fours, 4):
        s0 = s1 = s2 = s3 = 0.0
        for i in range(size):
            s0 += rows[chunk, j, i] * weight[i]
            s1 += rows[chunk, j + 1, i] * weight[i]
            s2 += rows[chunk, j + 2, i] * weight[i]
            s3 += rows[chunk, j + 3, i] * weight[i]
        out[j] += s0
        out[j + 1] += s1
        out[j + 2] += s2
        out[j + 3] += s3
    for j in range(in_fours, p):
        s0 = 0.0
        for i in range(size):
            s0 += rows[chunk, j, i] * weight[i]
        out[j] += s0


@kernel
def _two_margins(rows, chunk, z, v, out_z, out_v):
    """``_margins`` with z and with v."""
    p, size = rows.shape[1], rows.shape[2]
    in_fours = p - p % 4
    for i in range(size):
        out_z[i] = out_v[i] = 0.0
    for j in range(0, in_fours, 4):
        z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
        v0, v1, v2, v3 = v[j], v[j + 1], v[j + 2], v[j + 3]
        for i in range(size):
            a0, a1 = rows[chunk, j, i], rows[chunk, j + 1, i]
            a2, a3 = rows[chunk, j + 2, i], rows[chunk, j + 3, i]
            out_z[i] += a0 * z0 + a1 * z1 + a2 * z2 + a3 * z3
            out_v[i] += a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3
    for j in range(in_fours, p):
        z0, v0 = z[j], v[j]
        for i in range(size):
            out_z[i] += rows[chunk, j, i] * z0
            out_v[i] += rows[chunk, j, i] * v0


@kernel
def _add_two_combinations(rows, chunk, weight_1, weight_2, out_1, out_2):
    """``_add_combination`` with two vectors of weights."""
    p, size = rows.shape[1], rows.shape[2]
    in_twos = p - p % 2
    for j in range(0, in_twos, 2):
        s0 = s1 = t0 = t1 = 0.0
        for i in range(size):
            a0, a1 = rows[chunk, j, i], rows[chunk, j + 1, i]
            s0 += a0 * weight_1[i]
            s1 += a1 * weight_1[i]
            t0 += a0 * weight_2[i]
            t1 += a1 * weight_2[i]
        out_1[j] += s0
        out_1[j + 1] += s1
        out_2[j] += t0
        out_2[j + 1] += t1
    for j in range(in_twos, p):
        s0 = t0 = 0.0
        for i in range(size):
            s0 += rows[chunk, j, i] * weight_1[i]
            t0 += rows[chunk, j, i] * weight_2[i]
        out_1[j] += s0
        out_2[j] += t0


# Each loop over exp is a function of its own: LLVM then inlines exp into it,
# and vectorises it, which it does not in a larger function.
@kernel
def _gradient_weights(margin, scale):
    """margin = -scale sigma(-margin): weights of samples in a gradient."""
    for i in range(margin.size):
        margin[i] = -scale / (1.0 + exp(margin[i]))


@kernel
def _hessian_weights(margin, weight, scale):
    """weight *= scale sigma'(margin); margin as ``_gradient_weights``."""
    for i in range(margin.size):
        s = 1.0 / (1.0 + exp(margin[i]))
        weight[i] *= scale * s * (1.0 - s)
        margin[i] = -scale * s


@kernel
def set_penalties(f, x):
    """Scratch f.r = r(x), in a loop without branches."""
    if f.penalty == 1:
        exp_all(x, f.r)
    elif f.penalty == 2:
        for k in range(x.size):
            f.r[k] = x[k]
    elif f.penalty > 2:
        r = exp(x[0]) if f.penalty == 3 else x[0]
        for k in range(f.r.size):
            f.r[k] = r
    else:
        for k in range(f.r.size):
            f.r[k] = 0.0


@kernel
def set_product(a, b, out):
    """out = a * b, entry by entry."""
    for k in range(out.size):
        out[k] = a[k] * b[k]


@kernel
def set_cross(f, z, v, out):
    """Cross derivative times v, after ``set_penalties``."""
    if f.penalty == 2:  # r' = 1
        set_product(z, v, out)
    elif f.penalty > 2:  # The sum over features.
        total = 0.0
        for k in range(z.size):
            total += z[k] * v[k]
        out[0] = total * f.r[0] if f.penalty == 3 else total
    else:  # r' = r
        for k in range(out.size):
            out[k] = f.r[k] * z[k] * v[k]


# Oracles that touch no sample, or only through others: they serve every
# layout of the samples.
@kernel
def grad_x(f, batch, z, x, out):
    """The oracle ``grad_x``."""
    set_penalties(f, x)
    set_cross(f, z, z, out)
    for k in range(out.size):
        out[k] *= 0.5
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def cross(f, batch, z, x, v, out):
    """The oracle ``cross``."""
    set_penalties(f, x)
    set_cross(f, z, v, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def project(f, x):
    """The oracle ``project``: x >= 0 for the linear parametrization."""
    if f.penalty == 2 or f.penalty == 4:
        for k in range(x.size):
            x[k] = max(x[k], 0.0)


@kernel
def penalty_value(f, z, x):
    """1/2 sum_k r(x_k) z_k^2."""
    set_penalties(f, x)
    total = 0.0
    for k in range(z.size):
        total += f.r[k] * z[k] ** 2
    return 0.5 * total


@kernel
def _value(f, batch, z, x):
    total = 0.0
    first, last = first_chunk(f, batch), last_chunk(f, batch)
    for chunk in range(first, last):
        _margins(f.rows, chunk, z, f.margin)
        for i in range(f.margin.size):
            u = f.margin[i]
            total += np.log1p(exp(-abs(u))) - min(u, 0.0)
    # Each sample of zeros that fills up a chunk has added log 2.
    n_zeros = (last - first) * f.margin.size - batch_size_of(f, batch)
    total -= n_zeros * np.log(2.0)
    return total * batch_weight(f, batch) + penalty_value(f, z, x)


@kernel
def _grad_z(f, batch, z, x, out):
    scale = batch_weight(f, batch)
    set_penalties(f, x)
    set_product(f.r, z, out)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _margins(f.rows, chunk, z, f.margin)
        _gradient_weights(f.margin, scale)
        _add_combination(f.rows, chunk, f.margin, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    scale = batch_weight(f, batch)
    set_penalties(f, x)
    set_product(f.r, v, out)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _two_margins(f.rows, chunk, z, v, f.margin, f.weight)
        _hessian_weights(f.margin, f.weight, scale)
        _add_combination(f.rows, chunk, f.weight, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _grad_z(f, batch, z, x, out_z)
    grad_x(f, batch, z, x, out_x)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    scale = batch_weight(f, batch)
    set_penalties(f, x)
    set_product(f.r, z, out_grad)
    set_product(f.r, v, out_hvp)
    set_cross(f, z, v, out_cross)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _two_margins(f.rows, chunk, z, v, f.margin, f.weight)
        _hessian_weights(f.margin, f.weight, scale)
        _add_two_combinations(
            f.rows, chunk, f.margin, f.weight, out_grad, out_hvp)
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


oracles.register(
    LogisticBatches, value=_value, grad_z=_grad_z, grad_x=grad_x, hvp=_hvp,
    cross=cross, gradients=_gradients, directions=_directions,
    project=project,
)
