"""Batches of a multinomial function, as the kernels see them."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.functions.batches import batch_size_of

#: What x is to a function, and the code of it in the kernels.
OUTER_CODES = {None: 0, "weights": 1, "class": 2, "feature": 3, "scalar": 4}


class MultinomialBatches(NamedTuple):
    """A multinomial logistic loss cut into batches, for compiled oracles.

    Attributes
    ----------
    whole, panels, columns, counts, rows, values, first_group, first_row
    background
        Entries of the samples, as ``layout.Entries`` says.
    labels : array of int64, shape (n_chunks, size_8)
        Class of each sample; -1 for those that fill up.
    order : array of int64, shape (n,)
        Sample at each place, which is the place of its entry in x.
    n_samples, batch_size, n_batches, chunk_size, chunks_per_batch : int
    n_classes, n_features : int
    outer : int
        What x is: see ``OUTER_CODES``.
    ridge : float
        C, the fixed penalty.
    point, combination, stacked : array of float64, shape (p_8 * W,)
        Scratch space: lanes of z and v, feature by feature, and of sums of
        samples, which are 0 between calls; either, lane by lane. p_8 and W
        are multiples of 8, no less than p and 2 K.
    scores : array of float64, shape (size_8 * W,)
        Scratch space: lanes of the samples of a chunk.
    by_class : array of float64, shape (W + 8, size_8)
        The same, lane by lane. The rows from 2 K on are 0.
    at_background, sums : array of float64, shape (W,)
        Scores of the background, and sums of weights of samples.
    weight, slope, loss, own, along, largest, total : array, shape (size_8,)
    r : array of float64, shape (d,)
    per_feature : array of float64, shape (p,)
        Scratch space: penalties r; those of features, else 0.
    chosen : array of int64, shape (2,)
        First and last place in ``columns`` of the features whose lanes are in
        ``point``; 0 and -1 for all features.
    numbers : array of int32, shape (p,)
        0, 1, 2, ...
    apart : array of int64, shape (len(_APART),)
        Addresses of the kernels that are called so.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    whole: np.ndarray
    panels: np.ndarray
    columns: np.ndarray
    counts: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    first_group: np.ndarray
    first_row: np.ndarray
    background: np.ndarray
    labels: np.ndarray
    order: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    chunk_size: int
    chunks_per_batch: int
    n_classes: int
    n_features: int
    outer: int
    ridge: float
    point: np.ndarray
    combination: np.ndarray
    stacked: np.ndarray
    scores: np.ndarray
    by_class: np.ndarray
    at_background: np.ndarray
    sums: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    loss: np.ndarray
    own: np.ndarray
    along: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    r: np.ndarray
    per_feature: np.ndarray
    chosen: np.ndarray
    numbers: np.ndarray
    apart: np.ndarray
    oracle_calls: np.ndarray

    @property
    def weights_per_sample(self):
        """As ``oracles`` says: in the derivatives in z, and in x."""
        return self.n_classes, int(self.outer == 1)


# Chunks.
@kernel
def first_chunk(f, batch):
    return 0 if batch < 0 else batch * f.chunks_per_batch


@kernel
def last_chunk(f, batch):
    """One more than the index of the last chunk."""
    n_chunks = f.labels.shape[0]
    if batch < 0:
        return n_chunks
    return min((batch + 1) * f.chunks_per_batch, n_chunks)


@kernel
def filled(f, chunk):
    """Place of the first sample of a chunk, and the number of samples."""
    batch = chunk // f.chunks_per_batch
    within = (chunk - batch * f.chunks_per_batch) * f.chunk_size
    n = min(f.chunk_size, batch_size_of(f, batch) - within)
    return batch * f.batch_size + within, n


@kernel
def filled_up(n):
    """n, filled up to whole vectors."""
    return (n + 7) // 8 * 8
