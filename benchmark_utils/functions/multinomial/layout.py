"""How the samples of multinomial functions lie in memory.

Samples are cut into chunks that stay in the cache between the two times that
they are read; each batch is a run of chunks. Of a feature that mostly has one
and the same value, such as 0, only the other entries are stored.
"""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.vectors import aligned_zeros

#: Samples whose features lie side by side where all entries are stored.
PANEL = 8
#: Features that are stored together where only some entries are.
GROUP = 4
#: Most samples in a chunk; a row or a place in it fits a byte.
_MAX_CHUNK = 64
# Scores of a chunk stay in the second-level cache, for many classes too.
_MAX_SCORES = 2**17
# What is laid out at a time, so that little memory is needed: entries of
# dense samples, rows of sparse ones.
_SLAB, _SLAB_ROWS = 2**22, 2**12
# Share of the entries of a feature that are not 0, up to which only these are
# stored.
MAX_SHARE = 0.8


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
    columns : array of int32
        The other features of each chunk that have values, in groups of
        ``GROUP``: pixels side by side are mostly in the same samples. Where
        there are not enough, the first one of a group also stands, without
        values, in the places before it.
    counts : array of uint8
        Samples that have one of a group, for each; small numbers first.
    rows : array of uint8
        These samples, within their chunk.
    values : array of float64
        Their entries, ``GROUP`` for each.
    first_group, first_row : array of int64, shape (n_chunks + 1,)
        Where each chunk starts in ``counts`` and in ``rows``.
    background : array of float64, shape (p,) or (0,)
        What all samples have; empty where it is 0.
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
    n_groups, n_rows = np.zeros((2, len(chunks.start) + 1), np.int64)
    pieces = []
    for slab, entries, (chunk, column, row, value) in slabs:
        panels.reshape(shape)[slab] = entries.reshape(
            len(entries), *shape[1:2], w, len(whole)).transpose(0, 1, 3, 2)
        groups = _in_groups(chunk, column, row, value)
        for sizes, counted in (n_groups, groups[0]), (n_rows, groups[1]):
            sizes[1:][slab] = np.bincount(
                counted, minlength=slab.stop - slab.start)
        pieces.append(groups[2:])
    *places, values = (
        np.concatenate(arrays).ravel() for arrays in zip(*pieces, strict=True))
    return Entries(
        whole.astype(np.int32), panels, *places, values,
        np.cumsum(n_groups), np.cumsum(n_rows),
        background if np.any(background) else np.zeros(0))


def _in_groups(chunk, column, row, value):
    """Entries, chunk by chunk, feature by feature, in groups of features.

    Returns
    -------
    chunk_of_group, chunk_of_row : array of int64
        Of each group of features, and of each sample that has one of them.
    columns : array of int32, shape (n_groups, GROUP)
    counts : array of uint8, shape (n_groups,)
    rows : array of uint8, shape (n_rows,)
    values : array of float64, shape (n_rows, GROUP)
        As ``Entries`` says.
    """
    # Features of each chunk, and their places among them.
    is_new = np.ones(len(chunk), bool)
    is_new[1:] = (np.diff(chunk) != 0) | (np.diff(column) != 0)
    chunk_of, column_of = chunk[is_new], column[is_new]
    n_features = np.bincount(chunk_of)
    first = np.cumsum(n_features) - n_features
    # Where features are missing in a group, it is at its start.
    n_groups = -(-n_features // GROUP)
    place = np.arange(len(chunk_of)) - first[chunk_of]
    place += (n_groups * GROUP - n_features)[chunk_of]
    group_of = (np.cumsum(n_groups) - n_groups)[chunk_of] + place // GROUP
    slot_of = place % GROUP
    columns = np.empty((np.sum(n_groups), GROUP), np.int32)
    columns[group_of[::-1]] = column_of[::-1, None]
    columns[group_of, slot_of] = column_of

    feature = np.cumsum(is_new) - 1
    key, inverse = np.unique(
        group_of[feature] * _MAX_CHUNK + row, return_inverse=True)
    group, row = np.divmod(key, _MAX_CHUNK)
    values = np.zeros((len(key), GROUP))
    values[inverse, slot_of[feature]] = value
    counts = np.bincount(group, minlength=len(columns))
    chunk_of_group = np.repeat(np.arange(len(n_groups)), n_groups)
    # Loops over as many rows as the last time are predicted well.
    order = np.lexsort((counts, chunk_of_group))
    counts = counts[order]
    starts = np.searchsorted(group, order)
    moved = np.repeat(starts - np.cumsum(counts) + counts, counts)
    moved += np.arange(len(key))
    return (chunk_of_group, chunk_of_group[group], columns[order],
            counts.astype(np.uint8), row[moved].astype(np.uint8),
            values[moved])
