"""Kernels of multinomial logistic regression, on dense or sparse samples.

Numbers of classes lie side by side, so that an entry of a sample is loaded
once for all classes, and for z and v at once where an oracle needs both: they
are its *lanes*. The variables of users, class by class, are copied into such
an order, as many features as the batch has, and derivatives out of it.

- ``oracles``: what solvers call, and where batches are made;
- ``samples``: losses and weights of the samples of a chunk; ``penalty``;
- ``lanes``: to and from the order of the kernels;
- ``products``: what touches the samples;
- ``batches``: the data of all of them; ``calls``: calls of those compiled
  once.
"""
from benchmark_utils.functions.multinomial_kernels.batches import OUTER_CODES
from benchmark_utils.functions.multinomial_kernels.oracles import (
    multinomial_batches,
)

__all__ = ["OUTER_CODES", "multinomial_batches"]
