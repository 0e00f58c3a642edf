"""Multinomial logistic regression, with penalties or weights of samples."""

import numpy as np
from scipy.special import expit, logsumexp, softmax

from benchmark_utils import checks
from benchmark_utils.functions.batches import (
    resolve_batch_size,
)
from benchmark_utils.functions.chunks import in_chunks
from benchmark_utils.functions.multinomial_kernels import MultinomialBatches
from benchmark_utils.functions.oracles import bind

# Samples are laid out in chunks that stay in the second-level cache while
# they are read once for each pair of classes.
_MAX_CHUNK = 64

OUTER_VARIABLES = ("weights", "class", "feature", "scalar")
_CODES = {None: 0, "weights": 1, "class": 2, "feature": 3, "scalar": 4}


class MultinomialLogistic:
    """Average multinomial logistic loss, and what x is to it.

    With z of shape (n_classes, n_features), flattened by rows, and the loss
    l_i(z) = log sum_k exp(<z_k, d_i>) - <z_{y_i}, d_i> of a sample d_i,

    f(z, x) = (1/n) sum_i w_i l_i(z) + 1/2 sum_kj (C + r_kj) z_kj^2

    where, depending on ``outer``,

    - "weights": w_i = sigma(x_i), r = 0; x has one entry a sample (L.
      Franceschi et al., "Forward and reverse gradient-based hyperparameter
      optimization", ICML 2017, section 5.1, in the form of M. Dagréou et
      al., NeurIPS 2022, section 4.2);
    - "class", "feature", "scalar": w = 1 and r_kj = e^{x_k}, e^{x_j}, e^x
      (F. Pedregosa, ICML 2016);
    - None: w = 1, r = 0, and f does not depend on x.

    The NumPy methods work on all samples, in float64, independently of the
    compiled kernels: they are what the metrics are computed from.

    Parameters
    ----------
    X : array of float64, shape (n_samples, n_features)
    y : array of int64, shape (n_samples,)
        Classes, from 0 to n_classes - 1.
    n_classes : int
        At least 2.
    outer : {"weights", "class", "feature", "scalar", None}
    ridge : float, >= 0
        C.
    outer_dim : int, optional
        Dimension d of x where ``outer`` is None; 1 without it.
    name : str
        What the errors call the data.

    Attributes
    ----------
    X : array of float64, shape (n_samples, n_features)
    y : array of int64, shape (n_samples,)
        As they were given.

    Raises
    ------
    ValueError
        If the data is not finite, a label is not a class, or a parameter is
        not allowed; it names which.
    """

    def __init__(self, X, y, n_classes, outer=None, ridge=0.0,
                 outer_dim=None, name="data"):
        if outer is not None:
            checks.one_of(*OUTER_VARIABLES)("outer", outer)
        checks.non_negative("ridge", ridge)
        X, y = checks.labelled_samples(name, X, y, n_classes)
        self.X, self.y = np.ascontiguousarray(X), y
        self.n_classes, self.outer, self.ridge = n_classes, outer, float(ridge)
        self.n_samples, self.n_features = X.shape
        self.inner_dim = n_classes * self.n_features
        self.outer_dim = {
            None: outer_dim or 1, "weights": self.n_samples,
            "class": n_classes, "feature": self.n_features, "scalar": 1,
        }[outer]

    def _weights(self, x):
        return expit(x) if self.outer == "weights" else 1.0

    def _penalties(self, x):
        """C + r, of a shape that broadcasts to (n_classes, n_features)."""
        # Beyond 700 the penalty already holds z at 0 to the last bit.
        if self.outer in (None, "weights"):
            return np.full((1, 1), self.ridge)
        r = np.exp(np.minimum(x, 700.0)) + self.ridge
        return r[:, None] if self.outer == "class" else r[None, :]

    def _scores(self, z):
        return self.X @ z.reshape(self.n_classes, -1).T

    def _losses(self, scores):
        """Loss of each sample, shape (n_samples,)."""
        own = scores[np.arange(self.n_samples), self.y]
        return logsumexp(scores, axis=1) - own

    def _residuals(self, scores):
        """Derivatives of the losses in the scores, shape as scores."""
        residuals = softmax(scores, axis=1)
        residuals[np.arange(self.n_samples), self.y] -= 1.0
        return residuals

    def value(self, z, x):
        """Value f(z, x)."""
        losses = self._losses(self._scores(z))
        z = z.reshape(self.n_classes, -1)
        return (np.mean(self._weights(x) * losses)
                + 0.5 * np.sum(self._penalties(x) * z**2))

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        residuals = self._residuals(self._scores(z))
        residuals *= np.reshape(self._weights(x), (-1, 1)) / self.n_samples
        penalty = self._penalties(x) * z.reshape(self.n_classes, -1)
        return (residuals.T @ self.X + penalty).ravel()

    def hvp(self, z, x, v):
        """Hessian in z times v, shape (p,)."""
        return self.hessian_operator(z, x)(v)

    def hessian_operator(self, z, x):
        """The function v -> Hessian in z times v, for many v."""
        probabilities = softmax(self._scores(z), axis=1)
        weights = np.reshape(self._weights(x), (-1, 1)) / self.n_samples

        def product(v):
            a = self._scores(v)
            a -= np.sum(probabilities * a, axis=1, keepdims=True)
            a *= probabilities
            a *= weights
            penalty = self._penalties(x) * v.reshape(self.n_classes, -1)
            return (a.T @ self.X + penalty).ravel()

        return product

    def hessian_diagonal(self, z, x):
        """Diagonal of the Hessian in z, but for averages, shape (p,).

        The average over samples of a product is taken for the product of the
        averages of class weights and of squared features: it is for
        preconditioning, and needs no second matrix of the size of the data.
        """
        probabilities = softmax(self._scores(z), axis=1)
        weights = np.reshape(self._weights(x), (-1, 1)) / self.n_samples
        classes = np.sum(weights * probabilities * (1 - probabilities), axis=0)
        squares = np.einsum("ij,ij->j", self.X, self.X) / self.n_samples
        return (np.outer(classes, squares) + self._penalties(x)).ravel()

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z, of shape (p,) and (p, p)."""
        K, p = self.n_classes, self.n_features
        probabilities = softmax(self._scores(z), axis=1)
        weights = np.broadcast_to(self._weights(x), self.n_samples)
        # The Hessian of a loss is (diag(s) - s s') (x) d d': K products for
        # the first part, and one with the n rows s (x) d for the second.
        hessian = np.zeros((K * p, K * p))
        blocks = hessian.reshape(K, p, K, p)
        for start in range(0, self.n_samples, 1024):
            rows = slice(start, start + 1024)
            X, s, w = self.X[rows], probabilities[rows], weights[rows, None]
            products = ((np.sqrt(w) * s)[:, :, None] * X[:, None, :]).reshape(
                len(X), K * p)
            hessian -= products.T @ products
            for k in range(K):
                blocks[k, :, k] += (X * (w * s[:, k:k + 1])).T @ X
        hessian /= self.n_samples
        penalties = np.broadcast_to(self._penalties(x), (K, p))
        hessian[np.diag_indices_from(hessian)] += penalties.ravel()
        return self.grad_z(z, x), hessian

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        if self.outer == "weights":
            losses = self._losses(self._scores(z))
            return expit(x) * expit(-x) * losses / self.n_samples
        return 0.5 * self._penalty_derivative(z, z, x)

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        if self.outer == "weights":
            residuals = self._residuals(self._scores(z))
            slopes = np.sum(residuals * self._scores(v), axis=1)
            return expit(x) * expit(-x) * slopes / self.n_samples
        return self._penalty_derivative(z, v, x)

    def _penalty_derivative(self, z, v, x):
        """Derivative in x of sum_kj r_kj z_kj v_kj, shape (d,)."""
        if self.outer is None:
            return np.zeros(self.outer_dim)
        product = (z * v).reshape(self.n_classes, -1)
        r = np.exp(np.minimum(x, 700.0))
        if self.outer == "class":
            return r * product.sum(1)
        if self.outer == "feature":
            return r * product.sum(0)
        return r * product.sum()

    def project(self, x):
        """Nearest feasible x: all x are feasible."""
        return x

    def error(self, z):
        """Share of samples whose largest score is not that of their class."""
        return np.mean(self._scores(z).argmax(1) != self.y)

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
        n = self.n_samples
        batch_size = resolve_batch_size(batch_size, n)
        order = np.arange(n) if order is None else np.asarray(order)
        rows, per_batch = in_chunks(self.X[order], batch_size, _MAX_CHUNK)
        # Those that fill up are 0, and become -1.
        labels, _ = in_chunks(
            self.y[order, None] + 1.0, batch_size, _MAX_CHUNK)
        chunk_size = rows.shape[2]
        return bind(MultinomialBatches(
            rows, labels[:, 0].astype(np.int64) - 1, order, n, batch_size,
            -(-n // batch_size), per_batch, self.n_classes,
            _CODES[self.outer], self.ridge,
            *(np.zeros((self.n_classes, chunk_size)) for _ in range(2)),
            *(np.zeros(chunk_size) for _ in range(6)),
            np.zeros(self.outer_dim), np.zeros(self.inner_dim),
            np.zeros(1, np.int64),
        ))
