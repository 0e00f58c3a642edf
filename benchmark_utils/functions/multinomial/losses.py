"""The multinomial loss of samples and its derivatives in their scores."""
import numpy as np

# Samples that stay in the cache between two products with them.
PIECE = 1024


def softmax(scores, y):
    """Losses, shape (n,), and probabilities of classes, shape (n, K).

    The scores are overwritten.
    """
    scores -= np.max(scores, axis=1, keepdims=True)
    own = scores[np.arange(len(y)), y]
    np.exp(scores, out=scores)
    total = np.sum(scores, axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - own
    scores /= total
    return losses, scores


def hessian_diagonal(probabilities, weights, squares, penalties):
    """Diagonal of the Hessian, but for averages, shape (K, p).

    The average over samples of a product is taken for the product of the
    averages, of class weights and of squared features.

    Parameters
    ----------
    probabilities : array, shape (n, K)
    weights : array, shape (n, 1)
    squares : array, shape (p,)
        Average squares of the features.
    penalties : array
        Of a shape that broadcasts to (K, p).
    """
    classes = np.sum(weights * probabilities * (1 - probabilities), axis=0)
    return np.outer(classes, squares) + penalties


def hessian_of_losses(X, probabilities, weights):
    """Hessian of the weighted losses, shape (K p, K p).

    That of a loss is (diag(s) - s s') (x) d d'. The second part of it is one
    product of a matrix with itself; and since the s_k sum to 1, so that each
    row of diag(s) - s s' sums to 0, its blocks off the diagonal give those
    on it.
    """
    (n, p), K = X.shape, probabilities.shape[1]
    total = np.zeros((K * p, K * p), X.dtype)
    scaled = np.sqrt(weights) * probabilities
    for start in range(0, n, PIECE):
        rows = slice(start, start + PIECE)
        products = (scaled[rows, :, None] * X[rows, None, :]).reshape(
            -1, K * p)
        total -= products.T @ products
    blocks = total.reshape(K, p, K, p)
    for k in range(K):
        blocks[k, :, k] = 0.0
        blocks[k, :, k] = -blocks[k].sum(axis=1)
    return total
