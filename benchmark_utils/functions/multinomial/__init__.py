"""Multinomial logistic regression, on dense or sparse samples.

``dense`` and ``sparse`` are the function in NumPy: ``losses`` has the loss of
samples, ``principal`` the directions along which its Hessian is formed.
``layout`` is the order of samples in memory. The rest are the kernels, which
both share. Numbers of classes lie side by side there, so that an entry of a
sample is loaded once for all classes, and for z and v at once where an oracle
needs both: they are its *lanes*. The variables of users, class by class, are
copied into such an order, as many features as the batch has, and derivatives
out of it.

- ``kernels``: what solvers call, and where batches are made;
- ``samples``: losses and weights of the samples of a chunk; ``penalty``;
- ``lanes``: to and from the order of the kernels;
- ``products``: what touches the samples;
- ``batches``: the data of all of them; ``calls``: calls of those compiled
  once.
"""
from benchmark_utils.functions.multinomial.dense import (
    OUTER_VARIABLES,
    MultinomialLogistic,
)
from benchmark_utils.functions.multinomial.sparse import (
    SparseMultinomialLogistic,
)

__all__ = ["OUTER_VARIABLES", "MultinomialLogistic",
           "SparseMultinomialLogistic"]
