"""A linear head on one hidden layer, whose weights are the outer variable."""
import numpy as np
from scipy.special import logsumexp, softmax

from benchmark_utils import checks
from benchmark_utils.compiling.vectors import aligned_zeros
from benchmark_utils.functions.batches import in_order, resolve_batch_size
from benchmark_utils.functions.chunks import in_chunks
from benchmark_utils.functions.hyper_representation.kernels import (
    HyperRepresentationBatches,
)
from benchmark_utils.functions.hyper_representation.products import fill_lanes
from benchmark_utils.functions.oracles import bind

# A chunk of images of 8 x 8 pixels then stays in the first-level cache
# between the two times that it is read.
_MAX_CHUNK = 64
# Samples whose products of features are formed at a time, for the Hessian.
_PIECE = 1024

ACTIVATIONS = ("tanh", "linear")


class HyperRepresentation:
    """Average loss of a linear head z on one hidden layer x.

    With W of shape (m, q) and b of shape (m,), x is the rows (w_l, b_l), one
    after the other; z has shape (K, m + 1), flattened by rows, its last
    column for the constant one that is added to the hidden units. For a
    sample a_i with the outputs s_i = z (phi(W a_i + b), 1),

    f(z, x) = (1/n) sum_i l(s_i, y_i) + ridge/2 |z|^2 + decay/2 |x|^2

    where phi is tanh or the identity, and the loss l is

    - log sum_k e^{s_k} - s_{y_i} of K classes, or
    - (s - y_i)^2 / 2 of one real number, K = 1.

    Learning x on other samples than z is the hyper-representation of L.
    Franceschi, P. Frasconi, S. Salzo, R. Grazzi, M. Pontil, "Bilevel
    programming for hyperparameter optimization and meta-learning", ICML
    2018, section 3.2. Given x, f is convex in z.

    The NumPy methods work on all samples, in float64, independently of the
    compiled kernels: they are what the metrics are computed from.

    Parameters
    ----------
    X : array of float64, shape (n, q)
        Without a constant feature.
    y : array, shape (n,)
        Classes, integers from 0 to n_classes - 1, of which some may have no
        sample; or real numbers where n_classes is None.
    n_hidden : int
        m.
    n_classes : int, optional
        At least 2; without it, the loss is half the squared error.
    activation : {"tanh", "linear"}
    ridge, decay : float, >= 0
    name : str
        What the errors call the data.

    Attributes
    ----------
    X : array of float64, shape (n_samples, n_features + 1)
        Samples, and a column of ones.
    y : array, shape (n_samples,)
        Classes or targets.

    Raises
    ------
    ValueError
        If the data is not finite, a label is not a class, or a parameter is
        not allowed; it names which.
    """

    # In z, for all feasible x: the metrics need not look.
    convex = True

    def __init__(self, X, y, n_hidden, n_classes=None, activation="tanh",
                 ridge=0.0, decay=0.0, name="data"):
        checks.positive_int("n_hidden", n_hidden)
        checks.one_of(*ACTIVATIONS)("activation", activation)
        checks.non_negative("ridge", ridge)
        checks.non_negative("decay", decay)
        if n_classes is None:
            X, y = checks.regression_samples(name, X, y)
            self.targets = y[:, None]
        else:
            X, y = checks.labelled_samples(name, X, y, n_classes)
            self.targets = np.eye(n_classes)[y]
        self.X = np.column_stack([X, np.ones(len(X))])
        self.y, self.n_hidden, self.activation = y, n_hidden, activation
        self.ridge, self.decay = float(ridge), float(decay)
        self.squared = n_classes is None
        self.n_samples, self.n_outputs = self.targets.shape
        self.inner_dim = self.n_outputs * (n_hidden + 1)
        self.outer_dim = n_hidden * self.X.shape[1]

    def _hidden(self, x):
        """Hidden units and the constant one, shape (n, m + 1)."""
        hidden = np.ones((self.n_samples, self.n_hidden + 1))
        hidden[:, :-1] = self.X @ x.reshape(self.n_hidden, -1).T
        if self.activation == "tanh":
            np.tanh(hidden[:, :-1], out=hidden[:, :-1])
        return hidden

    def _scores(self, hidden, z):
        """Outputs s, shape (n, K)."""
        return hidden @ z.reshape(self.n_outputs, -1).T

    # The loss, as a function of the outputs of all samples.
    def _loss(self, scores):
        if self.squared:
            return 0.5 * np.mean((scores - self.targets) ** 2)
        own = np.sum(self.targets * scores, axis=1)
        return np.mean(logsumexp(scores, axis=1) - own)

    def _residuals(self, scores):
        """Derivative of ``_loss``, shape (n, K)."""
        outputs = scores if self.squared else softmax(scores, axis=1)
        return (outputs - self.targets) / self.n_samples

    def _residuals_along(self, scores, change):
        """Second derivative of ``_loss`` times a change of the outputs."""
        if self.squared:
            return change / self.n_samples
        s = softmax(scores, axis=1)
        mean = np.sum(s * change, axis=1, keepdims=True)
        return s * (change - mean) / self.n_samples

    def value(self, z, x):
        """Value f(z, x)."""
        loss = self._loss(self._scores(self._hidden(x), z))
        # Multiplied in this order, no penalty stays none where squares
        # overflow.
        return loss + 0.5 * ((self.ridge * z) @ z + (self.decay * x) @ x)

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        hidden = self._hidden(x)
        residuals = self._residuals(self._scores(hidden, z))
        return (residuals.T @ hidden).ravel() + self.ridge * z

    def hvp(self, z, x, v):
        """Hessian in z times v, shape (p,)."""
        return self.hessian_operator(z, x)(v)

    def hessian_operator(self, z, x):
        """The function v -> Hessian in z times v, for many v."""
        hidden = self._hidden(x)
        scores = self._scores(hidden, z)

        def product(v):
            along = self._residuals_along(scores, self._scores(hidden, v))
            return (along.T @ hidden).ravel() + self.ridge * v

        return product

    def hessian_diagonal(self, z, x):
        """Diagonal of the Hessian in z, shape (p,)."""
        hidden = self._hidden(x)
        scores = self._scores(hidden, z)
        if self.squared:
            curvatures = np.ones_like(scores)
        else:
            s = softmax(scores, axis=1)
            curvatures = s * (1.0 - s)
        return (curvatures.T @ hidden**2 / self.n_samples
                + self.ridge).ravel()

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z, of shape (p,) and (p, p)."""
        hidden = self._hidden(x)
        scores = self._scores(hidden, z)
        gradient = (self._residuals(scores).T @ hidden).ravel()
        # The second derivative of a loss in the outputs k and l is c_kl, and
        # the block (k, l) of the Hessian the average of c_kl h h'. Both are
        # symmetric: half of the entries, as one product.
        K, r = self.n_outputs, self.n_hidden + 1
        k, l = np.triu_indices(K)
        a, b = np.triu_indices(r)
        if self.squared:
            c = np.ones((self.n_samples, 1))
        else:
            s = softmax(scores, axis=1)
            c = (k == l) * s[:, k] - s[:, k] * s[:, l]
        half = np.zeros((len(k), len(a)))
        for start in range(0, self.n_samples, _PIECE):
            rows = slice(start, start + _PIECE)
            half += c[rows].T @ (hidden[rows, a] * hidden[rows, b])
        half /= self.n_samples
        hessian = np.zeros((K, r, K, r))
        for first, second in ((a, b), (b, a)):
            for i, (row, column) in enumerate(zip(k, l, strict=True)):
                hessian[row, first, column, second] = half[i]
                hessian[column, first, row, second] = half[i]
        hessian = hessian.reshape(K * r, K * r)
        hessian[np.diag_indices_from(hessian)] += self.ridge
        return gradient + self.ridge * z, hessian

    def _back(self, hidden, in_hidden):
        """Derivative in x, of one in the hidden units, shape (n, m)."""
        if self.activation == "tanh":
            in_hidden = in_hidden * (1.0 - hidden[:, :-1] ** 2)
        return (in_hidden.T @ self.X).ravel()

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        hidden = self._hidden(x)
        residuals = self._residuals(self._scores(hidden, z))
        heads = z.reshape(self.n_outputs, -1)[:, :-1]
        return self._back(hidden, residuals @ heads) + self.decay * x

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,).

        The derivative of ``grad_x`` as z moves along v: both its residuals
        and its heads do.
        """
        hidden = self._hidden(x)
        scores = self._scores(hidden, z)
        residuals = self._residuals(scores)
        along = self._residuals_along(scores, self._scores(hidden, v))
        heads, heads_along = (
            a.reshape(self.n_outputs, -1)[:, :-1] for a in (z, v))
        return self._back(hidden, along @ heads + residuals @ heads_along)

    def project(self, x):
        """Nearest feasible x: all x are feasible."""
        return x

    def error(self, z, x):
        """Share of samples whose largest output is not that of their class."""
        return np.mean(
            self._scores(self._hidden(x), z).argmax(axis=1) != self.y)

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
        n, K, m = self.n_samples, self.n_outputs, self.n_hidden
        batch_size = resolve_batch_size(batch_size, n)
        rows, per_batch = in_chunks(
            in_order(self.X, order), batch_size, _MAX_CHUNK)
        targets, _ = in_chunks(
            in_order(self.targets, order), batch_size, _MAX_CHUNK)
        rows, targets = fill_lanes(rows), fill_lanes(targets)
        size = rows.shape[2]
        return bind(HyperRepresentationBatches(
            rows, targets, n, batch_size, -(-n // batch_size), per_batch,
            int(self.squared), int(self.activation == "linear"), self.ridge,
            self.decay, *(
                aligned_zeros(n_rows * size).reshape(n_rows, size)
                for n_rows in (m + 1, 2 * K, m)),
            *(aligned_zeros(size) for _ in range(3)),
            np.zeros(2 * self.inner_dim), np.zeros(1, np.int64)))
