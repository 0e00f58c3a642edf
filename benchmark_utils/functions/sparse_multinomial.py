"""Multinomial logistic regression on sparse data, which stays sparse."""

import numpy as np
from scipy import sparse
from scipy.special import softmax

from benchmark_utils import checks
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.functions.multinomial_kernels import (
    multinomial_batches,
)
from benchmark_utils.functions.multinomial_layout import sparse_entries

# Samples that are dense for a moment, where a Hessian is formed.
_PIECE = 1024


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

    def _combination(self, coefficients):
        """Sums of samples, each class with its coefficients, flattened."""
        sums = (self.X.T @ coefficients).T
        return (sums + np.outer(
            coefficients.sum(axis=0), self.offset)).ravel()

    def _penalised(self, z, x):
        return (self._penalties(x) * z.reshape(self.n_classes, -1)).ravel()

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        residuals = self._residuals(self._scores(z))
        residuals *= np.reshape(self._weights(x), (-1, 1)) / self.n_samples
        return self._combination(residuals) + self._penalised(z, x)

    def hessian_operator(self, z, x):
        """The function v -> Hessian in z times v, for many v."""
        probabilities = softmax(self._scores(z), axis=1)
        weights = np.reshape(self._weights(x), (-1, 1)) / self.n_samples

        def product(v):
            a = self._scores(v)
            a -= np.sum(probabilities * a, axis=1, keepdims=True)
            a *= probabilities
            a *= weights
            return self._combination(a) + self._penalised(v, x)

        return product

    @property
    def _squares(self):
        """Average square of each feature."""
        n, mean = self.n_samples, self.X.mean(axis=0)
        return ((self.X**2).sum(axis=0) / n + 2 * mean * self.offset
                + self.offset**2)

    def hessian_diagonal(self, z, x):
        """As in ``MultinomialLogistic``."""
        probabilities = softmax(self._scores(z), axis=1)
        weights = np.reshape(self._weights(x), (-1, 1)) / self.n_samples
        classes = np.sum(weights * probabilities * (1 - probabilities), axis=0)
        return (np.outer(classes, self._squares) + self._penalties(x)).ravel()

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z; the Hessian is dense."""
        K, p = self.n_classes, self.n_features
        weights = np.reshape(self._weights(x), (-1, 1)) * np.ones(
            (self.n_samples, 1))
        s = softmax(self._scores(z), axis=1)
        hessian = np.zeros((K, p, K, p))
        for start in range(0, self.n_samples, _PIECE):
            rows = slice(start, start + _PIECE)
            X = self.X[rows].toarray() + self.offset
            for k in range(K):
                for m in range(k + 1):
                    w = -s[rows, k] * s[rows, m]
                    if m == k:
                        w += s[rows, k]
                    w = (w[:, None] * weights[rows]) / self.n_samples
                    hessian[k, :, m] += (X * w).T @ X
        for k in range(K):
            for m in range(k):
                hessian[m, :, k] = hessian[k, :, m]
        hessian = hessian.reshape(K * p, K * p)
        penalties = np.broadcast_to(self._penalties(x), (K, p))
        hessian[np.diag_indices_from(hessian)] += penalties.ravel()
        return self.grad_z(z, x), hessian

    def batches(self, batch_size, order=None):
        """As in ``MultinomialLogistic``."""
        return multinomial_batches(
            lambda chunks, order: sparse_entries(
                self.X, chunks, order, self.offset),
            self, batch_size, order)
