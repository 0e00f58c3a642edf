"""Primitives that combine entries: sums, extrema and products of matrices."""
import math
import operator
from functools import partial, reduce
from itertools import count
from typing import NamedTuple

from benchmark_utils.compiling.loops import LANES, in_lanes, width, widths
from benchmark_utils.compiling.numbers import maximum, minimum, where
from benchmark_utils.functions.differentiable.writer import Tensor


def _combine(writer, target, sizes, term, combine, start, order, lane,
             row=None, at_once=1):
    """Write what combines all terms of each entry, summed in registers.

    Axes are those of the target, and then those that are combined, which
    have these sizes: ``term`` is a function of an index with all of them.
    Loops are in this order. Vectors lie along the axis ``lane``, if not None;
    where it is one of the target, ``at_once`` of them are computed at once,
    and four entries along the axis ``row``.
    """
    code, shape, n = writer.code, target.shape, len(target.shape)
    across = lane is not None and lane >= n  # Lanes are added up.
    order = [k for k in order if k != lane] + [lane] * (lane is not None)
    outside = [k for k in order if k < n and k not in (lane, row)]
    start = code.constant(start, target.kind)

    def tile(outer, rows, columns):
        places = [[{row: r, lane: column}.get(k, outer.get(k))
                   for k in range(n)] for r in rows for column in columns]
        totals = [
            {w: code.variable(start.wide(w)) for w in (
                widths(writer.extent(sizes[lane - n])) if across
                else [width(*place)])}
            for place in places]

        def add(inner):
            for place, total in zip(places, totals, strict=True):
                w = width(*place, *inner)
                value = term((*place, *inner)).wide(w)
                code.set(total[w], combine(code.get(total[w]), value))

        writer.loops(sizes, add, lanes=across,
                     order=[k - n for k in order if k >= n])
        for place, total in zip(places, totals, strict=True):
            parts = [code.get(part) for part in total.values()]
            writer.write(target.memory, place, reduce(combine, [
                part.reduced(combine) if across else part
                for part in parts]))

    def by_rows(outer, *columns):
        if row is None:
            tile(outer, [None], columns)
            return
        size = writer.extent(shape[row])
        whole = size // 4 * 4 if isinstance(size, int) else size & -4
        with code.loop(0, whole, 4) as k:
            tile(outer, [k, k + 1, k + 2, k + 3], columns)
        with code.loop(whole, size) as k:
            tile(outer, [k], columns)

    def body(index):
        outer = dict(zip(outside, index, strict=True))
        if lane is None or across:
            by_rows(outer, None)
        else:
            in_lanes(code, writer.extent(shape[lane]),
                     partial(by_rows, outer), at_once)

    writer.loops([shape[k] for k in outside], body, lanes=False,
                 order=range(len(outside)))
    return target


def _reduced(combine, starts, writer, equation, a):
    """All entries along some axes, combined."""
    axes = equation.params["axes"]
    kept = [k for k in range(len(a.shape)) if k not in axes]
    places = {k: place for place, k in enumerate([*kept, *axes])}
    order = writer.order(a.shape)
    if a.memory is not None:
        order.sort(key=lambda k: -abs(a.memory.strides[k]))
    # Vectors along what is consecutive.
    along = [places[k] for k in order if a.shape[k] != 1]
    return _combine(
        writer, writer.new(equation.shape, a.kind),
        [a.shape[k] for k in axes], lambda index: writer.read(
            a, tuple(index[places[k]] for k in range(len(a.shape)))),
        combine, starts[a.kind], [places[k] for k in order],
        along[-1] if along else None)


_SUM, _ALL, _ANY = (
    partial(_reduced, combine, dict.fromkeys("fib", start))
    for combine, start in (
        (operator.add, 0), (operator.and_, 1), (operator.or_, 0)))
_MAXIMUM = partial(_reduced, maximum, {
    "f": -math.inf, "i": -2**63, "b": 0})
_MINIMUM = partial(_reduced, minimum, {
    "f": math.inf, "i": 2**63 - 1, "b": 1})


def _place(extremum, writer, equation, a):
    """Where the extremum along an axis is first, or NaN, as in NumPy."""
    (axis,) = equation.params["axes"]
    writer.now(a)
    found = extremum(writer, equation, a)

    def place(index):
        value = writer.read(a, index)
        is_it = value.compare("!=", value) | value.compare(
            "==", writer.read(found, index[:axis] + index[axis + 1:]))
        return where(is_it, writer.code.sequence(index[axis]), 2**63 - 1)

    return _MINIMUM(writer, equation, Tensor(a.shape, "i", place))


class _Factor(NamedTuple):
    """A tensor, the axes of the product that its own are, and those of it."""

    tensor: Tensor
    places: list
    free: list

    def stride(self, place):
        return self.tensor.memory.strides[self.places.index(place)]

    def laid_out(self, writer, place):
        """In memory, consecutive along an axis."""
        last = self.places.index(place)
        order = [k for k in range(len(self.places)) if k != last]
        return self._replace(
            tensor=writer.copied(self.tensor, [*order, last]))

    def read(self, writer, index):
        return writer.read(self.tensor, tuple(index[k] for k in self.places))


def _product(writer, equation, a, b):
    """Axes of the product: the batch, those of each factor, what is summed."""
    axes_of_sums, axes_of_batch = equation.params["dimension_numbers"]
    n, n_batch = len(equation.shape), len(axes_of_batch[0])
    next_free, factors = count(n_batch), []
    for t, summed, batch in zip(
            (a, b), axes_of_sums, axes_of_batch, strict=True):
        writer.now(t)
        places = {k: place for axes, start in ((batch, 0), (summed, n))
                  for place, k in enumerate(axes, start)}
        free = [k for k in range(len(t.shape)) if k not in places]
        places |= zip(free, next_free, strict=False)
        factors.append(_Factor(
            t, [places[k] for k in range(len(t.shape))],
            [places[k] for k in free if t.shape[k] != 1]))
    sizes = [a.shape[k] for k in axes_of_sums[0]]
    lane, factors = _vectors(writer, (*equation.shape, *sizes), n, factors)
    options, order = {}, writer.order(equation.shape)
    if lane is not None and lane < n:
        order = [k for k in order if k != lane] + [lane]
        (other,) = (f for f in factors if lane not in f.free)
        row = max(other.free, default=None, key=lambda k: _typical(
            writer, equation.shape[k]))
        # As many sums as registers hold, beside what is multiplied.
        options = {"row": row, "at_once": (
            (8, 3) if LANES == 8 else (6, 2))[row is not None]}
    a, b = factors
    return _combine(
        writer, writer.new(equation.shape, equation.kind, order), sizes,
        lambda index: a.read(writer, index) * b.read(writer, index),
        operator.add, 0, [*order, *range(n, n + len(sizes))], lane, **options)


def _typical(writer, n):
    return 64 if n == writer.sample_size else n


def _vectors(writer, shape, n, factors):
    """The axis that vectors of a product lie along, or None; its factors.

    An axis of the result that is consecutive in a factor, or one that is
    summed over and consecutive in both. A factor without samples is laid out
    anew if that gives the first, and is used often enough.
    """
    out = [(shape[k], -i, k) for i, f in enumerate(factors) for k in f.free
           if f.stride(k) == 1 and shape[k] != writer.sample_size]
    sums = [k for k in range(n, len(shape)) if shape[k] != 1
            and all(f.stride(k) == 1 for f in factors)]
    if out and not (sums and max(out)[0] < 4):
        return max(out)[2], factors
    fixed = [i for i, f in enumerate(factors)
             if f.free and writer.sample_size not in f.tensor.shape]
    few = min(math.prod(_typical(writer, shape[k]) for k in f.free)
              for f in factors) < 4
    if (sums and few) or not fixed:
        return (sums[0] if sums else None), factors
    i = min(fixed, key=lambda i: factors[i].tensor.size)
    lane = max(factors[i].free, key=lambda k: shape[k])
    anew = list(factors)
    anew[i] = factors[i].laid_out(writer, lane)
    return lane, anew


PRODUCTS = {
    "reduce_sum": _SUM, "reduce_and": _ALL, "reduce_or": _ANY,
    "reduce_max": _MAXIMUM, "reduce_min": _MINIMUM,
    "argmax": partial(_place, _MAXIMUM), "argmin": partial(_place, _MINIMUM),
    "dot_general": _product,
}
