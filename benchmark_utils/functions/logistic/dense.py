"""Logistic regression with one ridge penalty per feature, or one in all."""

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.special import expit

from benchmark_utils import checks
from benchmark_utils.functions.batches import in_order, resolve_batch_size
from benchmark_utils.functions.chunks import in_chunks
from benchmark_utils.functions.expansion import Expansion
from benchmark_utils.functions.logistic.dense_kernels import LogisticBatches
from benchmark_utils.functions.oracles import bind

# Samples are laid out in chunks that stay in the first-level cache while
# they are read twice: 128 samples of 22 features are 22 KiB.
_MAX_CHUNK = 128

REG_PARAMETRIZATIONS = ("exponential", "linear")
PENALTIES = ("feature", "scalar")
# Parametrization, and whether there is one penalty for all features.
_PENALTY_CODES = {
    (None, False): 0, (None, True): 0,
    ("exponential", False): 1, ("linear", False): 2,
    ("exponential", True): 3, ("linear", True): 4,
}


class LogisticRegression:
    """Average logistic loss plus a ridge penalty for each feature, or one.

    f(z, x) = (1/n) sum_i log(1 + exp(-y_i <x_i, z>)) + 1/2 sum_k r(x_k) z_k^2

    with r(x) = e^x (exponential), r(x) = x on x >= 0 (linear), or r = 0. With
    a scalar penalty, x has one entry, which stands for all x_k. The methods
    work on all samples, in NumPy and float64, independently of the compiled
    kernels: they are what the metrics are computed from.

    Parameters
    ----------
    X : array of float64, shape (n_samples, n_features)
    y : array, shape (n_samples,)
        Two classes.
    reg_parametrization : {"exponential", "linear", None}
    penalty : {"feature", "scalar"}
        Whether x has one entry a feature, or one in all.
    name : str
        What the errors call the data.

    Attributes
    ----------
    X : array of float64, shape (n_samples, n_features)
        The features as they were given. What is kept are ``rows``, the
        samples y_i x_i: X is made anew each time that it is asked for.
    y : array of float64, shape (n_samples,)
        Values -1 and 1; the larger label is 1.

    Raises
    ------
    ValueError
        If the data is not finite, has not two classes, or the
        parametrization or the penalty is unknown.
    """

    # In z, for all feasible x: the metrics need not look.
    convex = True

    def __init__(self, X, y, reg_parametrization=None, name="data",
                 penalty="feature"):
        checks.one_of(*PENALTIES)("penalty", penalty)
        if reg_parametrization is not None:
            checks.one_of(*REG_PARAMETRIZATIONS)(
                "reg_parametrization", reg_parametrization)
        X, self.y = checks.samples(name, X, y)
        self.rows = self._signed(X, self.y)
        self.n_samples, self.inner_dim = X.shape
        self.scalar = penalty == "scalar"
        self.penalty_code = _PENALTY_CODES[reg_parametrization, self.scalar]
        self.outer_dim = 1 if self.scalar else self.inner_dim
        self.reg_parametrization = reg_parametrization

    def _signed(self, X, y):
        """Samples y_i x_i, as rows."""
        return np.ascontiguousarray(X) * y[:, None]

    @property
    def X(self):
        return self._signed(self.rows, self.y)

    def _penalty(self, x):
        """Values r(x_k) and derivatives r'(x_k), each of shape (p,)."""
        if self.scalar:
            x = np.repeat(x, self.inner_dim)
        if self.reg_parametrization == "exponential":
            # Beyond 700 the penalty already holds z_k at 0 to the last bit;
            # below -600 it has no effect but where nothing else acts.
            r = np.exp(np.clip(x, -600.0, 700.0))
            return r, r
        if self.reg_parametrization == "linear":
            return x, np.ones_like(x)
        return np.zeros_like(x), np.zeros_like(x)

    def _per_penalty(self, derivatives):
        """Derivatives in the x_k, shape (p,), as those in x, shape (d,)."""
        return derivatives.sum(keepdims=True) if self.scalar else derivatives

    def penalties(self, x):
        """The penalty r(x_k) of each entry of z, shape (p,)."""
        return self._penalty(x)[0]

    def value(self, z, x):
        """Value f(z, x)."""
        return self._value(self.rows @ z, z, x)

    def _value(self, margin, z, x):
        # log(1 + e^-u) without overflow, and faster than logaddexp.
        loss = np.log1p(np.exp(-np.abs(margin))) - np.minimum(margin, 0.0)
        return loss.mean() + 0.5 * self._penalty(x)[0] @ z**2

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        residual = expit(-(self.rows @ z))
        return (-(residual @ self.rows) / self.n_samples
                + self._penalty(x)[0] * z)

    def hvp(self, z, x, v):
        """Hessian in z times v, shape (p,)."""
        return self.hessian_operator(z, x)(v)

    def hessian_operator(self, z, x):
        """The function v -> Hessian in z times v, for many v."""
        return self.expand(z, x).product

    def expand(self, z, x, rough=False):
        """Value, gradient and products with the Hessian, at a point.

        Parameters
        ----------
        rough : bool
            Whether single precision will do for value and gradient.

        Returns
        -------
        Expansion
        """
        rows = self._single if rough else self.rows
        # Without a product where z = 0.
        margin = np.zeros(self.n_samples) if not np.any(z) else (
            rows @ z.astype(rows.dtype)).astype(float)
        residual = expit(-margin)
        weight = residual * (1.0 - residual) / self.n_samples
        weight_32 = weight.astype(np.float32)
        r = self._penalty(x)[0]

        def product(v):
            return (weight * (self.rows @ v)) @ self.rows + r * v

        def rough_product(v):
            # Double precision reaches farther than single precision.
            scale = np.max(np.abs(v)) or 1.0
            along = self._single @ (v / scale).astype(np.float32)
            return scale * ((weight_32 * along) @ self._single) + r * v

        gradient = r * z - (
            residual.astype(rows.dtype) @ rows) / self.n_samples
        return Expansion(
            self._value(margin, z, x), gradient, product, rough_product,
            lambda: weight @ self._squares + r, None)

    def hessian_diagonal(self, z, x):
        """Diagonal of the Hessian in z, shape (p,)."""
        return self.expand(z, x).diagonal()

    def hessian_block(self, z, x, features):
        """Hessian in z of some features alone, shape (k, k)."""
        residual = expit(-(self.rows @ z))
        weight = residual * (1.0 - residual) / self.n_samples
        rows = self.rows[:, features]
        block = rows.T @ (rows * weight[:, None])
        block = block.toarray() if sparse.issparse(block) else block
        block[np.diag_indices_from(block)] += self._penalty(x)[0][features]
        return block

    @cached_property
    def second_moments(self):
        """Average square of each feature, shape (p,)."""
        return np.full(self.n_samples, 1 / self.n_samples) @ self._squares

    @cached_property
    def _single(self):
        """The rows in single precision."""
        return self.rows.astype(np.float32)

    @cached_property
    def _squares(self):
        """Squares of the entries of the rows."""
        return self.rows**2

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        return self._per_penalty(0.5 * self._penalty(x)[1] * z**2)

    def hessian(self, z, x):
        """Hessian in z, shape (p, p)."""
        return self.grad_hessian(z, x)[1]

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z, sharing one pass over the samples."""
        gradient = np.zeros(self.inner_dim)
        hessian = np.zeros((self.inner_dim, self.inner_dim))
        for start in range(0, self.n_samples, 4096):
            # Pieces that stay in the cache between the three products.
            rows = self.rows[start:start + 4096]
            residual = expit(-(rows @ z))
            gradient -= residual @ rows
            weight = residual * (1.0 - residual)
            hessian += (rows * weight[:, None]).T @ rows
        r = self._penalty(x)[0]
        gradient = gradient / self.n_samples + r * z
        hessian /= self.n_samples
        hessian[np.diag_indices_from(hessian)] += r
        return gradient, hessian

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        return self._per_penalty(self._penalty(x)[1] * z * v)

    def project(self, x):
        """Nearest feasible x: x >= 0 for the linear parametrization."""
        if self.reg_parametrization == "linear":
            return np.maximum(x, 0.0)
        return x

    def error(self, z):
        """Share of samples on the wrong side of <x, z> = 0, or on it."""
        return np.mean(self.rows @ z <= 0)

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
        n, p = self.rows.shape
        batch_size = resolve_batch_size(batch_size, n)
        rows, per_batch = in_chunks(
            in_order(self.rows, order), batch_size, _MAX_CHUNK)
        chunk_size = rows.shape[2]
        return bind(LogisticBatches(
            rows, n, batch_size, -(-n // batch_size), per_batch,
            self.penalty_code,
            np.zeros(chunk_size), np.zeros(chunk_size), np.zeros(p),
            np.zeros(1, np.int64),
        ))
