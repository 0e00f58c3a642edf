"""Products of the samples of a chunk, which are all that touches them."""
import numpy as np

from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.compiling.vectors import (
    LANES,
    ROWS,
    add_inner,
    add_outer,
    load,
    load_rows,
    same,
    spread,
    store,
    store_rows,
)
from benchmark_utils.functions.multinomial.calls import (
    call_add_combinations_1,
    call_add_combinations_2,
    call_add_combinations_3,
    call_add_scores_1,
    call_add_scores_2,
    call_add_scores_3,
)
from benchmark_utils.functions.multinomial.layout import GROUP, PANEL

# Features whose lanes stay in the first-level cache for all panels.
_TILE = 128


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


@kernel
def _panels(f):
    """Samples of a panel, panels of a chunk, and whole features."""
    w = min(f.chunk_size, PANEL)
    return w, f.chunk_size // w, f.whole.size


@kernel
def _first_rows(f):
    """Places less rows of f.point: of columns, and of whole features."""
    if f.chosen[1] < 0:
        return 0, 0
    return f.chosen[0], f.chosen[1] - f.chosen[0]


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
        w, n_panels, n_whole = _panels(f)
        first_place, skip = _first_rows(f)
        everything = f.chosen[1] < 0
        columns = f.columns if everything else f.numbers
        whole = f.whole if everything else f.numbers
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
        w, n_panels, n_whole = _panels(f)
        first_place, skip = _first_rows(f)
        everything = f.chosen[1] < 0
        columns = f.columns if everything else f.numbers
        whole = f.whole if everything else f.numbers
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


add_scores_1, add_combinations_1 = _tile(1)
add_scores_2, add_combinations_2 = _tile(2)
add_scores_3, add_combinations_3 = _tile(3)


def _over_lanes(call_1, call_2, call_3):
    @kernel
    def over_lanes(f, chunk, width):
        lane = 0
        while lane + 3 * LANES <= width:
            call_3(f, (chunk, width, lane))
            lane += 3 * LANES
        if lane + 2 * LANES <= width:
            call_2(f, (chunk, width, lane))
        elif lane < width:
            call_1(f, (chunk, width, lane))

    return over_lanes


add_scores = _over_lanes(
    call_add_scores_1, call_add_scores_2, call_add_scores_3)
add_combinations = _over_lanes(
    call_add_combinations_1, call_add_combinations_2, call_add_combinations_3)
