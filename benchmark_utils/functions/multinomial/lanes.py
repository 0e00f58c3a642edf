"""From the order of users to that of the kernels, and back.

All features are transposed in blocks. A few are picked: classes of them are
rows of ``stacked``, of which the transpose are lanes.
"""
import numpy as np

from benchmark_utils.compiling.compiled import descend, kernel
from benchmark_utils.compiling.vectors import (
    LANES,
    add,
    add_products,
    load,
    load_lanes,
    same,
    spread,
    store,
    store_lanes,
    transpose,
)
from benchmark_utils.functions.multinomial.batches import (
    filled_up,
    first_chunk,
    last_chunk,
)
from benchmark_utils.functions.multinomial.layout import GROUP
from benchmark_utils.functions.multinomial.penalty import (
    add_penalty_cross,
    class_penalty,
    dot,
)
from benchmark_utils.functions.multinomial.products import (
    add_combinations,
    add_scores,
)

# A feature that is picked costs as much as so many that are copied.
_FEW = 5


@kernel
def choose_rows(f, batch):
    """All features or, if these are few, those that a batch has."""
    first = GROUP * f.first_group[first_chunk(f, batch)]
    last = GROUP * f.first_group[last_chunk(f, batch)]
    few = (last - first + f.whole.size) * _FEW < f.n_features
    f.chosen[0] = first if few else 0
    f.chosen[1] = last if few else -1


@kernel
def _n_chosen(f):
    """Number of features that are chosen, filled up to whole vectors."""
    return filled_up(f.chosen[1] - f.chosen[0] + f.whole.size)


@kernel
def set_point(f, batch, z, v, n_vectors):
    """f.point = lanes of z, or of z and v, for the features of a batch.

    Lanes that fill up have no meaning.
    """
    K, p, n_lanes = f.n_classes, f.n_features, n_vectors * f.n_classes
    width = filled_up(n_lanes)
    for k in range(width):
        f.sums[k] = f.at_background[k] = 0.0
    choose_rows(f, batch)
    if f.chosen[1] >= 0:
        _stack(f, z, 0)
        if n_vectors == 2:
            _stack(f, v, K)
        _transpose_all(f.stacked, 0, width, _n_chosen(f), f.point)
        for k in range(n_lanes if f.background.size else 0):
            f.at_background[k] = (
                dot(f.background, 0, z, k * p, p) if k < K
                else dot(f.background, 0, v, (k - K) * p, p))
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
        add_scores(f, -1, width)


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
def set_scores(f, chunk, n_vectors):
    """f.by_class = scores of the samples of a chunk, a row a lane."""
    width, size = filled_up(n_vectors * f.n_classes), f.by_class.shape[1]
    for k in range(0, width, LANES):
        same = load(f.at_background, k, 0, 1, 1)
        for i in range(size):
            store(f.scores, i * width + k, 0, 1, 1, same)
    add_scores(f, chunk, width)
    _transpose_all(f.scores, 0, size, width, f.by_class)


@kernel
def set_lanes(f, row, n_lanes):
    """f.scores = rows of f.by_class, as lanes."""
    size = f.by_class.shape[1]
    _transpose_all(
        f.by_class, row * size, filled_up(n_lanes), size, f.scores)


@kernel
def combine(f, chunk, row, n_lanes):
    """Add the combinations of a chunk, by weights that are f.by_class."""
    set_lanes(f, row, n_lanes)
    add_combinations(f, chunk, filled_up(n_lanes))


@kernel
def set_derivatives(f, n_vectors, with_sums, z, out, v, other, scale, out_x):
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
            add_penalty_cross(f, k, z, v, scale, out_x)


@kernel
def _set_in_blocks(f, n_lanes, z, out, v, other):
    """``set_derivatives`` for all features."""
    K, p, width = f.n_classes, f.n_features, filled_up(n_lanes)
    for k in range(n_lanes):
        f.at_background[k] = class_penalty(f, k if k < K else k - K)
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
    """``set_derivatives`` for a class, with a lane of f.stacked."""
    p, start, penalty, j = f.n_features, k * f.n_features, same(
        class_penalty(f, k), 1), 0
    while j + LANES <= p:
        own = load(z, start + j, 0, 1, 1)
        total = add_products(same(0.0, 1), penalty, own)
        store(out, start + j, 0, 1, 1, add_products(
            total, load(f.per_feature, j, 0, 1, 1), own))
        j += LANES
    while j < p:
        out[start + j] = (
            (class_penalty(f, k) + f.per_feature[j]) * z[start + j])
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
    n, width = _n_chosen(f), filled_up(n_lanes)
    _transpose_all(f.combination, 0, n, width, f.stacked)
    for c in range(n * width):
        f.combination[c] = 0.0


@kernel
def add_averages(f, n_vectors, scale, out, other, average, other_average):
    """out += average + scale * sums of samples; average += their part.

    The same for ``other``, if there are two vectors.
    """
    K, p, n_lanes = f.n_classes, f.n_features, n_vectors * f.n_classes
    width, part = filled_up(n_lanes), 1.0 / f.n_samples
    if f.chosen[1] >= 0:
        _stack_combinations(f, n_lanes)
        _add_average(f, 0, scale, out, average)
        if n_vectors == 2:
            _add_average(f, K, scale, other, other_average)
        return
    scales, parts = same(scale, LANES), same(part, LANES)
    j = p // LANES * LANES
    for lane in range(0, width, LANES):
        shifts = spread(f.sums, lane, 1, LANES)
        for first in range(0, j, LANES):
            start = first * width + lane
            total = transpose(load(f.combination, start, width, LANES, 1))
            store(f.combination, start, width, LANES, 1, same(0.0, LANES))
            if f.background.size:
                total = add_products(
                    total, load(f.background, first, 0, LANES, 1), shifts)
            mean = load_lanes(
                average, other_average, K, p, n_lanes, lane, first)
            store_lanes(
                average, other_average, K, p, n_lanes, lane, first,
                add_products(mean, total, parts))
            mean = add(mean, load_lanes(out, other, K, p, n_lanes, lane,
                                        first))
            store_lanes(out, other, K, p, n_lanes, lane, first,
                        add_products(mean, total, scales))
    while j < p:
        for k in range(n_lanes):
            total = f.combination[j * width + k]
            if f.background.size:
                total += f.sums[k] * f.background[j]
            if k < K:
                out[k * p + j] += average[k * p + j] + scale * total
                average[k * p + j] += part * total
            else:
                c = (k - K) * p + j
                other[c] += other_average[c] + scale * total
                other_average[c] += part * total
        for k in range(width):
            f.combination[j * width + k] = 0.0
        j += 1


@kernel
def _add_average(f, first, scale, out, average):
    """``add_averages`` for a vector, with lanes of f.stacked."""
    descend(out, -1.0, average)
    for k in range(f.n_classes):
        _add_class(f, k, scale, first + k, out)
        _add_class(f, k, 1.0 / f.n_samples, first + k, average)


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
