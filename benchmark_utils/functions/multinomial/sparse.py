"""Multinomial logistic regression on sparse data, which stays sparse."""

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.special import expit

from benchmark_utils import checks
from benchmark_utils.functions.multinomial.dense import MultinomialLogistic
from benchmark_utils.functions.multinomial.kernels import multinomial_batches
from benchmark_utils.functions.multinomial.layout import sparse_entries
from benchmark_utils.functions.multinomial.losses import (
    PIECE,
    hessian_of_losses,
    softmax,
)


class SparseMultinomialLogistic(MultinomialLogistic):
    """``MultinomialLogistic`` on a sparse matrix: same function and methods.

    A sample d_i is a row of the matrix plus an offset that all samples have:
    features can be centred, and the matrix stays sparse. An oracle costs
    O(n_classes (non-zeros of the batch + n_features)): z, its penalty and the
    offset are dense.

    Parameters
    ----------
    X : sparse matrix or array, shape (n_samples, n_features)
    y, n_classes, outer, ridge, outer_dim, name
        As in ``MultinomialLogistic``, as are the errors raised.
    offset : array of float64, shape (n_features,), optional
        0 without it.

    Attributes
    ----------
    X : CSR array of float64, shape (n_samples, n_features)
        Without the offset.
    """

    def __init__(self, X, y, n_classes, outer=None, ridge=0.0,
                 outer_dim=None, name="data", offset=None):
        X, y = checks.labelled_samples(name, X, y, n_classes)
        X = sparse.csr_array(X, copy=True)
        X.sum_duplicates()
        super().__init__(X, y, n_classes, outer, ridge, outer_dim, name)
        self.X = X
        self.offset = np.zeros(self.n_features)
        if offset is not None:
            self.offset[:] = checks.finite_numbers(
                f"{name} offset", offset, (self.n_features,))

    def _scores(self, z):
        Z = z.reshape(self.n_classes, -1)
        return self.X @ np.ascontiguousarray(Z.T) + Z @ self.offset

    def _combine(self, v, change, rough=False):
        X = self._single if rough else self.X
        V = np.ascontiguousarray(
            v.reshape(self.n_classes, -1).T, dtype=X.dtype)
        offset = self.offset.astype(X.dtype)
        scores = np.zeros((self.n_samples, self.n_classes), X.dtype)
        if np.any(V):
            scores += X @ V
            scores += offset @ V
        coefficients = change(slice(None), scores)
        sums = X.T @ coefficients
        sums += np.outer(offset, coefficients.sum(axis=0))
        return sums.T.astype(float)

    @cached_property
    def _single(self):
        return self.X.astype(np.float32)

    @cached_property
    def _squares(self):
        n, mean = self.n_samples, self.X.mean(axis=0)
        return ((self.X**2).sum(axis=0) / n + 2 * mean * self.offset
                + self.offset**2)

    # No directions stand out of sparse features: the preconditioner is a
    # diagonal, and there is no coarse problem.
    _turns = False

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z; the Hessian is dense."""
        weights = self._weights(x)
        _, s = softmax(self._scores(z), self.y)
        hessian = np.diag(self.penalties(x))
        # Few samples are dense at a time.
        for start in range(0, self.n_samples, PIECE):
            rows = slice(start, start + PIECE)
            hessian += hessian_of_losses(
                self.X[rows].toarray() + self.offset, s[rows], weights[rows])
        return self.grad_z(z, x), hessian

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        if self.outer != "weights":
            return super().cross(z, x, v)
        _, s = softmax(self._scores(z), self.y)
        s[np.arange(self.n_samples), self.y] -= 1.0
        slopes = np.einsum("ij,ij->i", s, self._scores(v))
        return expit(x) * expit(-x) * slopes / self.n_samples

    def batches(self, batch_size, order=None):
        """As in ``MultinomialLogistic``."""
        return multinomial_batches(
            lambda chunks, order: sparse_entries(
                self.X, chunks, order, self.offset),
            self, batch_size, order)
