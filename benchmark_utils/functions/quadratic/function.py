"""Averages of quadratic functions, one set of coefficients a sample."""

import numpy as np

from benchmark_utils.functions.batches import in_order, resolve_batch_size
from benchmark_utils.functions.oracles import bind
from benchmark_utils.functions.quadratic.kernels import QuadraticBatches


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

    Attributes
    ----------
    A, B, C, a, b : array of float64
        The coefficients as they were given.
    mean_A, mean_B, mean_C, mean_a, mean_b : array of float64
        Their averages over the samples.

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

    def batches(self, batch_size, order=None):
        """Cut into mini-batches for the compiled oracles.

        Parameters
        ----------
        batch_size : int or "full"
        order : array of int, shape (n_samples,), optional
            Samples in the order in which they fill the batches; as they are
            stored without it.

        Returns
        -------
        Function
        """
        n, d, p = self.C.shape
        batch_size = resolve_batch_size(batch_size, n)
        return bind(QuadraticBatches(
            *(np.ascontiguousarray(
                in_order(coefficient, order).reshape(n, -1), dtype=float)
              for coefficient in (self.A, self.B, self.C, self.a, self.b)),
            n, batch_size, -(-n // batch_size),
            np.zeros(p * p), np.zeros(d * d), np.zeros(d * p),
            np.zeros(p), np.zeros(d), np.zeros(p), np.zeros(d),
            np.zeros(1, np.int64),
        ))


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
