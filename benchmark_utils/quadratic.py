"""Averages of quadratic functions, one set of coefficients a sample."""
from typing import NamedTuple

import numpy as np

from benchmark_utils import oracles
from benchmark_utils.batches import (
    batch_size_of,
    batch_weight,
    resolve_batch_size,
)
from benchmark_utils.compiled import kernel


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


class Quadratic:
    """Average of n quadratic functions of (z, x).

    f_i(z, x) = 1/2 z'A_i z + 1/2 x'B_i x + x'C_i z + a_i'z + b_i'x

    Parameters
    ----------
    A : array of float64, shape (n, p, p)
        Symmetric matrices, as are those of B.
    B : array of float64, shape (n, d, d)
    C : array of float64, shape (n, d, p)
    a : array of float64, shape (n, p)
    b : array of float64, shape (n, d)

    Raises
    ------
    ValueError
        If a coefficient is not finite or shapes do not agree.
    """

    def __init__(self, A, B, C, a, b):
        n, d, p = C.shape
        expected = {"A": (n, p, p), "B": (n, d, d), "a": (n, p), "b": (n, d)}
        for name, array in {"A": A, "B": B, "C": C, "a": a, "b": b}.items():
            if name in expected and array.shape != expected[name]:
                raise ValueError(
                    f"{name} of shape {array.shape} is not valid: "
                    f"{expected[name]} is needed with C of shape {C.shape}"
                )
            if not np.all(np.isfinite(array)):
                raise ValueError(f"{name} has NaN or infinite entries")
        self.A, self.B, self.C, self.a, self.b = A, B, C, a, b
        self.n_samples, self.outer_dim, self.inner_dim = n, d, p
        # The averages over all samples: what the metrics are computed from.
        self.mean_A, self.mean_B, self.mean_C = A.mean(0), B.mean(0), C.mean(0)
        self.mean_a, self.mean_b = a.mean(0), b.mean(0)

    def value(self, z, x):
        """Value f(z, x)."""
        return (z @ (0.5 * self.mean_A @ z + self.mean_a)
                + x @ (0.5 * self.mean_B @ x + self.mean_C @ z + self.mean_b))

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        return self.mean_A @ z + x @ self.mean_C + self.mean_a

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        return self.mean_B @ x + self.mean_C @ z + self.mean_b

    def hessian(self, z, x):
        """Hessian in z, shape (p, p)."""
        return self.mean_A

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z."""
        return self.grad_z(z, x), self.mean_A

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        return self.mean_C @ v

    def project(self, x):
        """Nearest feasible x: all x are feasible."""
        return x

    def batches(self, batch_size):
        """Cut into mini-batches of ``batch_size`` samples, or "full"."""
        n, d, p = self.C.shape
        batch_size = resolve_batch_size(batch_size, n)
        return QuadraticBatches(
            *(np.ascontiguousarray(coefficient.reshape(n, -1), dtype=float)
              for coefficient in (self.A, self.B, self.C, self.a, self.b)),
            n, batch_size, -(-n // batch_size),
            np.zeros(p * p), np.zeros(d * d), np.zeros(d * p),
            np.zeros(p), np.zeros(d), np.zeros(p), np.zeros(d),
            np.zeros(1, np.int64),
        )


def minimise_quadratic(inner, outer):
    """Minimise h where G and F are quadratic and jointly convex.

    z*(x) = J x + z_0 is affine, so that h is a convex quadratic function of
    x alone, and the gradient of h vanishes where a linear system holds.

    Parameters
    ----------
    inner, outer : Quadratic

    Returns
    -------
    x : array of float64, shape (d,)
        The minimiser of h.
    h_min : float
    """
    J = -np.linalg.solve(inner.mean_A, inner.mean_C.T)
    z_0 = -np.linalg.solve(inner.mean_A, inner.mean_a)
    hessian = (J.T @ outer.mean_A @ J + outer.mean_C @ J
               + J.T @ outer.mean_C.T + outer.mean_B)
    gradient_at_zero = (J.T @ outer.grad_z(z_0, np.zeros(outer.outer_dim))
                        + outer.grad_x(z_0, np.zeros(outer.outer_dim)))
    x = -np.linalg.solve(hessian, gradient_at_zero)
    return x, outer.value(J @ x + z_0, x)


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
