"""Loops over vectors, written in LLVM without Numba.

Numba would take a minute for code of this kind, nearly all of it for types
and for making vectors of loops. Here both are known beforehand.
"""
import contextlib

from llvmlite import ir
from numba.core import cgutils

from benchmark_utils.compiling.numbers import (
    DOUBLE,
    INTEGER,
    KINDS,
    Number,
    joined,
    of_width,
)
from benchmark_utils.compiling.vectors import LANES


class Lanes:
    """An index that is as many consecutive places as there are lanes."""

    def __init__(self, start, width):
        self.start, self.width = start, width

    def __add__(self, other):
        return Lanes(self.start + other, self.width)


def first(index):
    """The first place of an index, which may be one."""
    return index.start if isinstance(index, Lanes) else index


def width(*index):
    """How many places indices are, one on each axis."""
    return max((k.width for k in index if isinstance(k, Lanes)), default=1)


class Code:
    """The code of one function, while it is written.

    An index is an int, a Number, or ``Lanes``; sizes are int or Number.

    Parameters
    ----------
    builder : IRBuilder
    """

    def __init__(self, builder):
        self.builder = builder

    def integer(self, value):
        if isinstance(value, Number):
            return value
        return Number(self.builder, ir.Constant(INTEGER, int(value)))

    def constant(self, value, kind):
        value = {"f": float, "b": bool}.get(kind, int)(value)
        return Number(self.builder, ir.Constant(KINDS[kind], value))

    def array(self, values):
        """Numbers that are part of the code (1-D, of 8 bytes each)."""
        element = DOUBLE if values.dtype.kind == "f" else INTEGER
        kind = ir.ArrayType(element, values.size)
        constant = ir.GlobalVariable(
            self.builder.module, kind,
            self.builder.module.get_unique_name("array"))
        constant.global_constant, constant.linkage = True, "internal"
        constant.initializer = ir.Constant(
            kind, [ir.Constant(element, v) for v in values.tolist()])
        return self.builder.bitcast(constant, DOUBLE.as_pointer())

    @contextlib.contextmanager
    def loop(self, start, stop, step=1):
        start, stop, step = map(self.integer, (start, stop, step))
        with cgutils.for_range_slice(
                self.builder, start.value, stop.value, step.value,
                intp=INTEGER, inc=True) as (index, _):
            yield Number(self.builder, index)

    def _pointer(self, array, place, kind, width):
        pointer = self.builder.gep(array, [self.integer(place).value])
        element = DOUBLE if kind == "f" else INTEGER
        return self.builder.bitcast(
            pointer, of_width(element, width).as_pointer())

    def load(self, array, place, kind, width=1, stride=1):
        """Numbers from a place on, ``stride`` apart; booleans are integers."""
        def part(place, width):
            return Number(self.builder, self.builder.load(
                self._pointer(array, place, kind, width), align=8))

        if stride == 0:
            width = 1
        value = part(place, width) if stride == 1 or width == 1 else joined(
            [part(place + k * stride, 1) for k in range(width)])
        return value.converted("b") if kind == "b" else value

    def store(self, array, place, value, stride=1):
        kind = "f" if value.element == DOUBLE else "i"
        value = value.converted("i") if kind == "i" else value
        parts = [value] if stride == 1 else [
            value.lanes([k]) for k in range(value.width)]
        for k, part in enumerate(parts):
            self.builder.store(part.value, self._pointer(
                array, place + k * stride if k else place, kind, part.width),
                align=8)

    def sequence(self, index):
        """The places that an index is, in lanes."""
        start = self.integer(first(index))
        return start if width(index) == 1 else start + Number(
            self.builder, ir.Constant(ir.VectorType(
                INTEGER, index.width), list(range(index.width))))

    def variable(self, value):
        """A place in registers that code changes, which has this value."""
        place = cgutils.alloca_once(self.builder, value.value.type)
        self.builder.store(value.value, place)
        return place

    def get(self, place):
        return Number(self.builder, self.builder.load(place))

    def set(self, place, value):
        self.builder.store(value.value, place)


def in_lanes(code, size, body, at_once=1):
    """Call ``body(*indices)`` for all of 0 .. size, by vectors.

    The rest of a known size is a shorter vector; of one that is only known
    when it runs, numbers.

    Parameters
    ----------
    at_once : int
        How many vectors ``body`` takes, or fewer.
    """
    if not isinstance(size, int):
        whole = size & -LANES
        with code.loop(0, whole, LANES) as k:
            body(Lanes(k, LANES))
        with code.loop(whole, size) as k:
            body(k)
        return

    def vectors(start, size):
        return [Lanes(start + k, LANES) if size - k >= LANES
                else Lanes(start + k, size - k) if size - k > 1
                else start + k for k in range(0, size, LANES)]

    step = LANES * at_once
    whole = size // step * step
    if whole > 4 * step:
        with code.loop(0, whole, step) as k:
            body(*vectors(k, step))
    else:
        for k in range(0, whole, step):
            body(*vectors(k, step))
    if whole < size:
        body(*vectors(whole, size - whole))


def widths(size):
    """Those of the vectors of ``in_lanes``, one at a time."""
    if not isinstance(size, int):
        return [LANES, 1]
    return [w for w in (LANES if size >= LANES else 0, size % LANES) if w]
