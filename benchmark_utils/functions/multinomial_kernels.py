"""Kernels of multinomial logistic regression, on dense or sparse samples.

Numbers of classes lie side by side, so that an entry of a sample is loaded
once for all classes, and for z and v at once where an oracle needs both: they
are its *lanes*. The variables of users, class by class, are copied into such
an order, as many features as the batch has, and derivatives out of it.
"""
from typing import NamedTuple

import numpy as np
from numba import types

from benchmark_utils.compiled import exp_all, kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.apart import apart, set_apart
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
    resolve_batch_size,
)
from benchmark_utils.functions.multinomial_layout import (
    GROUP,
    PANEL,
    cut,
    round_up,
)
from benchmark_utils.functions.vectors import (
    LANES,
    ROWS,
    add,
    add_inner,
    add_outer,
    add_products,
    add_up,
    aligned_zeros,
    divide,
    exponential,
    load,
    load_lanes,
    load_rows,
    maximum,
    multiply,
    same,
    spread,
    store,
    store_lanes,
    store_rows,
    subtract,
    transpose,
)

# What several oracles call: kernels of the names with an underscore, of the
# batches and a tuple of these arguments.
_INT, _VECTOR = types.int64, types.Array(types.float64, 1, "C")
_APART = {
    "set_point": (_INT, _VECTOR, _VECTOR, _INT),
    "prepare": (_INT, _VECTOR, types.float64, _INT),
    "combine": (_INT, _INT, _INT),
    "set_derivatives": (_INT, _INT, *[_VECTOR] * 4, types.float64, _VECTOR),
    "add_combination": (types.float64, _VECTOR) * 2,
    "set_penalty_cross": (_VECTOR, _VECTOR, types.float64, _VECTOR),
    **{f"add_{what}_{n}": (_INT, _INT, _INT)
       for what in ("scores", "combinations") for n in (1, 2, 3)},
}
(set_point, prepare, combine, set_derivatives, add_combination,
 set_penalty_cross, add_scores_1, add_scores_2, add_scores_3,
 add_combinations_1, add_combinations_2, add_combinations_3) = (
    apart(position, *arguments)
    for position, arguments in enumerate(_APART.values()))

#: What x is to a function, and the code of it in the kernels.
OUTER_CODES = {None: 0, "weights": 1, "class": 2, "feature": 3, "scalar": 4}
# Features whose lanes stay in the first-level cache for all panels.
_TILE = 128
# A feature that is picked costs as much as so many that are copied.
_FEW = 5


class MultinomialBatches(NamedTuple):
    """A multinomial logistic loss cut into batches, for compiled oracles.

    Attributes
    ----------
    whole, panels, columns, counts, rows, values, first_group, first_row
    background
        Entries of the samples, as ``multinomial_layout.Entries`` says.
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


def multinomial_batches(entries, f, batch_size, order):
    """Batches of a multinomial function, for the oracles.

    Parameters
    ----------
    entries : function
        Of chunks and an order of samples: their ``Entries``.
    f : function
        With ``y``, ``n_classes``, ``n_features``, ``outer``, ``ridge`` and
        ``outer_dim``.
    batch_size : int or "full"
    order : array of int64, shape (n,), optional
        Samples in the order in which they fill the batches; as they are
        stored without it.

    Returns
    -------
    Function
    """
    n = f.n_samples
    batch_size = resolve_batch_size(batch_size, n)
    order = np.arange(n) if order is None else np.asarray(order, np.int64)
    width = round_up(2 * f.n_classes, 8)
    chunks = cut(n, batch_size, width)
    places = chunks.places(slice(None))
    size, p = round_up(chunks.size, 8), round_up(f.n_features, 8)
    labels = np.full((len(places), size), -1)
    labels[:, :chunks.size] = np.where(places < 0, -1, f.y[order[places]])
    penalties = np.zeros(f.outer_dim)
    batches = MultinomialBatches(
        *entries(chunks, order), labels, order, n, batch_size,
        -(-n // batch_size), chunks.size, chunks.per_batch, f.n_classes,
        f.n_features, OUTER_CODES[f.outer], f.ridge,
        *(aligned_zeros(p * width) for _ in range(3)),
        aligned_zeros(size * width),
        aligned_zeros((width + 8) * size).reshape(-1, size),
        *(aligned_zeros(width) for _ in range(2)),
        *(aligned_zeros(size) for _ in range(7)),
        penalties,
        penalties if f.outer == "feature" else np.zeros(f.n_features),
        np.array([0, -1]), np.arange(f.n_features, dtype=np.int32),
        np.zeros(len(_APART), np.int64), np.zeros(1, np.int64))
    set_apart(batches, {
        globals()[f"_{name}"]: arguments
        for name, arguments in _APART.items()})
    return oracles.bind(batches)


# Chunks.
@kernel
def _first_chunk(f, batch):
    return 0 if batch < 0 else batch * f.chunks_per_batch


@kernel
def _last_chunk(f, batch):
    """One more than the index of the last chunk."""
    n_chunks = f.labels.shape[0]
    if batch < 0:
        return n_chunks
    return min((batch + 1) * f.chunks_per_batch, n_chunks)


@kernel
def _filled(f, chunk):
    """Place of the first sample of a chunk, and the number of samples."""
    batch = chunk // f.chunks_per_batch
    within = (chunk - batch * f.chunks_per_batch) * f.chunk_size
    n = min(f.chunk_size, batch_size_of(f, batch) - within)
    return batch * f.batch_size + within, n


@kernel
def _filled_up(n):
    """n, filled up to whole vectors."""
    return (n + 7) // 8 * 8


# The kernels that touch the data, for n vectors of lanes. Where all entries
# are stored, the sums of r samples or of r features stay in registers. Rows of
# f.point and f.combination are all features, or those chosen, in their order:
# ``places`` are the rows of whole features, from ``skip`` on.
def _block(n, r):
    @kernel
    def add_scores(panels, at, w, places, skip, first, last, point, width,
                   lane, scores, row):
        sums = load(scores, row * width + lane, width, r, n)
        for j in range(first, last):
            sums = add_outer(
                sums, spread(panels, at + j * w, 1, r),
                load_rows(point, places, skip + j, width, lane, 1, n))
        store(scores, row * width + lane, width, r, n, sums)

    @kernel
    def add_combinations(panels, at, w, n_panels, n_whole, places, skip, j,
                         scores, width, lane, combination):
        sums = load_rows(combination, places, skip + j, width, lane, r, n)
        for panel in range(n_panels):
            for i in range(w):
                sums = add_outer(
                    sums,
                    spread(panels, at + (panel * n_whole + j) * w + i, w, r),
                    load(scores, (panel * w + i) * width + lane, 0, 1, n))
        store_rows(combination, places, skip + j, width, lane, r, n, sums)

    return add_scores, add_combinations


def _tile(n):
    score_block, combine_block = _block(n, ROWS)
    score_one, combine_one = _block(n, 1)

    @kernel
    def add_scores(f, chunk, width, lane):
        """f.scores += the entries of a chunk times f.point.

        f.at_background += the background times f.point, if chunk is -1.
        """
        if chunk < 0:
            sums = load(f.at_background, lane, 0, 1, n)
            for j in range(f.background.size):
                sums = add_outer(sums, spread(f.background, j, 0, 1),
                                 load(f.point, j * width + lane, 0, 1, n))
            store(f.at_background, lane, 0, 1, n, sums)
            return
        w = min(f.chunk_size, PANEL)
        n_panels, n_whole = f.chunk_size // w, f.whole.size
        everything = f.chosen[1] < 0
        columns = f.columns if everything else f.numbers
        whole = f.whole if everything else f.numbers
        first_place = 0 if everything else f.chosen[0]
        skip = 0 if everything else f.chosen[1] - first_place
        for first in range(0, n_whole, _TILE):
            last = min(first + _TILE, n_whole)
            for panel in range(n_panels):
                at = (chunk * n_panels + panel) * n_whole * w
                i = 0
                while i + ROWS <= w:
                    score_block(
                        f.panels, at + i, w, whole, skip, first, last,
                        f.point, width, lane, f.scores, panel * w + i)
                    i += ROWS
                while i < w:
                    score_one(
                        f.panels, at + i, w, whole, skip, first, last,
                        f.point, width, lane, f.scores, panel * w + i)
                    i += 1
        q = f.first_row[chunk]
        for group in range(f.first_group[chunk], f.first_group[chunk + 1]):
            place = GROUP * group - first_place
            z = load_rows(f.point, columns, place, width, lane, GROUP, n)
            last = q + np.int64(f.counts[group])
            while q < last:
                entries = spread(f.values, GROUP * q, 1, GROUP)
                i = np.int64(f.rows[q]) * width + lane
                store(f.scores, i, 0, 1, n, add_inner(
                    load(f.scores, i, 0, 1, n), entries, z))
                q += 1

    @kernel
    def add_combinations(f, chunk, width, lane):
        """f.combination += the entries of a chunk, weighted by f.scores.

        f.sums += these weights.
        """
        sums = load(f.sums, lane, 0, 1, n)
        for i in range(f.chunk_size):
            sums = add_outer(sums, same(1.0, 1), load(
                f.scores, i * width + lane, 0, 1, n))
        store(f.sums, lane, 0, 1, n, sums)
        w = min(f.chunk_size, PANEL)
        n_panels, n_whole = f.chunk_size // w, f.whole.size
        everything = f.chosen[1] < 0
        columns = f.columns if everything else f.numbers
        whole = f.whole if everything else f.numbers
        first_place = 0 if everything else f.chosen[0]
        skip = 0 if everything else f.chosen[1] - first_place
        at, j = chunk * n_panels * n_whole * w, 0
        while j + ROWS <= n_whole:
            combine_block(
                f.panels, at, w, n_panels, n_whole, whole, skip, j, f.scores,
                width, lane, f.combination)
            j += ROWS
        while j < n_whole:
            combine_one(
                f.panels, at, w, n_panels, n_whole, whole, skip, j, f.scores,
                width, lane, f.combination)
            j += 1
        q = f.first_row[chunk]
        for group in range(f.first_group[chunk], f.first_group[chunk + 1]):
            place = GROUP * group - first_place
            sums = load_rows(
                f.combination, columns, place, width, lane, GROUP, n)
            last = q + np.int64(f.counts[group])
            while q < last:
                entries = spread(f.values, GROUP * q, 1, GROUP)
                sums = add_outer(sums, entries, load(
                    f.scores, np.int64(f.rows[q]) * width + lane, 0, 1, n))
                q += 1
            # Of a feature in several places, the last is stored last.
            store_rows(f.combination, columns, place, width, lane, GROUP, n,
                       sums)

    return add_scores, add_combinations


_add_scores_1, _add_combinations_1 = _tile(1)
_add_scores_2, _add_combinations_2 = _tile(2)
_add_scores_3, _add_combinations_3 = _tile(3)


@kernel
def _add_scores(f, chunk, width):
    lane = 0
    while lane + 3 * LANES <= width:
        add_scores_3(f, (chunk, width, lane))
        lane += 3 * LANES
    if lane + 2 * LANES <= width:
        add_scores_2(f, (chunk, width, lane))
    elif lane < width:
        add_scores_1(f, (chunk, width, lane))


@kernel
def _add_combinations(f, chunk, width):
    lane = 0
    while lane + 3 * LANES <= width:
        add_combinations_3(f, (chunk, width, lane))
        lane += 3 * LANES
    if lane + 2 * LANES <= width:
        add_combinations_2(f, (chunk, width, lane))
    elif lane < width:
        add_combinations_1(f, (chunk, width, lane))


# From the order of users to that of the kernels, and back. All features are
# transposed in blocks. A few are picked: classes of them are rows of
# f.stacked, of which the transpose are lanes.
@kernel
def _choose_rows(f, batch):
    """All features or, if these are few, those that a batch has."""
    first = GROUP * f.first_group[_first_chunk(f, batch)]
    last = GROUP * f.first_group[_last_chunk(f, batch)]
    few = (last - first + f.whole.size) * _FEW < f.n_features
    f.chosen[0] = first if few else 0
    f.chosen[1] = last if few else -1


@kernel
def _n_chosen(f):
    """Number of features that are chosen, filled up to whole vectors."""
    return _filled_up(f.chosen[1] - f.chosen[0] + f.whole.size)


@kernel
def _set_point(f, batch, z, v, n_vectors):
    """f.point = lanes of z, or of z and v, for the features of a batch.

    Lanes that fill up have no meaning.
    """
    K, p, n_lanes = f.n_classes, f.n_features, n_vectors * f.n_classes
    width = _filled_up(n_lanes)
    for k in range(width):
        f.sums[k] = f.at_background[k] = 0.0
    _choose_rows(f, batch)
    if f.chosen[1] >= 0:
        _stack(f, z, 0)
        if n_vectors == 2:
            _stack(f, v, K)
        _transpose_all(f.stacked, 0, width, _n_chosen(f), f.point)
        for k in range(n_lanes if f.background.size else 0):
            f.at_background[k] = (
                _dot(f.background, 0, z, k * p, p) if k < K
                else _dot(f.background, 0, v, (k - K) * p, p))
        return
    j = p // LANES * LANES
    for lane in range(0, width, LANES):
        for first in range(0, j, LANES):
            store(f.point, first * width + lane, width, LANES, 1, transpose(
                load_lanes(z, v, K, p, n_lanes, lane, first)))
    while j < p:
        for k in range(n_lanes):
            f.point[j * width + k] = (
                z[k * p + j] if k < K else v[(k - K) * p + j])
        j += 1
    if f.background.size:
        _add_scores(f, -1, width)


@kernel
def _stack(f, z, row):
    """Rows of f.stacked, from ``row`` on = classes of z, chosen features."""
    n, first, last = _n_chosen(f), f.chosen[0], f.chosen[1]
    for k in range(f.n_classes):
        start, to = k * f.n_features, (row + k) * n
        for c in range(first, last):
            f.stacked[to] = z[start + np.int64(f.columns[c])]
            to += 1
        for c in range(f.whole.size):
            f.stacked[to] = z[start + np.int64(f.whole[c])]
            to += 1


@kernel
def _transpose_all(a, start, n_rows, n_columns, out):
    """out (n_columns, n_rows) = the transpose of a from ``start`` on."""
    for j in range(0, n_columns, LANES):
        for k in range(0, n_rows, LANES):
            store(out, j * n_rows + k, n_rows, LANES, 1, transpose(
                load(a, start + k * n_columns + j, n_columns, LANES, 1)))


@kernel
def _dot(a, i, b, j, n):
    """<a[i:i + n], b[j:j + n]>."""
    total, k = 0.0, 0
    if n >= 4 * LANES:
        sums = same(0.0, 4)
        while k + 4 * LANES <= n:
            sums = add_products(sums, load(a, i + k, 0, 1, 4),
                                load(b, j + k, 0, 1, 4))
            k += 4 * LANES
        total = add_up(sums)
    while k < n:
        total += a[i + k] * b[j + k]
        k += 1
    return total


@kernel
def _set_scores(f, chunk, n_vectors):
    """f.by_class = scores of the samples of a chunk, a row a lane."""
    width, size = _filled_up(n_vectors * f.n_classes), f.by_class.shape[1]
    for k in range(0, width, LANES):
        same = load(f.at_background, k, 0, 1, 1)
        for i in range(size):
            store(f.scores, i * width + k, 0, 1, 1, same)
    _add_scores(f, chunk, width)
    _transpose_all(f.scores, 0, size, width, f.by_class)


@kernel
def _set_lanes(f, row, n_lanes):
    """f.scores = rows of f.by_class, as lanes."""
    size = f.by_class.shape[1]
    _transpose_all(
        f.by_class, row * size, _filled_up(n_lanes), size, f.scores)


@kernel
def _combine(f, chunk, row, n_lanes):
    """Add the combinations of a chunk, by weights that are f.by_class."""
    _set_lanes(f, row, n_lanes)
    _add_combinations(f, chunk, _filled_up(n_lanes))


@kernel
def _set_derivatives(f, n_vectors, with_sums, z, out, v, other, scale, out_x):
    """out, other = the penalty's parts at z, v, and the sums of samples.

    ``other`` if there are two vectors, sums if there are any, which become 0.
    ``out_x`` += scale times the derivative in x of sum_kj r_kj z_kj v_kj.
    """
    K, few = f.n_classes, f.chosen[1] >= 0
    if with_sums and few:
        _stack_combinations(f, n_vectors * K)
    elif with_sums:
        _set_in_blocks(f, n_vectors * K, z, out, v, other)
    # A class at a time, which stays in the second-level cache.
    for k in range(K):
        if few or not with_sums:
            _set_class(f, k, z, out, with_sums, k)
            if n_vectors == 2:
                _set_class(f, k, v, other, with_sums, K + k)
        if scale != 0.0:
            _add_penalty_cross(f, k, z, v, scale, out_x)


@kernel
def _set_in_blocks(f, n_lanes, z, out, v, other):
    """``_set_derivatives`` for all features."""
    K, p, width = f.n_classes, f.n_features, _filled_up(n_lanes)
    for k in range(n_lanes):
        f.at_background[k] = _class_penalty(f, k if k < K else k - K)
    j = p // LANES * LANES
    for lane in range(0, width, LANES):
        penalties = spread(f.at_background, lane, 1, LANES)
        shifts = spread(f.sums, lane, 1, LANES)
        for first in range(0, j, LANES):
            start = first * width + lane
            total = transpose(load(f.combination, start, width, LANES, 1))
            store(f.combination, start, width, LANES, 1, same(0.0, LANES))
            own = load_lanes(z, v, K, p, n_lanes, lane, first)
            total = add_products(total, penalties, own)
            total = add_products(
                total, load(f.per_feature, first, 0, LANES, 1), own)
            if f.background.size:
                total = add_products(
                    total, load(f.background, first, 0, LANES, 1), shifts)
            store_lanes(out, other, K, p, n_lanes, lane, first, total)
    while j < p:
        for k in range(n_lanes):
            total = f.combination[j * width + k]
            if f.background.size:
                total += f.sums[k] * f.background[j]
            penalty = f.at_background[k] + f.per_feature[j]
            if k < K:
                out[k * p + j] = total + penalty * z[k * p + j]
            else:
                start = (k - K) * p
                other[start + j] = total + penalty * v[start + j]
        for k in range(width):
            f.combination[j * width + k] = 0.0
        j += 1


@kernel
def _set_class(f, k, z, out, with_sums, lane):
    """``_set_derivatives`` for a class, with a lane of f.stacked."""
    p, start, penalty, j = f.n_features, k * f.n_features, same(
        _class_penalty(f, k), 1), 0
    while j + LANES <= p:
        own = load(z, start + j, 0, 1, 1)
        total = add_products(same(0.0, 1), penalty, own)
        store(out, start + j, 0, 1, 1, add_products(
            total, load(f.per_feature, j, 0, 1, 1), own))
        j += LANES
    while j < p:
        out[start + j] = (
            (_class_penalty(f, k) + f.per_feature[j]) * z[start + j])
        j += 1
    if with_sums:
        _add_class(f, k, 1.0, lane, out)


@kernel
def _add_class(f, k, scale, lane, out):
    """A class of out += scale times a lane of sums, of chosen features."""
    first, last, start = f.chosen[0], f.chosen[1], k * f.n_features
    row = lane * _n_chosen(f)
    for c in range(first, last):
        out[start + np.int64(f.columns[c])] += scale * f.stacked[row]
        row += 1
    for c in range(f.whole.size):
        out[start + np.int64(f.whole[c])] += scale * f.stacked[row]
        row += 1
    _add_row(out, start, scale * f.sums[lane], f.background, 0,
             f.background.size)


@kernel
def _stack_combinations(f, n_lanes):
    """f.stacked = lanes of f.combination, which becomes 0."""
    n, width = _n_chosen(f), _filled_up(n_lanes)
    _transpose_all(f.combination, 0, n, width, f.stacked)
    for c in range(n * width):
        f.combination[c] = 0.0


@kernel
def _add_combination(f, scale, out, average_scale, average):
    """Multiples of the sums of samples are added to out and to average."""
    K, p, width = f.n_classes, f.n_features, _filled_up(f.n_classes)
    if f.chosen[1] >= 0:
        _stack_combinations(f, K)
        for k in range(K):
            _add_class(f, k, scale, k, out)
            _add_class(f, k, average_scale, k, average)
        return
    j = p // LANES * LANES
    for lane in range(0, width, LANES):
        shifts = spread(f.sums, lane, 1, LANES)
        scales = same(scale, LANES)
        average_scales = same(average_scale, LANES)
        for first in range(0, j, LANES):
            start = first * width + lane
            total = transpose(load(f.combination, start, width, LANES, 1))
            store(f.combination, start, width, LANES, 1, same(0.0, LANES))
            if f.background.size:
                total = add_products(
                    total, load(f.background, first, 0, LANES, 1), shifts)
            store_lanes(out, out, K, p, K, lane, first, add_products(
                load_lanes(out, out, K, p, K, lane, first), total, scales))
            store_lanes(average, average, K, p, K, lane, first, add_products(
                load_lanes(average, average, K, p, K, lane, first), total,
                average_scales))
    while j < p:
        for k in range(K):
            total = f.combination[j * width + k]
            if f.background.size:
                total += f.sums[k] * f.background[j]
            out[k * p + j] += scale * total
            average[k * p + j] += average_scale * total
        for k in range(width):
            f.combination[j * width + k] = 0.0
        j += 1


@kernel
def _add_row(out, start, scale, a, row, n):
    """out[start:start + n] += scale * a[row:row + n]."""
    j = 0
    while j + LANES <= n:
        store(out, start + j, 0, 1, 1, add_products(
            load(out, start + j, 0, 1, 1), same(scale, 1),
            load(a, row + j, 0, 1, 1)))
        j += LANES
    while j < n:
        out[start + j] += scale * a[row + j]
        j += 1


# Samples of a chunk, a row of f.by_class a class: z in the first K rows, v in
# the next. Each loop takes a vector of samples.
@kernel
def _set_weights(f, chunk, x, scale):
    """f.weight and f.slope: scale times w_i and its derivative."""
    first, n = _filled(f, chunk)
    size = f.weight.size
    if f.outer != 1:
        for i in range(size):
            f.weight[i] = scale if i < n else 0.0
        return
    for i in range(size):
        f.slope[i] = x[f.order[first + i]] if i < n else 0.0
    one, nothing = same(1.0, 1), same(0.0, 1)
    for i in range(0, size, LANES):
        u = load(f.slope, i, 0, 1, 1)
        over = add(one, exponential(u))
        under = add(one, exponential(subtract(nothing, u)))
        weight = divide(same(scale, 1), under)
        store(f.weight, i, 0, 1, 1, weight)
        store(f.slope, i, 0, 1, 1, divide(weight, over))
    for i in range(n, size):
        f.weight[i] = f.slope[i] = 0.0


@kernel
def _set_probabilities(f, n_vectors):
    """Scores become probabilities s_i; f.own = the averages of those of v.

    f.largest and f.total: the largest scores, and sums of exponentials.
    """
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(0, size, LANES):
        largest = load(f.by_class, i, 0, 1, 1)
        for k in range(1, K):
            largest = maximum(
                largest, load(f.by_class, k * size + i, 0, 1, 1))
        total = same(0.0, 1)
        for k in range(K):
            e = exponential(subtract(
                load(f.by_class, k * size + i, 0, 1, 1), largest))
            store(f.by_class, k * size + i, 0, 1, 1, e)
            total = add(total, e)
        store(f.largest, i, 0, 1, 1, largest)
        store(f.total, i, 0, 1, 1, total)
        inverse, own = divide(same(1.0, 1), total), same(0.0, 1)
        for k in range(K):
            s = multiply(load(f.by_class, k * size + i, 0, 1, 1), inverse)
            store(f.by_class, k * size + i, 0, 1, 1, s)
            if n_vectors == 2:
                own = add_products(
                    own, s, load(f.by_class, (K + k) * size + i, 0, 1, 1))
        store(f.own, i, 0, 1, 1, own)


@kernel
def _set_sample_weights(f, n_vectors):
    """Probabilities s become w s, scores a of v w (diag(s) - s s') a."""
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(0, size, LANES):
        weight, own = load(f.weight, i, 0, 1, 1), load(f.own, i, 0, 1, 1)
        for k in range(K):
            s = multiply(weight, load(f.by_class, k * size + i, 0, 1, 1))
            store(f.by_class, k * size + i, 0, 1, 1, s)
            if n_vectors == 2:
                along = (K + k) * size + i
                store(f.by_class, along, 0, 1, 1, multiply(s, subtract(
                    load(f.by_class, along, 0, 1, 1), own)))


@kernel
def _set_losses(f, n):
    """Losses of n samples, after ``prepare``, to f.loss."""
    for i in range(n):
        f.loss[i] += np.log(f.total[i])


@kernel
def _put(f, chunk, values, out):
    """Entries of out of the samples of a chunk: slope times values."""
    first, n = _filled(f, chunk)
    for i in range(n):
        out[f.order[first + i]] = f.slope[i] * values[i]


# The penalty, and x where it is penalties.
@kernel
def _set_penalties(f, x):
    """f.r = r(x) where x is log-penalties."""
    if f.outer >= 2:
        exp_all(x, f.r)


@kernel
def _class_penalty(f, k):
    """C + r_k; what depends on the feature is f.per_feature."""
    if f.outer == 2:
        return f.ridge + f.r[k]
    if f.outer == 4:
        return f.ridge + f.r[0]
    return f.ridge


@kernel
def _add_penalty_cross(f, k, z, v, scale, out):
    """out += scale times the derivative in x of sum_j r_kj z_kj v_kj."""
    p, start = f.n_features, k * f.n_features
    if f.outer == 2:
        out[k] += scale * f.r[k] * _dot(z, start, v, start, p)
    elif f.outer == 3:
        for j in range(p):
            out[j] += scale * f.r[j] * z[start + j] * v[start + j]
    elif f.outer == 4:
        out[0] += scale * f.r[0] * _dot(z, start, v, start, p)


@kernel
def _set_penalty_cross(f, z, v, scale, out):
    """out = scale times the derivative in x of sum_kj r_kj z_kj v_kj."""
    _clear(out)
    for k in range(f.n_classes):
        _add_penalty_cross(f, k, z, v, scale, out)


@kernel
def _clear(out):
    for c in range(out.size):
        out[c] = 0.0


@kernel
def _penalty_value(f, z):
    """sum_kj (C + r_kj) z_kj^2."""
    p, total = f.n_features, 0.0
    for k in range(f.n_classes):
        total += _class_penalty(f, k) * _dot(z, k * p, z, k * p, p)
        if f.outer == 3:
            for j in range(p):
                total += f.r[j] * z[k * p + j] ** 2
    return total


@kernel
def _prepare(f, chunk, x, scale, n_vectors):
    """Weights of the samples of a chunk in the derivatives, in f.by_class.

    w (s - e_y) in the gradient, and with two vectors w (diag(s) - s s') a in
    the Hessian product, with the scores a of v. f.own becomes the derivative
    of the losses along v, which the cross derivative needs.
    """
    _set_weights(f, chunk, x, scale)
    _set_scores(f, chunk, n_vectors)
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(size):
        label = max(f.labels[chunk, i], 0)
        f.loss[i] = f.by_class[label, i]
        if n_vectors == 2:
            f.along[i] = f.by_class[K + label, i]
    _set_probabilities(f, n_vectors)
    _set_sample_weights(f, n_vectors)
    for i in range(size):
        f.by_class[max(f.labels[chunk, i], 0), i] -= f.weight[i]
        f.loss[i] = f.largest[i] - f.loss[i]
        f.own[i] -= f.along[i]


# The oracles.
@kernel
def _value(f, batch, z, x):
    total, scale = 0.0, batch_weight(f, batch)
    set_point(f, (batch, z, z, 1))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        prepare(f, (chunk, x, scale, 1))
        n = _filled(f, chunk)[1]
        _set_losses(f, n)
        for i in range(n):
            total += f.weight[i] * f.loss[i]
    _set_penalties(f, x)
    return total + 0.5 * _penalty_value(f, z)


@kernel
def _grad_z(f, batch, z, x, out):
    K, scale = f.n_classes, batch_weight(f, batch)
    set_point(f, (batch, z, z, 1))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        prepare(f, (chunk, x, scale, 1))
        combine(f, (chunk, 0, K))
    _set_penalties(f, x)
    set_derivatives(f, (1, 1, z, out, z, out, 0.0, out))
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    _set_penalties(f, x)
    set_penalty_cross(f, (z, z, 0.5, out))
    # Weights: the entries of the samples of the batch, and no others.
    if f.outer == 1:
        scale = batch_weight(f, batch)
        set_point(f, (batch, z, z, 1))
        for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
            prepare(f, (chunk, x, scale, 1))
            _set_losses(f, _filled(f, chunk)[1])
            _put(f, chunk, f.loss, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    K, scale = f.n_classes, batch_weight(f, batch)
    set_point(f, (batch, z, v, 2))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        prepare(f, (chunk, x, scale, 2))
        combine(f, (chunk, K, K))
    _set_penalties(f, x)
    set_derivatives(f, (1, 1, v, out, v, out, 0.0, out))
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    _set_penalties(f, x)
    set_penalty_cross(f, (z, v, 1.0, out))
    if f.outer == 1:
        scale = batch_weight(f, batch)
        set_point(f, (batch, z, v, 2))
        for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
            prepare(f, (chunk, x, scale, 2))
            _put(f, chunk, f.own, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    K, scale = f.n_classes, batch_weight(f, batch)
    _set_penalties(f, x)
    _clear(out_x)
    set_point(f, (batch, z, z, 1))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        prepare(f, (chunk, x, scale, 1))
        if f.outer == 1:
            _set_losses(f, _filled(f, chunk)[1])
            _put(f, chunk, f.loss, out_x)
        combine(f, (chunk, 0, K))
    set_derivatives(f, (1, 1, z, out_z, z, out_z, 0.5, out_x))
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    K, scale = f.n_classes, batch_weight(f, batch)
    _set_penalties(f, x)
    _clear(out_cross)
    set_point(f, (batch, z, v, 2))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        prepare(f, (chunk, x, scale, 2))
        if f.outer == 1:
            _put(f, chunk, f.own, out_cross)
        combine(f, (chunk, 0, 2 * K))
    set_derivatives(f, (2, 1, z, out_grad, v, out_hvp, 1.0, out_cross))
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


# The oracles by sample: the samples enter the derivatives in z through one
# number a class, those in x through their own entry of x or not at all.
@kernel
def _keep(f, n, lane, width, first, out):
    """Rows of out, from the first on = lanes of the samples of a chunk."""
    for i in range(n):
        for k in range(f.n_classes):
            out[first + i, k] = f.scores[i * width + lane + k]


@kernel
def _keep_entries(f, values, first, n, out):
    """Rows of out, from the first on = slope times values."""
    for i in range(n):
        out[first + i, 0] = f.slope[i] * values[i]


@kernel
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    K, place = f.n_classes, 0
    _set_penalties(f, x)
    _clear(out_cross)
    set_derivatives(f, (2, 0, z, out_grad, v, out_hvp, 1.0, out_cross))
    set_point(f, (batch, z, v, 2))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        n = _filled(f, chunk)[1]
        prepare(f, (chunk, x, 1.0, 2))
        if f.outer == 1:
            _keep_entries(f, f.own, place, n, w_cross)
        _set_lanes(f, 0, 2 * K)
        _keep(f, n, 0, _filled_up(2 * K), place, w_grad)
        _keep(f, n, K, _filled_up(2 * K), place, w_hvp)
        place += n
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    K, place = f.n_classes, 0
    _set_penalties(f, x)
    _clear(out_x)
    set_derivatives(f, (1, 0, z, out_z, z, out_z, 0.5, out_x))
    set_point(f, (batch, z, z, 1))
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        n = _filled(f, chunk)[1]
        prepare(f, (chunk, x, 1.0, 1))
        if f.outer == 1:
            _set_losses(f, n)
            _keep_entries(f, f.loss, place, n, w_x)
        _set_lanes(f, 0, K)
        _keep(f, n, 0, _filled_up(K), place, w_grad)
        place += n
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _add_samples(f, batch, weights, out, average):
    K, place, width = f.n_classes, 0, _filled_up(f.n_classes)
    _choose_rows(f, batch)
    for k in range(width):
        f.sums[k] = 0.0
    for chunk in range(_first_chunk(f, batch), _last_chunk(f, batch)):
        n = _filled(f, chunk)[1]
        for i in range(f.chunk_size):
            for k in range(width):
                f.scores[i * width + k] = 0.0
        for i in range(n):
            for k in range(K):
                f.scores[i * width + k] = weights[place + i, k]
        _add_combinations(f, chunk, width)
        place += n
    add_combination(f, (
        batch_weight(f, batch), out, 1.0 / f.n_samples, average))


@kernel
def _add_entries(f, batch, weights, out, average):
    scale, first = batch_weight(f, batch), max(batch, 0) * f.batch_size
    if f.outer == 1:
        for i in range(batch_size_of(f, batch)):
            sample = f.order[first + i]
            out[sample] += scale * weights[i, 0]
            average[sample] += weights[i, 0] / f.n_samples


@kernel
def _project(f, x):
    pass


oracles.register(
    MultinomialBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project, directions_by_sample=_directions_by_sample,
    gradients_by_sample=_gradients_by_sample, add_samples=_add_samples,
    add_entries=_add_entries,
)
