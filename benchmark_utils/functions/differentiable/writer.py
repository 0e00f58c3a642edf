"""Loops over arrays: where their entries are, and what is computed where.

What is entry by entry is an expression, which is computed where it is used;
what several things use is stored once, in one loop with what has the same
shape. In memory the axis of samples is the first one, and the last of the
others has consecutive places.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmark_utils.compiling.loops import (
    LANES,
    Code,
    first,
    in_lanes,
    width,
)

# What costs no more is computed anew rather than stored and loaded.
STORED_COST = 2


class Memory(NamedTuple):
    """Places of an array's entries: strides are in numbers."""

    array: Any
    offset: int
    strides: tuple

    def through(self, axes, n):
        """Of a view with n axes, as in ``Writer.view``."""
        offset, strides = self.offset, [0] * n
        for stride, (axis, start, step) in zip(
                self.strides, axes, strict=True):
            offset += stride * start
            if axis is not None:
                strides[axis] += stride * step
        return Memory(self.array, offset, tuple(strides))


@dataclass(eq=False)
class Tensor:
    """An array: a place in memory, or an expression of the index.

    Attributes
    ----------
    shape : tuple of int
    kind : {"f", "i", "b"}
    expression : function or None
        index -> Number.
    memory : Memory or None
    cost : int
        Of an entry of the expression; 0 for what is only a load.
    """

    shape: tuple
    kind: str
    expression: Callable | None = None
    memory: Memory | None = None
    cost: int = 0

    @property
    def size(self):
        return math.prod(self.shape)


def contiguous(shape, order=None):
    """Strides where the axes lie in this order, the last one consecutive."""
    strides, step = [0] * len(shape), 1
    for axis in reversed(order or range(len(shape))):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


class Writer:
    """The code of one function of samples, while it is written.

    Parameters
    ----------
    builder : IRBuilder
    work : pointer
        Scratch space, of which ``n_work`` numbers are used in the end.
    sample_size : int or None
        That of axes of samples, and as many as there is space for.
    m : Number or None
        How many samples there are when it runs.
    """

    def __init__(self, builder, work, sample_size=None, m=None):
        self.code = Code(builder)
        self.work, self.sample_size, self.m = work, sample_size, m
        self.n_work, self._depth = 0, 0
        self._stored, self._known = [], {}

    # -- loops --------------------------------------------------------------
    def extent(self, n):
        return self.m if n == self.sample_size else n

    def order(self, shape):
        """Axes as they lie in memory: samples first."""
        return sorted(range(len(shape)),
                      key=lambda k: shape[k] != self.sample_size)

    def loops(self, shape, body, lanes=True, order=None):
        """Call ``body(index)`` for all entries, by vectors along the last."""
        if not self._depth:
            self.store_all()
        axes = [k for k in (self.order(shape) if order is None else order)
                if shape[k] != 1]
        index = [0] * len(shape)

        def nest(axes):
            if not axes:
                # What is computed in a loop is not known outside.
                known, self._known = self._known, dict(self._known)
                body(tuple(index))
                self._known = known
                return
            axis, *rest = axes

            def inside(k):
                index[axis] = k
                nest(rest)

            size = self.extent(shape[axis])
            if lanes and not rest:
                in_lanes(self.code, size, inside)
            else:
                with self.code.loop(0, size) as k:
                    inside(k)

        self._depth += 1
        nest(axes)
        self._depth -= 1

    # -- entries ------------------------------------------------------------
    def _place(self, memory, index):
        """Where an entry is, and how far apart those of its lanes are."""
        place, apart = memory.offset, int(width(*index) == 1)
        for k, stride in zip(index, memory.strides, strict=True):
            if width(k) > 1:
                apart = stride
            k = first(k)
            if stride and not (isinstance(k, int) and k == 0):
                place = k * stride + place
        return place, apart

    def read(self, tensor, index):
        """An entry, or those of lanes; what has one place is all the same."""
        index = tuple(0 if n == 1 else k for k, n in zip(
            index, tensor.shape, strict=True)) if tensor.shape else ()
        key = (tensor, *(k if isinstance(k, int) else (
            id(first(k)), width(k)) for k in index))
        if key not in self._known:
            # With what its key names, which must not be made anew.
            self._known[key] = self.entry(tensor, index), index
        return self._known[key][0]

    def entry(self, tensor, index):
        """The same, computed or loaded anew."""
        if tensor.memory is None or tensor in self._stored:
            return tensor.expression(index)
        place, apart = self._place(tensor.memory, index)
        return self.code.load(
            tensor.memory.array, place, tensor.kind, width(*index), apart)

    def write(self, memory, index, value):
        place, apart = self._place(memory, index)
        self.code.store(
            memory.array, place, value.wide(width(*index)), apart)

    # -- arrays -------------------------------------------------------------
    def new(self, shape, kind, order=None):
        """A new array, of which nothing is written yet."""
        offset = -(-self.n_work // LANES) * LANES
        self.n_work = offset + math.prod(shape)
        return Tensor(tuple(shape), kind, memory=Memory(
            self.work, offset, contiguous(shape, order or self.order(shape))))

    def constant(self, value):
        kind = value.dtype.kind.replace("u", "i")
        if value.size and np.all(value == value.flat[0]):
            number = self.code.constant(value.flat[0], kind)
            return Tensor(value.shape, kind, lambda index: number)
        array = self.code.array(
            value.astype(np.float64 if kind == "f" else np.int64).ravel())
        return Tensor(value.shape, kind, memory=Memory(
            array, 0, contiguous(value.shape)))

    def number(self, tensor):
        """What has no axes, computed here."""
        self.store_all()
        value = self.entry(tensor, ())
        return Tensor((), tensor.kind, lambda index: value)

    def entrywise(self, shape, kind, operation, arguments, cost=1):
        """The array of what an operation makes of the arguments' entries."""
        return Tensor(shape, kind, lambda index: operation(
            *(self.read(a, index) for a in arguments)),
            cost=cost + sum(a.cost for a in arguments))

    def put(self, tensor, memory, order=None):
        """Write all entries."""
        self.loops(tensor.shape, lambda index: self.write(
            memory, index, self.read(tensor, index)), order=order)

    def copied(self, tensor, order=None):
        """A new array of the same entries, with axes in this order."""
        target = self.new(tensor.shape, tensor.kind, order)
        self.put(tensor, target.memory, order)
        return target

    def view(self, a, shape, axes):
        """The entries of an array at other places, or some of them.

        Parameters
        ----------
        axes : list of (axis of the view or None, start, step)
            Of each axis of ``a``, where it has an entry of the view: at
            start + step * index[axis].
        """
        steps = any(step != 1 for axis, _, step in axes if axis is not None)
        grows = math.prod(shape) > a.size and a.cost > STORED_COST
        if a.memory is None and (steps or grows):
            self.in_memory(a)
        if a.memory is not None:
            self.store_all()
            return Tensor(shape, a.kind, memory=a.memory.through(
                axes, len(shape)))
        return Tensor(shape, a.kind, lambda index: self.read(a, tuple(
            start if axis is None else
            index[axis] + start if start else index[axis]
            for axis, start, _ in axes)), cost=a.cost)

    def in_memory(self, tensor):
        """Store an expression: in the next loop, with others of its shape."""
        if tensor.memory is None:
            if self._stored and self._stored[0].shape != tensor.shape:
                self.store_all()
            tensor.memory = self.new(tensor.shape, tensor.kind).memory
            tensor.cost = 0
            self._stored.append(tensor)

    def store_all(self):
        """Store now what is to be stored."""
        def body(index):
            for tensor in self._stored:
                self.write(tensor.memory, index, self.read(tensor, index))

        if self._stored:
            self._depth += 1
            self.loops(self._stored[0].shape, body)
            self._depth -= 1
            self._stored = []

    def now(self, tensor):
        """The memory of a tensor, which is there."""
        self.in_memory(tensor)
        self.store_all()
        return tensor.memory
