"""Mini-batches: fixed blocks of samples, and how much each weighs."""
import numpy as np

from benchmark_utils.compiling.compiled import kernel

# The batch index that stands for all samples. Of the type of all others: for
# a Python integer Numba would compile each kernel once more, for this value.
FULL = np.int64(-1)


@kernel
def batch_size_of(function, batch):
    """Number of samples in a batch of ``function``; the last may be short."""
    if batch == FULL:
        return function.n_samples
    first = batch * function.batch_size
    return min(function.batch_size, function.n_samples - first)


@kernel
def batch_weight(function, batch):
    """Weight of each sample in a batch, so that batches are unbiased.

    With N batches of n samples the weight is N / n, for a short last batch
    too: the plain average over batches is then exactly the full function.
    """
    if batch == FULL:
        return 1.0 / function.n_samples
    return function.n_batches / function.n_samples


def resolve_batch_size(batch_size, n_samples):
    """Number of samples in a batch: all for "full", or if there are fewer."""
    return n_samples if batch_size == "full" else min(batch_size, n_samples)


def in_order(samples, order):
    """Rows of an array or a sparse matrix in this order, or as they are."""
    return samples if order is None else samples[order]
