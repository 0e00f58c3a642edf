"""How the samples of multinomial functions lie in memory.

Samples are cut into chunks that stay in the cache between the two times that
they are read; each batch is a run of chunks. Of a feature that mostly has one
and the same value, such as 0, only the other entries are stored.
"""
from typing import NamedTuple

import numpy as np

from benchmark_utils.functions.vectors import aligned_zeros

#: Samples whose features lie side by side where all entries are stored.
PANEL = 8
#: Most samples in a chunk; a row or a place in it fits a byte.
_MAX_CHUNK = 64
# Scores of a chunk stay in the second-level cache, for many classes too.
_MAX_SCORES = 2**17
# What is laid out at a time, so that little memory is needed: entries of
# dense samples, rows of sparse ones.
_SLAB, _SLAB_ROWS = 2**22, 2**12
# Share of the entries of a feature that are not 0, up to which only these are
# stored.
MAX_SHARE = 0.5


class Chunks(NamedTuple):
    """Which samples are in which chunk.

    Attributes
    ----------
    size : int
        Most samples in a chunk: a multiple of ``PANEL`` or less than that.
    per_batch : int
        Chunks in a batch; in the last batch there may be fewer.
    start, stop : array of int64, shape (n_chunks,)
        Samples of each chunk, by their places in the order of samples.
    """

    size: int
    per_batch: int
    start: np.ndarray
    stop: np.ndarray

    def places(self, chunks):
        """Places of the samples of some chunks, shape (n, size); -1: none."""
        places = self.start[chunks, None] + np.arange(self.size)
        return np.where(places < self.stop[chunks, None], places, -1)


def cut(n_samples, batch_size, n_scores):
    """Cut samples into batches, and these into chunks.

    Parameters
    ----------
    n_samples, batch_size : int
        The last batch may be short.
    n_scores : int
        Scores of a sample that a kernel keeps.

    Returns
    -------
    Chunks
    """
    most = max(1, min(_MAX_CHUNK, _MAX_SCORES // n_scores))
    most -= most % PANEL if most > PANEL else 0
    size = -(-batch_size // -(-batch_size // most))
    size = round_up(size, PANEL) if size > PANEL else size
    in_batch = np.arange(0, batch_size, size)
    batches = np.arange(0, n_samples, batch_size)
    start = (batches[:, None] + in_batch).ravel()
    stop = np.minimum(start + size, np.repeat(
        np.minimum(batches + batch_size, n_samples), len(in_batch)))
    return Chunks(size, len(in_batch), start[start < stop],
                  stop[start < stop])


def round_up(n, multiple):
    """The smallest multiple that is not less than n."""
    return -(-n // multiple) * multiple


class Entries(NamedTuple):
    """Entries of samples, for the kernels.

    A sample is a background plus what is stored: of some features the entries
    of all samples, of the others those that are not 0.

    Attributes
    ----------
    whole : array of int32
        Features of which all entries are stored.
    panels : array of float64
        Their entries, of shape (n_chunks, size // w, len(whole), w),
        flattened: panels of w = min(size, ``PANEL``) samples, with zeros.
    values : array of float64
        Entries of other features: chunk by chunk, feature by feature, those
        with few first.
    rows : array of uint8
        Sample of each value, within its chunk.
    columns : array of int32
        The other features of each chunk that have values, chunk by chunk.
    counts : array of uint8
        How many values these have.
    first_column, first_value : array of int64, shape (n_chunks + 1,)
        Where each chunk starts in ``columns`` and in ``values``.
    background : array of float64, shape (p,) or (0,)
        What all samples have; empty where it is 0.
    """

    whole: np.ndarray
    panels: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    counts: np.ndarray
    first_column: np.ndarray
    first_value: np.ndarray
    background: np.ndarray


def dense_entries(X, chunks, order):
    """Entries of dense samples, of which many may be equal.

    Parameters
    ----------
    X : array of float64, shape (n, p)
    chunks : Chunks
    order : array of int64, shape (n,)
        Sample at each place.

    Returns
    -------
    Entries
    """
    background = _most_frequent(X)
    whole = np.flatnonzero(
        np.count_nonzero(X != background, axis=0) > MAX_SHARE * len(X))
    background[whole] = 0.0

    def slabs():
        for slab in _slabs(chunks, _SLAB // X.shape[1]):
            places = chunks.places(slab)
            rows = X[order[places]]
            rows -= background
            rows[places < 0] = 0.0
            yield slab, rows[:, :, whole], _non_zeros(rows, whole)

    return _lay_out(slabs(), chunks, whole, background)


def _most_frequent(X):
    """The most frequent value of each feature, among a few samples."""
    some = np.sort(X[::-(-len(X) // 255)], axis=0)
    n = len(some)
    # Where a run of equal values starts, and how long it is by each place.
    new = np.vstack([np.ones((1, X.shape[1]), bool), some[1:] != some[:-1]])
    start = np.maximum.accumulate(
        np.where(new, np.arange(n)[:, None], 0), axis=0)
    longest = np.argmax(np.arange(n)[:, None] - start, axis=0)
    return some[longest, np.arange(X.shape[1])]


def _non_zeros(rows, whole):
    """Chunk, feature, row and value of the entries of other features."""
    others = rows.transpose(0, 2, 1).copy()
    others[:, whole] = 0.0
    chunk, column, row = np.nonzero(others)
    return chunk, column, row, others[chunk, column, row]


def sparse_entries(X, chunks, order, background):
    """Entries of samples that are each a sparse row and a background.

    Parameters
    ----------
    X : CSR array of float64, shape (n, p)
        Without duplicates.
    chunks : Chunks
    order : array of int64, shape (n,)
        Sample at each place.
    background : array of float64, shape (p,)

    Returns
    -------
    Entries
    """
    stored = np.bincount(X.indices[X.data != 0], minlength=X.shape[1])
    whole = np.flatnonzero(stored > MAX_SHARE * X.shape[0])
    is_whole = stored > MAX_SHARE * X.shape[0]

    def slabs():
        for slab in _slabs(chunks, _SLAB_ROWS):
            start, stop = chunks.start[slab], chunks.stop[slab]
            rows = X[order[start[0]:stop[-1]]]
            places = chunks.places(slab)
            panels = rows[:, whole].toarray()[
                np.maximum(places - start[0], 0)]
            panels[places < 0] = 0.0
            chunk = np.repeat(np.arange(len(start)), stop - start)
            row = np.arange(start[0], stop[-1]) - start[chunk]
            chunk, row = (
                np.repeat(a, np.diff(rows.indptr)) for a in (chunk, row))
            kept = np.flatnonzero((rows.data != 0) & ~is_whole[rows.indices])
            # Within a chunk and a feature, rows stay in order.
            key = chunk * np.int64(X.shape[1]) + rows.indices
            kept = kept[np.argsort(key[kept], kind="stable")]
            yield slab, panels, (chunk[kept], rows.indices[kept], row[kept],
                                 rows.data[kept])

    return _lay_out(slabs(), chunks, whole, background)


def _slabs(chunks, rows):
    """Slices of chunks that hold about so many samples."""
    length = max(1, rows // chunks.size)
    for first in range(0, len(chunks.start), length):
        yield slice(first, min(first + length, len(chunks.start)))


def _lay_out(slabs, chunks, whole, background):
    """Lay out entries that come slab by slab, chunk by chunk."""
    w = min(chunks.size, PANEL)
    shape = len(chunks.start), chunks.size // w, len(whole), w
    panels = aligned_zeros(np.prod(shape))
    n_columns, n_values = np.zeros((2, len(chunks.start) + 1), np.int64)
    pieces = []
    for slab, entries, (chunk, column, row, value) in slabs:
        panels.reshape(shape)[slab] = entries.reshape(
            len(entries), *shape[1:2], w, len(whole)).transpose(0, 1, 3, 2)
        # Where the values of a feature in a chunk start.
        new = np.flatnonzero(np.append(True, (
            (np.diff(chunk) != 0) | (np.diff(column) != 0)))[:len(chunk)])
        for sizes, where in (n_columns, chunk[new]), (n_values, chunk):
            sizes[1:][slab] = np.bincount(
                where, minlength=slab.stop - slab.start)
        count = np.diff(new, append=len(chunk))
        # Loops over as many values as the last time are predicted well.
        by_count = np.lexsort((count, chunk[new]))
        new, count = new[by_count], count[by_count]
        moved = np.repeat(new - np.cumsum(count) + count, count)
        moved += np.arange(len(chunk))
        pieces.append((
            value[moved], row[moved].astype(np.uint8),
            column[new].astype(np.int32), count.astype(np.uint8)))
    return Entries(
        whole.astype(np.int32), panels,
        *(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)),
        np.cumsum(n_columns), np.cumsum(n_values),
        background if np.any(background) else np.zeros(0))
