"""Principal directions of samples, along which a Hessian is formed."""
import numpy as np
from scipy.linalg import cho_factor, cho_solve

from benchmark_utils.functions.multinomial.losses import (
    hessian_diagonal,
    hessian_of_losses,
)

# Principal directions, entries of z along them, and samples that are enough
# to form a Hessian.
MIN_DIRECTIONS, MAX_DIRECTIONS, MAX_BLOCK = 8, 64, 640
SOME_SAMPLES = 5000


class Principal:
    """Directions of the largest second moments, and samples along them.

    By subspace iteration, from a start that is always the same, on some of
    the samples.

    Parameters
    ----------
    kept : slice or array of int, shape (p,)
        Features of ``X`` among all of them; the others are 0.
    X : array of float32, shape (n_samples, p)
    n_features, n_classes : int

    Attributes
    ----------
    directions : array of float32, shape (n_features, q)
        Orthonormal.
    samples : array of float32, shape (n_samples, q)
    """

    def __init__(self, kept, X, n_features, n_classes):
        # A part of the samples stands for all of them.
        self._some = slice(None, None, -(-len(X) // SOME_SAMPLES))
        n_kept = X.shape[1]
        q = min(MAX_BLOCK // n_classes, MAX_DIRECTIONS, n_kept)
        some = X[self._some]
        Q = np.random.default_rng(0).standard_normal(
            (n_kept, min(q + 16, n_kept))).astype(np.float32)
        for _ in range(4):
            Q = np.linalg.qr(some.T @ (some @ Q))[0]
        along = some @ Q
        size, turn = np.linalg.eigh(along.T @ along)
        # Without what is 0 but for rounding.
        q = min(q, np.count_nonzero(size > 1e-9 * size[-1]))
        Q = Q @ turn[:, :-q - 1:-1]
        self.directions = np.zeros((n_features, q), np.float32)
        self.directions[kept] = Q
        self.samples = X @ Q

    def preconditioner(self, probabilities, weights, penalties, squares):
        """Near the inverse of the Hessian.

        The Hessian on the principal directions, from some of the samples,
        and its diagonal on the others.

        Parameters
        ----------
        probabilities : array, shape (n_samples, K)
        weights : array, shape (n_samples, 1)
            Of the losses.
        penalties : array
            Of a shape that broadcasts to (K, 1).
        squares : array, shape (n_features,)
            Average squares of the features.

        Returns
        -------
        function
            From an array of shape (K n_features,) to one like it.
        """
        K = probabilities.shape[1]
        q = self.directions.shape[1]
        some = self._some
        s, w = (a[some].astype(np.float32) for a in (probabilities, weights))
        block = hessian_of_losses(
            self.samples[some], s, w * (len(weights) / len(w)))
        block = block.astype(float)
        # What single precision does not tell from 0, such as the curvature
        # along equal changes of all classes.
        floor = 1e-3 * np.max(np.diag(block))
        block[np.diag_indices_from(block)] += np.repeat(
            np.broadcast_to(np.maximum(penalties, floor), (K, 1)), q)
        factor = cho_factor(block)
        along = np.mean(self.samples**2, axis=0)
        rest = np.maximum(
            squares - self.directions**2 @ along, 1e-3 * squares)
        diagonal = hessian_diagonal(probabilities, weights, rest, penalties)
        diagonal = np.where(diagonal > 0, diagonal, 1.0)
        directions = self.directions.astype(float)

        def apply(b):
            b = b.reshape(K, -1)
            inside = b @ directions
            outside = (b - inside @ directions.T) / diagonal
            inside = cho_solve(factor, inside.ravel()).reshape(K, q)
            inside -= outside @ directions
            return (outside + inside @ directions.T).ravel()

        return apply
