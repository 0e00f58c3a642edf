"""A linear model of classes as a loss in jax.numpy, and what judges it."""
import numpy as np

from benchmark_utils.functions.differentiable import jax


def cross_entropy(z, x, features, label):
    """Multinomial logistic loss of one sample; x has no part in it.

    Parameters
    ----------
    z : array, shape (n_classes, p)
    x : object
    features : array, shape (p,)
    label : int
    """
    scores = z @ features
    return jax.nn.logsumexp(scores) - scores[label]


def share_of_errors(X, y, n_classes):
    """The score (z, x) -> share of samples that z, flat, gets wrong.

    Parameters
    ----------
    X : array, shape (n, p)
    y : array of int, shape (n,)
    n_classes : int
    """
    def score(z, x):
        return np.mean((X @ z.reshape(n_classes, -1).T).argmax(axis=1) != y)

    return score
