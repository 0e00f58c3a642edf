"""Multinomial logistic regression, with penalties or weights of samples."""

from copy import copy
from functools import cache, cached_property, partial

import numpy as np
from scipy.special import expit

from benchmark_utils import checks
from benchmark_utils.functions.expansion import Coarse, Expansion
from benchmark_utils.functions.multinomial.kernels import multinomial_batches
from benchmark_utils.functions.multinomial.layout import dense_entries
from benchmark_utils.functions.multinomial.losses import (
    PIECE,
    hessian_diagonal,
    hessian_of_losses,
    softmax,
)
from benchmark_utils.functions.multinomial.principal import (
    MAX_BLOCK,
    MIN_DIRECTIONS,
    Principal,
)

OUTER_VARIABLES = ("weights", "class", "feature", "scalar")


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

    # In z, for all feasible x: the metrics need not look.
    convex = True

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
        """Weights w_i / n of the losses, shape (n, 1), as precise as X."""
        weights = expit(x) if self.outer == "weights" else np.ones(
            self.n_samples)
        return (weights[:, None] / self.n_samples).astype(self.X.dtype)

    def _penalties(self, x):
        """C + r, of a shape that broadcasts to (n_classes, n_features)."""
        # Beyond 700 the penalty already holds z at 0 to the last bit; below
        # -600 it has no effect but where nothing else acts.
        if self.outer in (None, "weights"):
            return np.full((1, 1), self.ridge)
        r = np.exp(np.clip(x, -600.0, 700.0)) + self.ridge
        return r[:, None] if self.outer == "class" else r[None, :]

    def penalties(self, x):
        """The penalty C + r_kj of each entry of z, shape (p,)."""
        return np.broadcast_to(
            self._penalties(x), (self.n_classes, self.n_features)).ravel()

    def _scores(self, z):
        return self.X @ z.reshape(self.n_classes, -1).T

    def value(self, z, x):
        """Value f(z, x)."""
        losses, _ = softmax(self._scores(z), self.y)
        return losses @ self._weights(x)[:, 0] + self._penalty(z, x)

    def _penalty(self, z, x):
        Z = z.reshape(self.n_classes, -1)
        return 0.5 * np.sum(self._penalties(x) * Z**2)

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        return self.expand(z, x).gradient

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
        K, y = self.n_classes, self.y
        weights, penalties = self._weights(x), self._penalties(x)
        losses = np.empty(self.n_samples)
        probabilities = np.empty((self.n_samples, K), self.X.dtype)

        def residuals(rows, scores):
            losses[rows], s = softmax(scores, y[rows])
            probabilities[rows] = s
            s[np.arange(len(s)), y[rows]] -= 1.0
            s *= weights[rows]
            return s

        @cache
        def curvatures(dtype):
            s, w = (a.astype(dtype, copy=False)
                    for a in (probabilities, weights))

            def along(rows, scores):
                scores -= np.einsum("ij,ij->i", s[rows], scores)[:, None]
                scores *= s[rows]
                scores *= w[rows]
                return scores

            return along

        def product(v, rough=False):
            # Double precision reaches farther than single precision.
            scale = np.max(np.abs(v)) or 1.0
            change = curvatures(np.float32 if rough else self.X.dtype)
            return (scale * self._combine(v / scale, change, rough)
                    + penalties * v.reshape(K, -1)).ravel()

        gradient = self._combine(z, residuals, rough) + (
            penalties * z.reshape(K, -1))
        return Expansion(
            losses @ weights[:, 0] + self._penalty(z, x), gradient.ravel(),
            product, partial(product, rough=True),
            lambda: hessian_diagonal(
                probabilities, weights, self._squares, penalties).ravel(),
            (lambda: self._principal.preconditioner(
                probabilities, weights, penalties, self._squares))
            if self._turns else None)

    def hessian_diagonal(self, z, x):
        """Diagonal of the Hessian in z, but for averages, shape (p,).

        The average over samples of a product is taken for the product of the
        averages, of class weights and of squared features.
        """
        return self.expand(z, x).diagonal()

    def _combine(self, v, change, rough=False):
        """Combination of samples, with coefficients made from their scores.

        Parameters
        ----------
        v : array, shape (p,)
        change : function
            From a slice of the samples and their scores with v, shape (n, K),
            to coefficients of the same shape.
        rough : bool
            Whether to work in single precision.

        Returns
        -------
        array of float64, shape (K, n_features)
        """
        kept, X = self._single if rough else (slice(None), self.X)
        V = np.ascontiguousarray(
            v.reshape(self.n_classes, -1)[:, kept].T, dtype=X.dtype)
        total, moves = np.zeros_like(V), np.any(V)
        for start in range(0, self.n_samples, PIECE):
            rows = slice(start, start + PIECE)
            piece = X[rows]
            scores = piece @ V if moves else np.zeros(
                (len(piece), self.n_classes), X.dtype)
            total += piece.T @ change(rows, scores)
        combination = np.zeros((self.n_classes, self.n_features))
        combination[:, kept] = total.T
        return combination

    @cached_property
    def _single(self):
        """Features that are not 0 in all samples, and these alone."""
        if self.X.dtype == np.float32:
            return slice(None), self.X
        kept = np.flatnonzero(self._squares)
        return kept, np.ascontiguousarray(self.X[:, kept], dtype=np.float32)

    @property
    def second_moments(self):
        """Average square of the feature of each entry of z, shape (p,)."""
        return np.tile(self._squares, self.n_classes)

    @cached_property
    def _squares(self):
        """Average square of each feature."""
        return np.einsum("ij,ij->j", self.X, self.X) / self.n_samples

    @cached_property
    def _principal(self):
        return Principal(*self._single, self.n_features, self.n_classes)

    @property
    def _turns(self):
        """Whether principal directions help: penalties must be the same."""
        return (self.outer != "feature" and self.X.dtype == float
                and self.n_classes * MIN_DIRECTIONS <= MAX_BLOCK
                and np.any(self._squares))

    def coarse(self):
        """This function of the principal components of the samples.

        Returns
        -------
        Coarse or None
            None where penalties depend on the feature.
        """
        if not self._turns:
            return None
        directions = self._principal.directions
        samples = self._principal.samples
        function = copy(self)
        for name in ("_single", "_squares", "_principal"):
            vars(function).pop(name, None)
        function.X, function.n_features = samples, samples.shape[1]
        function.inner_dim = self.n_classes * function.n_features
        shape = self.n_classes, -1
        return Coarse(
            function, lambda z: (z.reshape(shape) @ directions).ravel(),
            lambda z: (z.reshape(shape) @ directions.T).ravel())

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z, of shape (p,) and (p, p)."""
        weights = self._weights(x)
        _, s = softmax(self._scores(z), self.y)
        hessian = hessian_of_losses(self.X, s, weights)
        hessian[np.diag_indices_from(hessian)] += self.penalties(x)
        s[np.arange(self.n_samples), self.y] -= 1.0
        gradient = (s * weights).T @ self.X
        return gradient.ravel() + self.penalties(x) * z, hessian

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        if self.outer == "weights":
            losses, _ = softmax(self._scores(z), self.y)
            return expit(x) * expit(-x) * losses / self.n_samples
        return 0.5 * self._penalty_derivative(z, z, x)

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        if self.outer == "weights":
            # Both scores from one read of the samples.
            scores = self.X @ np.concatenate([z, v]).reshape(
                2 * self.n_classes, -1).T
            _, s = softmax(scores[:, :self.n_classes], self.y)
            s[np.arange(self.n_samples), self.y] -= 1.0
            slopes = np.einsum("ij,ij->i", s, scores[:, self.n_classes:])
            return expit(x) * expit(-x) * slopes / self.n_samples
        return self._penalty_derivative(z, v, x)

    def _penalty_derivative(self, z, v, x):
        """Derivative in x of sum_kj r_kj z_kj v_kj, shape (d,)."""
        if self.outer is None:
            return np.zeros(self.outer_dim)
        product = (z * v).reshape(self.n_classes, -1)
        r = np.exp(np.clip(x, -600.0, 700.0))
        if self.outer == "class":
            return r * product.sum(1)
        if self.outer == "feature":
            return r * product.sum(0)
        return r * product.sum()

    def settle(self, z, x):
        """The best of the z for which all losses are the same, shape (p,).

        Those to which an equal change of all classes leads: the penalties
        alone decide among them, or the norm where there are none.
        """
        r = np.broadcast_to(
            self._penalties(x), (self.n_classes, self.n_features))
        r = np.where(np.any(r > 0, axis=0), r, 1.0)
        Z = z.reshape(r.shape)
        share = r / np.max(r, axis=0)
        return (Z - np.sum(share * Z, axis=0) / np.sum(share, axis=0)).ravel()

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
        return multinomial_batches(
            lambda chunks, order: dense_entries(self.X, chunks, order),
            self, batch_size, order)
