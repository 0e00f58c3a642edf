"""Multinomial logistic regression, with penalties or weights of samples."""
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp, softmax

from benchmark_utils import checks, oracles
from benchmark_utils.batches import (
    batch_size_of,
    batch_weight,
    resolve_batch_size,
)
from benchmark_utils.chunks import first_chunk, in_chunks, last_chunk
from benchmark_utils.compiled import exp, exp_all, kernel

# Samples are laid out in chunks that stay in the second-level cache while
# they are read once for each pair of classes.
_MAX_CHUNK = 64

OUTER_VARIABLES = ("weights", "class", "feature", "scalar")
_CODES = {None: 0, "weights": 1, "class": 2, "feature": 3, "scalar": 4}


class MultinomialBatches(NamedTuple):
    """A multinomial logistic loss cut into batches, for compiled oracles.

    Attributes
    ----------
    rows : array of float64, shape (n_chunks, n_features, chunk_size)
        Samples. Each batch is a run of ``chunks_per_batch`` chunks, and every
        loop over samples runs along contiguous memory. Zero samples fill up
        short chunks.
    labels : array of int64, shape (n_chunks, chunk_size)
        Class of each sample; -1 for those that fill up.
    n_samples, batch_size, n_batches, chunks_per_batch, n_classes : int
    outer : int
        What x is: 0 nothing, 1 one weight a sample, 2, 3, 4 one log-penalty
        a class, a feature, in all.
    ridge : float
        C, the fixed penalty.
    scores, products : array of float64, shape (n_classes, chunk_size)
    weight, slope, loss, own, largest, total : array, shape (chunk_size,)
    r : array of float64, shape (d,)
    combination : array of float64, shape (p,)
        Scratch space of the kernels.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    rows: np.ndarray
    labels: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    chunks_per_batch: int
    n_classes: int
    outer: int
    ridge: float
    scores: np.ndarray
    products: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    loss: np.ndarray
    own: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    r: np.ndarray
    combination: np.ndarray
    oracle_calls: np.ndarray

    @property
    def weights_per_sample(self):
        """As ``oracles`` says: in the derivatives in z, and in x."""
        return self.n_classes, int(self.outer == _CODES["weights"])


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

    def batches(self, batch_size):
        """Cut into mini-batches of ``batch_size`` samples, or "full"."""
        n = self.n_samples
        batch_size = resolve_batch_size(batch_size, n)
        rows, per_batch = in_chunks(self.X, batch_size, _MAX_CHUNK)
        # Those that fill up are 0, and become -1.
        labels, _ = in_chunks(self.y[:, None] + 1.0, batch_size, _MAX_CHUNK)
        chunk_size = rows.shape[2]
        return MultinomialBatches(
            rows, labels[:, 0].astype(np.int64) - 1, n, batch_size,
            -(-n // batch_size), per_batch, self.n_classes,
            _CODES[self.outer], self.ridge,
            *(np.zeros((self.n_classes, chunk_size)) for _ in range(2)),
            *(np.zeros(chunk_size) for _ in range(6)),
            np.zeros(self.outer_dim), np.zeros(self.inner_dim),
            np.zeros(1, np.int64),
        )


@kernel
def _first_sample(f, chunk):
    """Index in x of the first sample of a chunk."""
    batch = chunk // f.chunks_per_batch
    within = chunk - batch * f.chunks_per_batch
    return batch * f.batch_size + within * f.labels.shape[1]


@kernel
def _n_filled(f, chunk):
    """Number of samples in a chunk, without those that fill it up."""
    batch = chunk // f.chunks_per_batch
    within = chunk - batch * f.chunks_per_batch
    left = batch_size_of(f, batch) - within * f.labels.shape[1]
    return min(f.labels.shape[1], left)


# The kernels that touch the data: several classes and features at a time, so
# that samples and sums are loaded and stored a fraction as often.
@kernel
def _set_scores(rows, chunk, z, out):
    """out[k, i] = <rows[chunk, :, i], z[k]>, z flattened by rows."""
    p, size, K = rows.shape[1], rows.shape[2], out.shape[0]
    in_fours, in_twos = p - p % 4, K - K % 2
    for k in range(K):
        for i in range(size):
            out[k, i] = 0.0
    for k in range(0, in_twos, 2):
        a, b = k * p, (k + 1) * p
        for j in range(0, in_fours, 4):
            a0, a1, a2, a3 = (
                z[a + j], z[a + j + 1], z[a + j + 2], z[a + j + 3])
            b0, b1, b2, b3 = (
                z[b + j], z[b + j + 1], z[b + j + 2], z[b + j + 3])
            for i in range(size):
                d0, d1 = rows[chunk, j, i], rows[chunk, j + 1, i]
                d2, d3 = rows[chunk, j + 2, i], rows[chunk, j + 3, i]
                out[k, i] += d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3
                out[k + 1, i] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3
    for k in range(K):
        # Features that are left, and all of a class that is left.
        for j in range(in_fours if k < in_twos else 0, p):
            a0 = z[k * p + j]
            for i in range(size):
                out[k, i] += rows[chunk, j, i] * a0


@kernel
def _add_combinations(rows, chunk, weights, out):
    """out[k] += rows[chunk] @ weights[k], out flattened by rows."""
    p, size, K = rows.shape[1], rows.shape[2], weights.shape[0]
    in_twos, classes_in_twos = p - p % 2, K - K % 2
    for k in range(0, classes_in_twos, 2):
        a, b = k * p, (k + 1) * p
        for j in range(0, in_twos, 2):
            s0 = s1 = t0 = t1 = 0.0
            for i in range(size):
                d0, d1 = rows[chunk, j, i], rows[chunk, j + 1, i]
                s0 += d0 * weights[k, i]
                s1 += d1 * weights[k, i]
                t0 += d0 * weights[k + 1, i]
                t1 += d1 * weights[k + 1, i]
            out[a + j] += s0
            out[a + j + 1] += s1
            out[b + j] += t0
            out[b + j + 1] += t1
    for k in range(K):
        for j in range(in_twos if k < classes_in_twos else 0, p):
            s0 = 0.0
            for i in range(size):
                s0 += rows[chunk, j, i] * weights[k, i]
            out[k * p + j] += s0


# Loops over exp are functions of their own: LLVM then inlines exp into them,
# and vectorises it, which it does not in a larger function.
@kernel
def _exp_shifted(scores, k, shift, total):
    """scores[k] = exp(scores[k] - shift), also added to total."""
    for i in range(total.size):
        scores[k, i] = exp(scores[k, i] - shift[i])
        total[i] += scores[k, i]


@kernel
def _set_sigmoids(x, first, n, scale, weight, slope):
    """scale times sigma and sigma' of the entries of x of n samples."""
    for i in range(n):
        e = exp(-abs(x[first + i]))
        s = 1.0 / (1.0 + e)
        weight[i] = scale * (s if x[first + i] >= 0 else e * s)
        slope[i] = scale * e * s * s
    for i in range(n, weight.size):
        weight[i] = slope[i] = 0.0


@kernel
def _set_weights(f, chunk, x, scale):
    """f.weight and f.slope: scale times w_i and its derivative."""
    if f.outer == 1:
        _set_sigmoids(x, _first_sample(f, chunk), _n_filled(f, chunk), scale,
                      f.weight, f.slope)
    else:
        for i in range(f.weight.size):
            f.weight[i] = scale


@kernel
def _set_probabilities(f, chunk, z):
    """f.scores = softmax over classes; f.loss = losses of samples."""
    _set_scores(f.rows, chunk, z, f.scores)
    K, size = f.scores.shape
    for i in range(size):
        f.largest[i] = f.scores[0, i]
        f.total[i] = 0.0
    for k in range(1, K):
        for i in range(size):
            f.largest[i] = max(f.largest[i], f.scores[k, i])
    for i in range(size):
        f.loss[i] = f.largest[i] - f.scores[max(f.labels[chunk, i], 0), i]
    for k in range(K):
        _exp_shifted(f.scores, k, f.largest, f.total)
    for i in range(size):
        f.loss[i] += np.log(f.total[i])
        f.total[i] = 1.0 / f.total[i]
    for k in range(K):
        for i in range(size):
            f.scores[k, i] *= f.total[i]


@kernel
def _set_hessian_products(f, chunk, v):
    """f.products = w (diag(s) - s s') (scores of v), one column a sample.

    After ``_set_probabilities``. f.own becomes the derivative of the losses
    along v, which the cross derivative needs.
    """
    _set_scores(f.rows, chunk, v, f.products)
    K, size = f.scores.shape
    for i in range(size):
        f.own[i] = 0.0
    for k in range(K):
        for i in range(size):
            f.own[i] += f.scores[k, i] * f.products[k, i]
    for i in range(size):
        f.largest[i] = f.products[max(f.labels[chunk, i], 0), i]
    for k in range(K):
        for i in range(size):
            f.products[k, i] = (f.weight[i] * f.scores[k, i]
                                * (f.products[k, i] - f.own[i]))
    for i in range(size):
        f.own[i] -= f.largest[i]


@kernel
def _set_residuals(f, chunk):
    """f.scores = w_i (s_i - e_{y_i}), from the probabilities s_i."""
    K, size = f.scores.shape
    for i in range(size):
        f.scores[max(f.labels[chunk, i], 0), i] -= 1.0
    for k in range(K):
        for i in range(size):
            f.scores[k, i] *= f.weight[i]


@kernel
def _put(f, chunk, values, out):
    """Entries of out of the samples of a chunk: slope times values."""
    first = _first_sample(f, chunk)
    for i in range(_n_filled(f, chunk)):
        out[first + i] = f.slope[i] * values[i]


@kernel
def _set_penalties(f, x):
    """f.r = r(x) where x is log-penalties."""
    if f.outer >= 2:
        exp_all(x, f.r)


@kernel
def _penalty(f, k, j):
    """C + r_kj, after ``_set_penalties``."""
    if f.outer == 2:
        return f.ridge + f.r[k]
    if f.outer == 3:
        return f.ridge + f.r[j]
    if f.outer == 4:
        return f.ridge + f.r[0]
    return f.ridge


@kernel
def _set_penalised(f, z, out):
    """out_kj = (C + r_kj) z_kj."""
    p = f.rows.shape[1]
    for k in range(f.n_classes):
        for j in range(p):
            out[k * p + j] = _penalty(f, k, j) * z[k * p + j]


@kernel
def _set_penalty_cross(f, z, v, scale, out):
    """out = scale times the derivative in x of sum_kj r_kj z_kj v_kj."""
    p = f.rows.shape[1]
    for c in range(out.size):
        out[c] = 0.0
    if f.outer < 2:
        return
    for k in range(f.n_classes):
        for j in range(p):
            product = z[k * p + j] * v[k * p + j]
            if f.outer == 2:
                out[k] += product
            elif f.outer == 3:
                out[j] += product
            else:
                out[0] += product
    for c in range(out.size):
        out[c] *= scale * f.r[c]


@kernel
def _value(f, batch, z, x):
    total = penalty = 0.0
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        for i in range(_n_filled(f, chunk)):
            total += f.weight[i] * f.loss[i]
    _set_penalties(f, x)
    p = f.rows.shape[1]
    for k in range(f.n_classes):
        for j in range(p):
            penalty += _penalty(f, k, j) * z[k * p + j] ** 2
    return total + 0.5 * penalty


@kernel
def _grad_z(f, batch, z, x, out):
    _set_penalties(f, x)
    _set_penalised(f, z, out)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    _set_penalties(f, x)
    _set_penalty_cross(f, z, z, 0.5, out)
    # Weights: the entries of the samples of the batch, and no others.
    if f.outer == 1:
        scale = batch_weight(f, batch)
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            _set_weights(f, chunk, x, scale)
            _set_probabilities(f, chunk, z)
            _put(f, chunk, f.loss, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    _set_penalties(f, x)
    _set_penalised(f, v, out)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        _add_combinations(f.rows, chunk, f.products, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    _set_penalties(f, x)
    _set_penalty_cross(f, z, v, 1.0, out)
    if f.outer == 1:
        scale = batch_weight(f, batch)
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            _set_weights(f, chunk, x, scale)
            _set_probabilities(f, chunk, z)
            _set_hessian_products(f, chunk, v)
            _put(f, chunk, f.own, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _set_penalties(f, x)
    _set_penalised(f, z, out_z)
    _set_penalty_cross(f, z, z, 0.5, out_x)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        if f.outer == 1:
            _put(f, chunk, f.loss, out_x)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out_z)
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    _set_penalties(f, x)
    _set_penalised(f, z, out_grad)
    _set_penalised(f, v, out_hvp)
    _set_penalty_cross(f, z, v, 1.0, out_cross)
    scale = batch_weight(f, batch)
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        _set_weights(f, chunk, x, scale)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        if f.outer == 1:
            _put(f, chunk, f.own, out_cross)
        _add_combinations(f.rows, chunk, f.products, out_hvp)
        _set_residuals(f, chunk)
        _add_combinations(f.rows, chunk, f.scores, out_grad)
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


# The oracles by sample: the samples enter the derivatives in z through one
# number a class, those in x through their own entry of x or not at all.
@kernel
def _keep(values, first, n, out):
    """out[first:first + n] = values (K, chunk_size), transposed."""
    for i in range(n):
        for k in range(values.shape[0]):
            out[first + i, k] = values[k, i]


@kernel
def _keep_entries(f, values, first, n, out):
    """out[first:first + n] = slope times values, where x is weights."""
    if f.outer == 1:
        for i in range(n):
            out[first + i, 0] = f.slope[i] * values[i]


@kernel
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    _set_penalties(f, x)
    _set_penalised(f, z, out_grad)
    _set_penalised(f, v, out_hvp)
    _set_penalty_cross(f, z, v, 1.0, out_cross)
    first = 0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        _set_weights(f, chunk, x, 1.0)
        _set_probabilities(f, chunk, z)
        _set_hessian_products(f, chunk, v)
        _keep(f.products, first, n, w_hvp)
        _keep_entries(f, f.own, first, n, w_cross)
        _set_residuals(f, chunk)
        _keep(f.scores, first, n, w_grad)
        first += n
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    _set_penalties(f, x)
    _set_penalised(f, z, out_z)
    _set_penalty_cross(f, z, z, 0.5, out_x)
    first = 0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        _set_weights(f, chunk, x, 1.0)
        _set_probabilities(f, chunk, z)
        _keep_entries(f, f.loss, first, n, w_x)
        _set_residuals(f, chunk)
        _keep(f.scores, first, n, w_grad)
        first += n
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _add_samples(f, batch, weights, out, average):
    scale, first = batch_weight(f, batch), 0
    for c in range(out.size):
        f.combination[c] = 0.0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = _n_filled(f, chunk)
        for k in range(f.n_classes):
            for i in range(n):
                f.scores[k, i] = weights[first + i, k]
            for i in range(n, f.scores.shape[1]):
                f.scores[k, i] = 0.0
        _add_combinations(f.rows, chunk, f.scores, f.combination)
        first += n
    for c in range(out.size):
        out[c] += scale * f.combination[c]
        average[c] += f.combination[c] / f.n_samples


@kernel
def _project(f, x):
    pass


oracles.register(
    MultinomialBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project, directions_by_sample=_directions_by_sample,
    gradients_by_sample=_gradients_by_sample, add_samples=_add_samples,
)
