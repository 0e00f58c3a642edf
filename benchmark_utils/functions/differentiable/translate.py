"""From equations to loops: what each primitive of JAX becomes.

What is entry by entry is an expression, which is computed where it is used;
what several things use is stored once, in one loop with what has the same
shape. Products, sums and what is placed by indices are loops of their own.
Each primitive has its own lines, which makes more than 400 lines of them all.
In memory the axis of samples is the first one, and the last of the others has
consecutive places.
"""
import math
from functools import partial
from types import SimpleNamespace

import numpy as np

from benchmark_utils.compiling import loops
from benchmark_utils.compiling.loops import Lanes, in_lanes
from benchmark_utils.functions.differentiable.equations import NotTranslated


def _compared(sign):
    return lambda a, b: a.compare(sign, b)


def _bits(operation):
    return lambda a, b: a.bitwise(operation, b)


def _library(name):
    return partial(loops.call, name)


def _sign(a):
    one = a.of(1)
    return loops.where(a.compare(">", 0), one, loops.where(
        a.compare("<", 0), -one, a))


# What is entry by entry, and what it costs.
_CHEAP = {
    "add": lambda a, b: a + b, "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "neg": lambda a: -a, "max": loops.maximum, "min": loops.minimum,
    "gt": _compared(">"), "lt": _compared("<"), "ge": _compared(">="),
    "le": _compared("<="), "eq": _compared("=="), "ne": _compared("!="),
    "and": _bits("and_"), "or": _bits("or_"), "xor": _bits("xor"),
    "not": lambda a: a.bitwise("xor", -1), "square": lambda a: a * a,
    "abs": lambda a: loops.where(a.compare("<", 0), -a, a + 0),
    "sign": _sign, "select_n": lambda c, a, b: loops.where(c, b, a),
    "is_finite": lambda a: (a - a).compare("==", 0.0),
    "stop_gradient": lambda a: a, "copy": lambda a: a, "copy_p": lambda a: a,
}
_COSTLY = {
    "div": lambda a, b: a / b, "rem": lambda a, b: a % b,
    "exp": loops.exp, "exp2": lambda a: loops.call("exp2", a),
    "tanh": loops.tanh, "log": loops.log, "log1p": loops.log1p,
    "logistic": lambda a: 1.0 / (loops.exp(-a) + 1.0),
    "rsqrt": lambda a: 1.0 / loops.call("sqrt", a),
    "pow": _library("pow"), "atan2": _library("atan2"),
    **{name: _library(name) for name in (
        "sqrt", "expm1", "sin", "cos", "tan", "sinh", "cosh", "asin", "acos",
        "atan", "asinh", "acosh", "atanh", "erf", "erfc", "cbrt", "floor",
        "ceil", "lgamma")},
}
# What is computed anew rather than stored and loaded.
_STORED_COST = 2


class Tensor:
    """An array: a place in memory, or an expression of the index.

    Attributes
    ----------
    shape : tuple of int
    kind : {"f", "i", "b"}
    memory : SimpleNamespace or None
        ``array``, a pointer, ``offset``, and ``strides``, in numbers.
    expression : function or None
        index -> Number.
    cost : int
        Of an entry of the expression; 0 for what is only a load.
    """

    def __init__(self, shape, kind, expression=None, memory=None, cost=0):
        self.shape, self.kind = tuple(shape), kind
        self.expression, self.memory, self.cost = expression, memory, cost

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


class Translator:
    """The code of one function of samples, while it is written.

    Parameters
    ----------
    builder : IRBuilder
    work : pointer
        Scratch space.
    sample_size : int or None
        That of axes of samples, and as many as there is space for.
    m : Number or None
        How many samples there are when it runs.
    first : int
        Of the scratch space.
    """

    def __init__(self, builder, work, sample_size=None, m=None, first=0):
        self.code = loops.Code(builder)
        self.work, self.sample_size, self.m = work, sample_size, m
        self.n_work = first
        self._stored, self._known = [], {}

    def translate(self, equations, constants, inputs, outputs):
        """Tensors of the outputs, after the code of what they need."""
        tensors = dict(enumerate(inputs))
        tensors |= {k: self._constant(a) for k, a in constants.items()}
        uses = [i for e in equations for i in set(e.inputs)] + outputs
        for equation in equations:
            arguments = [tensors[i] for i in equation.inputs]
            tensor = self._apply(equation, arguments)
            if not tensor.shape:
                tensor = self._number(tensor)
            elif (tensor.cost > _STORED_COST
                    and uses.count(equation.output) > 1):
                self._in_memory(tensor)
            tensors[equation.output] = tensor
        return [tensors[k] for k in outputs]

    def memory(self, array, strides):
        return SimpleNamespace(array=array, offset=0, strides=strides)

    def replace(self, target, tensor):
        """target = tensor, which may have been made of it."""
        copy = self._copy_of(tensor)
        copy.memory = self._allocate(tensor.shape, tensor.kind)
        for array, source in ((self.work, tensor), (None, copy)):
            memory = copy.memory if array is not None else self.memory(
                target, (1,))
            self._loops(tensor.shape, lambda index, m=memory, t=source: (
                self._write(m, index, self._entry(t, index))))

    def add_to(self, target, tensor, weight=None):
        """target += weight * tensor."""
        def body(index):
            (k,) = index
            start, _ = (k.start, k.width) if isinstance(k, Lanes) else (k, 1)
            value = self._read(tensor, index if tensor.shape else ())
            if weight is not None:
                value = weight * value
            before = self.code.load(target, start, "f", value.width)
            self.code.store(target, start, 1, before + value)

        self._loops(tensor.shape or (1,), body)

    # -- loops and memory ---------------------------------------------------
    def _extent(self, n):
        return self.m if n == self.sample_size else n

    def _order(self, shape):
        """Axes as they lie in memory: samples first."""
        return sorted(range(len(shape)),
                      key=lambda k: shape[k] != self.sample_size)

    def _loops(self, shape, body, lanes=True, order=None):
        """Call ``body(index)`` for all entries, by vectors along the last."""
        if not self._inside:
            self._store_all()
        axes = [k for k in (order or self._order(shape)) if shape[k] != 1]
        index = [0] * len(shape)

        def nest(axes):
            if not axes:
                self._within(body, index)
                return
            axis, *rest = axes
            size = self._extent(shape[axis])
            if lanes and not rest:
                def vector(k):
                    index[axis] = k
                    self._within(body, index)
                in_lanes(self.code, size, vector)
                return
            with self.code.loop(0, size) as k:
                index[axis] = k
                nest(rest)

        self._inside += 1
        nest(axes)
        self._inside -= 1

    _inside = 0

    def _within(self, body, index):
        # What is computed in a loop is not known outside.
        known, self._known = self._known, dict(self._known)
        body(tuple(index))
        self._known = known

    def _allocate(self, shape, kind, order=None):
        offset = -(-self.n_work // loops.LANES) * loops.LANES
        self.n_work = offset + math.prod(shape)
        return SimpleNamespace(array=self.work, offset=offset, strides=(
            contiguous(shape, order or self._order(shape))))

    def _place(self, memory, index):
        """Where an entry is, and how far apart those of its lanes are."""
        place, apart = memory.offset, 0
        for k, stride in zip(index, memory.strides, strict=True):
            if isinstance(k, Lanes):
                k, apart = k.start, stride
            if stride and not (isinstance(k, int) and k == 0):
                place = k * stride + place
        return place, apart

    def _read(self, tensor, index):
        """An entry, or those of lanes; what has one place is all the same."""
        index = tuple(0 if n == 1 else k
                      for k, n in zip(index, tensor.shape, strict=True))
        key = (id(tensor), *(
            (id(k.start), k.width) if isinstance(k, Lanes) else
            k if isinstance(k, int) else id(k) for k in index))
        if key not in self._known:
            # With what its key names, which must not be made anew.
            self._known[key] = self._entry(tensor, index), tensor, index
        return self._known[key][0]

    def _entry(self, tensor, index):
        if tensor.memory is None or tensor in self._stored:
            return tensor.expression(index)
        place, apart = self._place(tensor.memory, index)
        width = max([k.width for k in index if isinstance(k, Lanes)],
                    default=1)
        return self.code.gather(
            tensor.memory.array, place, apart, tensor.kind, width)

    def _write(self, memory, index, value):
        place, apart = self._place(memory, index)
        width = max([k.width for k in index if isinstance(k, Lanes)],
                    default=1)
        self.code.store(memory.array, place, apart, value.wide(width))

    def _in_memory(self, tensor):
        """Store an expression: in the next loop, with others of its shape."""
        if tensor.memory is None:
            if self._stored and self._stored[0].shape != tensor.shape:
                self._store_all()
            tensor.memory = self._allocate(tensor.shape, tensor.kind)
            self._stored.append(tensor)
        return tensor

    def _store_all(self):
        if not self._stored:
            return

        def body(index):
            for tensor in self._stored:
                self._write(tensor.memory, index, self._read(tensor, index))

        self._inside += 1
        self._loops(self._stored[0].shape, body)
        self._inside -= 1
        self._stored = []

    def _now(self, tensor):
        """The memory of a tensor, which is there."""
        self._in_memory(tensor)
        self._store_all()
        return tensor.memory

    def _number(self, tensor):
        self._store_all()
        value = self._entry(tensor, ())
        return Tensor((), tensor.kind, lambda index: value)

    def _constant(self, value):
        kind = value.dtype.kind.replace("u", "i")
        if value.size and np.all(value == value.flat[0]):
            number = self.code.constant(value.flat[0], kind)
            return Tensor(value.shape, kind, lambda index: number)
        array = self.code.array(
            value.astype(np.float64 if kind == "f" else np.int64).ravel())
        return Tensor(value.shape, kind, memory=SimpleNamespace(
            array=array, offset=0, strides=contiguous(value.shape)))

    # -- primitives ---------------------------------------------------------
    def _apply(self, equation, arguments):
        name, shape, kind = equation.name, equation.shape, equation.kind
        operation = _CHEAP.get(name) or _COSTLY.get(name)
        if operation is not None:
            if name == "select_n" and len(arguments) != 3:
                raise NotTranslated("select_n of several cases")
            if name in _COSTLY and name not in ("div", "rem") and (
                    kind != "f"):
                raise NotTranslated(f"{name} of integers")

            def expression(index):
                return operation(*(self._read(a, index if a.shape else ())
                                   for a in arguments))

            cost = (1 if name in _CHEAP else 10) + sum(
                a.cost for a in arguments if a.memory is None)
            return Tensor(shape, kind, expression, cost=cost)
        method = getattr(self, "_" + name.replace("-", "_"), None)
        if method is None or not name[0].isalpha():
            raise NotTranslated(name)
        return method(equation, *arguments)

    def _expression(self, equation, a, function, cost=1):
        return Tensor(
            equation.shape, equation.kind,
            lambda index: function(self._read(a, index)),
            cost=cost + (a.cost if a.memory is None else 0))

    def _integer_pow(self, equation, a):
        y = equation.params["y"]

        def power(value):
            result, factor, n = None, value, abs(y)
            while n:
                if n & 1:
                    result = factor if result is None else result * factor
                n >>= 1
                factor = factor * factor if n else factor
            result = value.of(1) if result is None else result
            return result if y >= 0 else 1 / result

        return self._expression(equation, a, power, 2 if y > 0 else 10)

    def _convert_element_type(self, equation, a):
        return self._expression(
            equation, a, lambda value: value.converted(equation.kind))

    def _clamp(self, equation, low, a, high):
        def expression(index):
            lower, value, upper = (
                self._read(t, index if t.shape else ())
                for t in (low, a, high))
            return loops.minimum(loops.maximum(value, lower), upper)
        return Tensor(equation.shape, equation.kind, expression, cost=2)

    def _iota(self, equation):
        axis = equation.params["dimension"]

        def expression(index):
            k = index[axis]
            start, width = (k.start, k.width) if isinstance(k, Lanes) else (
                k, 1)
            return self.code.sequence(start, width).converted(equation.kind)
        return Tensor(equation.shape, equation.kind, expression, cost=1)

    # -- other views of the same entries ------------------------------------
    def _view(self, equation, a, index_of, strides_of, offset=0):
        grows = math.prod(equation.shape) > a.size
        if a.memory is None and a.cost > _STORED_COST and grows:
            self._in_memory(a)
        if a.memory is None:
            return Tensor(equation.shape, equation.kind,
                          lambda index: self._read(a, index_of(index)),
                          cost=a.cost)
        self._store_all()
        return Tensor(equation.shape, equation.kind, memory=SimpleNamespace(
            array=a.memory.array, offset=a.memory.offset + offset,
            strides=strides_of(a.memory.strides)))

    def _broadcast_in_dim(self, equation, a):
        places = equation.params["broadcast_dimensions"]

        def index_of(index):
            return tuple(index[k] if n != 1 else 0
                         for k, n in zip(places, a.shape, strict=True))

        def strides_of(strides):
            out = [0] * len(equation.shape)
            for k, n, stride in zip(places, a.shape, strides, strict=True):
                out[k] = stride if n != 1 else 0
            return tuple(out)
        return self._view(equation, a, index_of, strides_of)

    def _transpose(self, equation, a):
        order = equation.params["permutation"]
        return self._view(
            equation, a,
            lambda index: tuple(index[order.index(k)]
                                for k in range(len(order))),
            lambda strides: tuple(strides[k] for k in order))

    def _reshape(self, equation, a):
        shape = equation.shape
        kept, into = ([k for k, n in enumerate(s) if n != 1]
                      for s in (a.shape, shape))
        if [a.shape[k] for k in kept] == [shape[k] for k in into]:
            def moved(values, source, target, size):
                out = [0] * size
                for k, j in zip(source, target, strict=True):
                    out[j] = values[k]
                return tuple(out)
            return self._view(
                equation, a,
                lambda index: moved(index, into, kept, len(a.shape)),
                lambda strides: moved(strides, kept, into, len(shape)))
        n = self.sample_size
        if n in a.shape or n in shape:
            if (a.shape.count(n), shape.count(n)) != (1, 1) or (
                    math.prod(a.shape[:a.shape.index(n)])
                    != math.prod(shape[:shape.index(n)])):
                raise NotTranslated("reshape that merges samples")
        # In memory, without gaps: the axis of samples stays the first.
        whole = contiguous(a.shape, self._order(a.shape))
        if a.memory is None or any(
                s != w for s, w, size in zip(
                    a.memory.strides, whole, a.shape, strict=True)
                if size != 1):
            a = self._copy_of(a)
        memory = self._now(a)
        return Tensor(shape, equation.kind, memory=SimpleNamespace(
            array=memory.array, offset=memory.offset,
            strides=contiguous(shape, self._order(shape))))

    _squeeze = _expand_dims = _reshape

    def _copy_of(self, a):
        return Tensor(a.shape, a.kind, lambda index: self._read(a, index),
                      cost=a.cost)

    def _slice(self, equation, a):
        starts = equation.params["start_indices"]
        steps = equation.params["strides"] or (1,) * len(starts)
        if any(step != 1 for step in steps) and a.memory is None:
            self._in_memory(a)

        def index_of(index):
            return tuple(i if start == 0 else i + start
                         for i, start in zip(index, starts, strict=True))
        offset = 0
        if a.memory is not None:
            offset = sum(map(math.prod, zip(
                starts, a.memory.strides, strict=True)))
        return self._view(
            equation, a, index_of, lambda strides: tuple(
                map(math.prod, zip(strides, steps, strict=True))), offset)

    def _rev(self, equation, a):
        axes = equation.params["dimensions"]
        memory = self._now(a)
        return Tensor(a.shape, a.kind, memory=SimpleNamespace(
            array=memory.array, offset=memory.offset + sum(
                (a.shape[k] - 1) * memory.strides[k] for k in axes),
            strides=tuple(-s if k in axes else s
                          for k, s in enumerate(memory.strides))))

    def _parts(self, equation, parts, fill=None):
        """A new array, of parts at places with strides of their own.

        Parameters
        ----------
        parts : list of (tensor, first place on each axis, steps)
        """
        memory = self._allocate(equation.shape, equation.kind)
        target = Tensor(equation.shape, equation.kind, memory=memory)
        if fill is not None:
            self._loops(equation.shape, lambda index: self._write(
                memory, index, self._read(fill, index if fill.shape else ())))
        for tensor, starts, steps in parts:
            part = SimpleNamespace(
                array=memory.array, offset=memory.offset + sum(map(
                    math.prod, zip(starts, memory.strides, strict=True))),
                strides=tuple(map(math.prod, zip(
                    memory.strides, steps, strict=True))))
            self._loops(tensor.shape, lambda index, part=part, t=tensor: (
                self._write(part, index, self._read(t, index))))
        return target

    def _concatenate(self, equation, *arguments):
        axis, start, parts = equation.params["dimension"], 0, []
        n = len(equation.shape)
        for a in arguments:
            starts = [0] * n
            starts[axis], start = start, start + a.shape[axis]
            parts.append((a, starts, (1,) * n))
        return self._parts(equation, parts)

    def _pad(self, equation, a, fill):
        config = [tuple(map(int, axis))
                  for axis in equation.params["padding_config"]]
        lows = [low for low, _, _ in config]
        if any(low < 0 or high < 0 for low, high, _ in config):
            if any(within for _, _, within in config):
                raise NotTranslated("pad by less than nothing within")
            whole, cut = a, [max(0, -low) for low in lows]
            a = Tensor(
                [n + min(0, low) + min(0, high) for n, (low, high, _) in zip(
                    a.shape, config, strict=True)], a.kind,
                lambda index: self._read(whole, tuple(
                    k + c if c else k
                    for k, c in zip(index, cut, strict=True))), cost=a.cost)
            lows = [max(0, low) for low in lows]
        return self._parts(
            equation, [(a, lows, [1 + within for _, _, within in config])],
            fill)

    # -- sums ---------------------------------------------------------------
    def _reduced(self, equation, a, start, combine):
        axes = equation.params["axes"]
        kept = [k for k in range(len(a.shape)) if k not in axes]
        if a.memory is not None:
            self._store_all()
        # Vectors along what is consecutive.
        order = [k for k in self._order(a.shape) if a.shape[k] != 1]
        if a.memory is not None:
            order.sort(key=lambda k: -abs(a.memory.strides[k]))
        last = order[-1] if order else None
        memory = self._allocate(equation.shape, equation.kind)
        target = Tensor(equation.shape, equation.kind, memory=memory)

        def body(outer):
            lanes = [k for k in outer if isinstance(k, Lanes)]
            width = lanes[0].width if lanes else 1
            totals = {}

            def add(inner):
                index = [0] * len(a.shape)
                for k, i in zip(kept, outer, strict=True):
                    index[k] = i
                for k, i in zip(axes, inner, strict=True):
                    index[k] = i
                value = self._read(a, tuple(index))
                value = value.wide(max([width] + [
                    k.width for k in inner if isinstance(k, Lanes)]))
                place = totals[value.width]
                self.code.set(place, combine(self.code.get(place), value))

            sizes = [a.shape[k] for k in axes]
            widths = {width}
            if last in axes:
                size = self._extent(a.shape[last])
                widths = {1, loops.LANES} if not isinstance(size, int) else {
                    w for w in (loops.LANES if size >= loops.LANES else 0,
                                size % loops.LANES) if w}
            for w in widths:
                totals[w] = self.code.variable(
                    self.code.constant(start, equation.kind).wide(w))
            self._loops(sizes, add, lanes=last in axes, order=[
                axes.index(k) for k in order if k in axes])
            result = None
            for place in totals.values():
                part = self.code.get(place)
                if last in axes:
                    part = part.reduced(combine)
                result = part if result is None else combine(result, part)
            self._write(memory, outer, result)

        self._loops(equation.shape, body, lanes=last in kept, order=[
            kept.index(k) for k in order if k in kept])
        return target

    def _reduce_sum(self, equation, a):
        return self._reduced(equation, a, 0, lambda s, t: s + t)

    def _reduce_max(self, equation, a):
        lowest = -math.inf if a.kind == "f" else -2**63
        return self._reduced(equation, a, lowest, loops.maximum)

    def _reduce_min(self, equation, a):
        highest = math.inf if a.kind == "f" else 2**63 - 1
        return self._reduced(equation, a, highest, loops.minimum)

    def _reduce_and(self, equation, a):
        return self._reduced(equation, a, 1, _bits("and_"))

    def _reduce_or(self, equation, a):
        return self._reduced(equation, a, 0, _bits("or_"))

    def _argmax(self, equation, a, sign=">"):
        (axis,) = equation.params["axes"]
        memory = self._allocate(equation.shape, "i")
        self._now(a)

        def body(outer):
            def at(k):
                return self._read(a, (*outer[:axis], k, *outer[axis:]))

            best, place = (self.code.variable(value) for value in (
                at(0), self.code.constant(0, "i")))
            with self.code.loop(0, self._extent(a.shape[axis])) as k:
                known, self._known = self._known, dict(self._known)
                value, so_far = at(k), self.code.get(best)
                # NaN is the largest and the smallest, as in NumPy.
                better = value.compare(sign, so_far).bitwise(
                    "or_", value.compare("!=", value).bitwise(
                        "and_", so_far.compare("==", so_far)))
                self.code.set(best, loops.where(better, value, so_far))
                self.code.set(place, loops.where(
                    better, k, self.code.get(place)))
                self._known = known
            self._write(memory, outer, self.code.get(place))

        self._loops(equation.shape, body, lanes=False)
        return Tensor(equation.shape, "i", memory=memory)

    def _argmin(self, equation, a):
        return self._argmax(equation, a, "<")

    # -- products of matrices -----------------------------------------------
    def _dot_general(self, equation, a, b):
        (a_sums, b_sums), (a_batch, b_batch) = equation.params[
            "dimension_numbers"]
        factors, free = [], []
        place = len(a_batch)
        for t, sums, batch in ((a, a_sums, a_batch), (b, b_sums, b_batch)):
            memory = self._now(t)
            own = [k for k in range(len(t.shape))
                   if k not in sums and k not in batch]
            free.append([k for k in own if t.shape[k] != 1])
            factors.append(SimpleNamespace(
                tensor=t, memory=memory, sums=list(sums), batch=list(batch),
                places={k: place + i for i, k in enumerate(own)}))
            place += len(own)
        self._store_all()
        along = self._along(factors, free)
        order = self._order(equation.shape)
        if along and along[0] == "out":
            left, lane = along[1:]
            if left:
                factors.reverse()
            out = factors[1].places[lane]
            order = [k for k in order if k != out] + [out]
        memory = self._allocate(equation.shape, equation.kind, order)
        if along and along[0] == "out":
            self._outer_product(equation, memory, *factors, lane)
        else:
            self._inner_product(equation, memory, *factors, along)
        return Tensor(equation.shape, equation.kind, memory=memory)

    def _along(self, factors, free):
        """The axis that vectors of a product lie along.

        ("out", whether it is of the first factor, axis): one of the result,
        consecutive in a factor; ("sum", axes): one that is summed over,
        consecutive in both; or None. A factor without samples is laid out
        anew if that gives the first, and is used often enough.
        """
        a, b = factors
        sizes = [math.prod(self._typical(f.tensor.shape[k]) for k in axes)
                 for f, axes in zip(factors, free, strict=True)]
        found = [
            (f.tensor.shape[k], f is a, k)
            for f, axes in zip(factors, free, strict=True) for k in axes
            if f.memory.strides[k] == 1
            and f.tensor.shape[k] != self.sample_size]
        sums = [(i, j) for i, j in zip(a.sums, b.sums, strict=True)
                if a.tensor.shape[i] != 1 and a.memory.strides[i] == 1
                and b.memory.strides[j] == 1]
        if found and not (sums and max(found)[0] < 4):
            return ("out", *max(found)[1:])
        if sums and min(sizes) < 4:
            return ("sum", sums[0])
        candidates = [
            (f.tensor.size, f is a, axes) for f, axes in zip(
                factors, free, strict=True)
            if axes and self.sample_size not in f.tensor.shape]
        if not candidates:
            return ("sum", sums[0]) if sums else None
        _, first, axes = min(candidates, key=lambda c: c[0])
        factor = factors[not first]
        t = factor.tensor
        lane = max(axes, key=lambda k: t.shape[k])
        order = [k for k in range(len(t.shape)) if k != lane] + [lane]
        memory = self._allocate(t.shape, t.kind, order)
        self._loops(t.shape, lambda index: self._write(
            memory, index, self._read(t, index)), order=order)
        factor.tensor = Tensor(t.shape, t.kind, memory=memory)
        factor.memory = memory
        return "out", first, lane

    def _typical(self, n):
        return 64 if n == self.sample_size else n

    def _sums(self, sizes, body):
        """Loops over what is summed, outermost first."""
        def nest(k, index):
            if k == len(sizes):
                body(tuple(index))
            elif sizes[k] == 1:
                nest(k + 1, [*index, 0])
            else:
                with self.code.loop(0, self._extent(sizes[k])) as i:
                    nest(k + 1, [*index, i])
        nest(0, [])

    def _factor_place(self, factor, outer, inner):
        index = [0] * len(factor.tensor.shape)
        for k, j in factor.places.items():
            index[k] = outer[j]
        for place, k in enumerate(factor.batch):
            index[k] = outer[place]
        for k, i in zip(factor.sums, inner, strict=True):
            index[k] = i
        return self._place(factor.memory, tuple(index))

    def _outer_product(self, equation, memory, a, b, lane):
        """Tiles of rows of ``a`` and vectors of ``b``, summed in registers."""
        code, out = self.code, b.places[lane]
        shape, kind = equation.shape, equation.kind
        n = shape[out]
        rows = [j for k, j in a.places.items() if shape[j] != 1]
        row = max(rows, key=lambda j: self._typical(shape[j]), default=None)
        outside = [k for k in self._order(shape) if k not in (out, row)]
        sizes = [a.tensor.shape[k] for k in a.sums]
        # As many sums as registers hold, beside what is multiplied.
        n_rows = 4 if row is not None else 1
        n_vectors = (3 if n_rows > 1 else 8) if loops.LANES == 8 else (
            2 if n_rows > 1 else 6)
        starts = list(range(0, n, loops.LANES))
        tiles = [starts[k:k + n_vectors]
                 for k in range(0, len(starts), n_vectors)]

        def tile(index, first, n_rows, columns):
            widths = [min(loops.LANES, n - start) for start in columns]
            zero = code.constant(0, kind)
            sums = [[code.variable(zero.wide(w)) for w in widths]
                    for _ in range(n_rows)]

            def add(inner):
                place = list(index)
                place[out] = 0
                if row is not None:
                    place[row] = first
                start, _ = self._factor_place(b, place, inner)
                vectors = [code.load(b.memory.array, column + start, kind, w)
                           for column, w in zip(columns, widths, strict=True)]
                for r in range(n_rows):
                    if row is not None:
                        place[row] = r + first if r else first
                    start, _ = self._factor_place(a, place, inner)
                    factor = code.load(a.memory.array, start, kind)
                    for total, vector in zip(sums[r], vectors, strict=True):
                        code.set(total, code.get(total) + factor * vector)

            self._sums(sizes, add)
            for r in range(n_rows):
                place = list(index)
                if row is not None:
                    place[row] = r + first if r else first
                for column, total in zip(columns, sums[r], strict=True):
                    place[out] = column
                    start, _ = self._place(memory, tuple(place))
                    code.store(memory.array, start, 1, code.get(total))

        def body(partial_index):
            index = [0] * len(shape)
            for k, i in zip(outside, partial_index, strict=True):
                index[k] = i
            for columns in tiles:
                if row is None:
                    tile(index, 0, 1, columns)
                    continue
                size = self._extent(shape[row])
                whole = size // n_rows * n_rows if isinstance(
                    size, int) else size.bitwise("and_", -n_rows)
                with code.loop(0, whole, n_rows) as i:
                    tile(index, i, n_rows, columns)
                with code.loop(whole, size) as i:
                    tile(index, i, 1, columns)

        self._loops([shape[k] for k in outside], body, lanes=False,
                    order=list(range(len(outside))))

    def _inner_product(self, equation, memory, a, b, along):
        """Sums along vectors of both factors, or along none."""
        code, kind = self.code, equation.kind
        sizes = [a.tensor.shape[k] for k in a.sums]
        last = a.sums.index(along[1][0]) if along else None

        def body(outer):
            size = 1 if last is None else self._extent(sizes[last])
            widths = {1, loops.LANES} if not isinstance(size, int) else {
                w for w in (loops.LANES if size >= loops.LANES else 0,
                            size % loops.LANES) if w}
            totals = {w: code.variable(code.constant(0, kind).wide(w))
                      for w in widths}

            def add(inner):
                def term(k):
                    index = list(inner)
                    if last is not None:
                        index[last] = k
                    width = k.width if isinstance(k, Lanes) else 1
                    x, y = (code.load(
                        f.memory.array, self._factor_place(
                            f, outer, index)[0], kind, width)
                        for f in (a, b))
                    code.set(totals[width], code.get(totals[width]) + x * y)
                in_lanes(code, size, term)

            self._sums([1 if k == last else n
                        for k, n in enumerate(sizes)], add)
            result = None
            for total in totals.values():
                part = code.get(total).reduced(lambda s, t: s + t)
                result = part if result is None else result + part
            self._write(memory, outer, result)

        self._loops(equation.shape, body, lanes=False)

    # -- places by indices --------------------------------------------------
    def _starts(self, maps, indices, shape, sizes, batch, mode):
        """Where a slice begins on each axis, and whether it is within."""
        targets, batched, batch_axes = maps
        starts, inside = {}, None
        for k, axis in enumerate(targets):
            start = self._read(indices, (*batch, k)).converted("i")
            last = shape[axis] - sizes[axis]
            if mode == "clip":
                start = loops.minimum(loops.maximum(start, start.of(0)),
                                      start.of(last))
            elif mode == "fill":
                within = start.compare(">=", 0).bitwise(
                    "and_", start.compare("<=", last))
                inside = within if inside is None else inside.bitwise(
                    "and_", within)
                start = loops.where(within, start, start.of(0))
            starts[axis] = start
        for axis, place in zip(batched, batch_axes, strict=True):
            starts[axis] = batch[place]
        return starts, inside

    def _mode(self, equation):
        name = str(equation.params["mode"]).lower()
        if "fill" in name or "drop" in name:
            return "fill"
        return "clip" if "clip" in name else "trusted"

    def _gather(self, equation, a, indices):
        numbers, sizes = (equation.params[key] for key in (
            "dimension_numbers", "slice_sizes"))
        dropped = {*numbers.collapsed_slice_dims,
                   *numbers.operand_batching_dims}
        kept = [k for k in range(len(a.shape)) if k not in dropped]
        within = list(numbers.offset_dims)
        batch_dims = [k for k in range(len(equation.shape))
                      if k not in within]
        mode = self._mode(equation)
        fill = equation.params.get("fill_value")
        if fill is None:
            fill = {"f": math.nan, "b": 1}.get(a.kind, -2**63)
        maps = (numbers.start_index_map, numbers.operand_batching_dims,
                numbers.start_indices_batching_dims)
        memory = self._allocate(equation.shape, equation.kind)
        self._now(a)
        self._now(indices)

        def body(index):
            starts, inside = self._starts(
                maps, indices, a.shape, sizes,
                tuple(index[k] for k in batch_dims), mode)
            place = [starts.get(k, 0) for k in range(len(a.shape))]
            for k, j in zip(kept, within, strict=True):
                place[k] = index[j] + place[k]
            value = self._read(a, tuple(place))
            if inside is not None:
                value = loops.where(inside, value, value.of(fill))
            self._write(memory, index, value)

        order = sorted(range(len(equation.shape)), key=lambda k: k in within)
        self._loops(equation.shape, body, order=order, lanes=any(
            equation.shape[k] != 1 for k in within))
        return Tensor(equation.shape, equation.kind, memory=memory)

    def _scatter(self, equation, start, indices, updates,
                 combine=lambda old, new: new):
        numbers = equation.params["dimension_numbers"]
        within = list(numbers.update_window_dims)
        dropped = {*numbers.inserted_window_dims,
                   *numbers.operand_batching_dims}
        kept = [k for k in range(len(equation.shape)) if k not in dropped]
        sizes = [1] * len(equation.shape)
        for k, j in zip(kept, within, strict=True):
            sizes[k] = updates.shape[j]
        batch_dims = [k for k in range(len(updates.shape))
                      if k not in within]
        maps = (numbers.scatter_dims_to_operand_dims,
                numbers.operand_batching_dims,
                numbers.scatter_indices_batching_dims)
        target = self._parts(equation, [(start, *(
            (k,) * len(equation.shape) for k in (0, 1)))])
        self._now(indices)
        mode = self._mode(equation)

        def body(index):
            starts, inside = self._starts(
                maps, indices, equation.shape, sizes,
                tuple(index[k] for k in batch_dims), mode)
            place = [starts.get(k, 0) for k in range(len(equation.shape))]
            for k, j in zip(kept, within, strict=True):
                place[k] = index[j] + place[k]
            old = self._entry(target, tuple(place))
            new = combine(old, self._read(updates, index))
            if inside is not None:
                new = loops.where(inside, new, old)
            self._write(target.memory, tuple(place), new)

        order = sorted(range(len(updates.shape)), key=lambda k: k in within)
        self._loops(updates.shape, body, order=order, lanes=any(
            updates.shape[k] != 1 for k in within))
        return target

    def _scatter_add(self, equation, *arguments):
        return self._scatter(equation, *arguments,
                             combine=lambda old, new: old + new)

    def _dynamic_slice(self, equation, a, *starts):
        memory = self._allocate(equation.shape, equation.kind)
        self._now(a)
        firsts = [self._clipped(s, n - size) for s, n, size in zip(
            starts, a.shape, equation.shape, strict=True)]
        self._loops(equation.shape, lambda index: self._write(
            memory, index, self._read(a, tuple(
                k + first for k, first in zip(index, firsts, strict=True)))))
        return Tensor(equation.shape, equation.kind, memory=memory)

    def _dynamic_update_slice(self, equation, a, update, *starts):
        target = self._parts(equation, [(a, *(
            (k,) * len(a.shape) for k in (0, 1)))])
        firsts = [self._clipped(s, n - size) for s, n, size in zip(
            starts, a.shape, update.shape, strict=True)]
        self._loops(update.shape, lambda index: self._write(
            target.memory, tuple(
                k + first for k, first in zip(index, firsts, strict=True)),
            self._read(update, index)))
        return target

    def _clipped(self, start, last):
        value = self._read(start, ()).converted("i")
        return loops.minimum(loops.maximum(value, value.of(0)),
                             value.of(last))
