"""Short vectors of float64 that stay in registers, for compiled code.

LLVM turns plain loops into vector instructions, but it keeps no block of sums
in registers across a loop over features or samples. The functions below name
registers: each takes or returns a tuple of vectors of ``LANES`` numbers, of a
length that is a constant of the source. Arrays are contiguous, of float64,
and indexed as if they were flattened; nothing checks the bounds. They are for
compiled code only. One file holds them all: each is a few lines of LLVM around
one type and its pointers, and who reads one needs those: more than 400 lines.

==========================================  ================================
call                                        gives
==========================================  ================================
``load(a, first, stride, rows, columns)``   ``rows * columns`` vectors: for
                                            each row r those that start at
                                            a[first + r * stride]
``store(a, first, stride, rows, columns,    writes them there
vectors)``
``load_rows(a, places, first, width,        as ``load``, of rows that start at
column, rows, columns)``                    a[places[first + r] * width +
                                            column]; places are of int32
``store_rows(a, places, first, width,       writes them there
column, rows, columns, vectors)``
``load_lanes(a, b, n, length, limit,        ``LANES`` vectors: of rows number
row, j)``                                   row, row + 1, ... those that start
                                            at place j. The first n rows are
                                            in a, the next in b, each of this
                                            length; from ``limit`` on the last
                                            one before it stands for them
``store_lanes(a, b, n, length, limit,       writes them there, but for rows
row, j, vectors)``                          from ``limit`` on
``same(number, n)``                         n vectors of one number
``spread(a, first, stride, rows)``          ``rows`` vectors, of which r has
                                            a[first + r * stride] everywhere
``add_outer(sums, a, b)``                   sums[r, c] + a[r] * b[c], rows by
                                            rows
``add_inner(sums, a, b)``                   sums[c] + the sum over r of
                                            a[r] * b[r, c]
``add_products(sums, a, b)``                sums[k] + a[k] * b[k]
``add(a, b)``, ``subtract(a, b)``,          a[k] + b[k], ..., the larger one
``multiply(a, b)``, ``divide(a, b)``,       for each lane
``maximum(a, b)``
``exponential(a)``                          e^a[k], as ``compiled.exp``
``add_up(vectors)``                         the sum of all numbers
``add_up_each(vectors)``                    of n ``LANES`` vectors, n vectors
                                            of the sums of each
``transpose(vectors)``                      of ``LANES`` vectors, the vectors
                                            of their first, second, ... lanes
==========================================  ================================
"""
from itertools import product

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

from benchmark_utils.compiling import elementary
from benchmark_utils.compiling.numbers import Number
from benchmark_utils.compiling.target import numbers_in_register

#: Numbers in a vector: as many as a register holds, but no fewer than 4.
LANES = max(4, numbers_in_register())
#: Rows of a block of sums: with 3 columns it fills the registers, of which
#: there are twice as many where they hold 8.
ROWS = LANES

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


class _Vector(types.Type):
    """The Numba type of a vector."""

    def __init__(self):
        super().__init__(name=f"Vector[{LANES}]")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, type_):
        super().__init__(manager, type_, _VECTOR)


def _tuple_of(n):
    return types.UniTuple(_Vector(), n)


def _constants(*numbers):
    """The values of types that stand for constants, or None."""
    if all(isinstance(n, types.IntegerLiteral) for n in numbers):
        return [n.literal_value for n in numbers]
    return None


def _pointer(context, builder, type_, array, index, column=0):
    """Pointer to a vector: a[index + column * LANES]."""
    index = builder.add(index, ir.Constant(index.type, column * LANES))
    data = make_array(type_)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _strided(context, builder, signature, arguments):
    """Starts of rows, from the arguments (a, first, stride)."""
    first, stride = (
        context.cast(builder, value, type_, types.intp) for value, type_
        in zip(arguments[1:3], signature.args[1:3], strict=True))
    return lambda row: builder.add(
        first, builder.mul(stride, ir.Constant(first.type, row)))


def _listed(context, builder, signature, arguments):
    """The same, from (a, places, first, width, column)."""
    places = make_array(signature.args[1])(context, builder, arguments[1]).data
    first, width, column = (
        context.cast(builder, value, type_, types.intp) for value, type_
        in zip(arguments[2:5], signature.args[2:5], strict=True))

    def start(row):
        place = builder.load(builder.gep(
            places, [builder.add(first, ir.Constant(first.type, row))]))
        return builder.add(column, builder.mul(
            width, builder.sext(place, width.type)))

    return start


def _loader(starts, n_arguments):
    """Code that loads vectors; the arguments end with rows, columns."""
    def typed(*arguments):
        shape = _constants(*arguments[n_arguments:])
        if shape is None:
            return None

        def generate(context, builder, signature, values):
            start = starts(context, builder, signature, values)
            return context.make_tuple(builder, signature.return_type, [
                builder.load(_pointer(
                    context, builder, signature.args[0], values[0], start(r),
                    c), align=8)
                for r in range(shape[0]) for c in range(shape[1])])

        return _tuple_of(shape[0] * shape[1])(*arguments), generate

    return typed


def _storer(starts, n_arguments):
    """Code that stores them; the arguments end with rows, columns, vectors."""
    def typed(*arguments):
        shape = _constants(*arguments[n_arguments:-1])
        if shape is None:
            return None

        def generate(context, builder, signature, values):
            start = starts(context, builder, signature, values)
            vectors = iter(cgutils.unpack_tuple(builder, values[-1]))
            for r in range(shape[0]):
                for c in range(shape[1]):
                    builder.store(next(vectors), _pointer(
                        context, builder, signature.args[0], values[0],
                        start(r), c), align=8)
            return context.get_dummy_value()

        return types.void(*arguments), generate

    return typed


@intrinsic(prefer_literal=True)
def load(typing, a, first, stride, rows, columns):
    return _loader(_strided, 3)(a, first, stride, rows, columns)


@intrinsic(prefer_literal=True)
def store(typing, a, first, stride, rows, columns, vectors):
    return _storer(_strided, 3)(a, first, stride, rows, columns, vectors)


@intrinsic(prefer_literal=True)
def load_rows(typing, a, places, first, width, column, rows, columns):
    return _loader(_listed, 5)(
        a, places, first, width, column, rows, columns)


@intrinsic(prefer_literal=True)
def store_rows(typing, a, places, first, width, column, rows, columns,
               vectors):
    return _storer(_listed, 5)(
        a, places, first, width, column, rows, columns, vectors)


def _shuffle(builder, a, b, lanes):
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(a, b, mask)


def _lane_pointers(context, builder, signature, values):
    """Pointers to vectors, from (a, b, n, length, limit, row, j), and rows.

    Rows are those before the limit.
    """
    a, b = (make_array(signature.args[k])(context, builder, values[k]).data
            for k in (0, 1))
    n, length, limit, row, j = (
        context.cast(builder, values[k], signature.args[k], types.intp)
        for k in range(2, 7))
    last = builder.sub(limit, ir.Constant(limit.type, 1))
    for r in range(LANES):
        wanted = builder.add(row, ir.Constant(row.type, r))
        within = builder.icmp_signed("<", wanted, limit)
        line = builder.select(within, wanted, last)
        in_a = builder.icmp_signed("<", line, n)
        line = builder.select(in_a, line, builder.sub(line, n))
        place = builder.add(builder.mul(line, length), j)
        yield within, builder.bitcast(
            builder.gep(builder.select(in_a, a, b), [place]),
            _VECTOR.as_pointer())


@intrinsic
def load_lanes(typing, a, b, n, length, limit, row, j):
    def generate(context, builder, signature, values):
        pointers = _lane_pointers(context, builder, signature, values)
        return context.make_tuple(builder, signature.return_type, [
            builder.load(pointer, align=8) for _, pointer in pointers])

    return _tuple_of(LANES)(a, b, n, length, limit, row, j), generate


@intrinsic
def store_lanes(typing, a, b, n, length, limit, row, j, vectors):
    def generate(context, builder, signature, values):
        pointers = _lane_pointers(context, builder, signature, values)
        vectors = cgutils.unpack_tuple(builder, values[-1])
        for (within, pointer), vector in zip(pointers, vectors, strict=True):
            with cgutils.if_likely(builder, within):
                builder.store(vector, pointer, align=8)
        return context.get_dummy_value()

    return types.void(a, b, n, length, limit, row, j, vectors), generate


def _fill(builder, number):
    """A vector of one number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    lane = builder.insert_element(
        nothing, number, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, lane, nothing, [0] * LANES)


@intrinsic(prefer_literal=True)
def same(typing, number, n):
    shape = _constants(n)
    if shape is None:
        return None

    def generate(context, builder, signature, values):
        number = context.cast(
            builder, values[0], signature.args[0], types.float64)
        return context.make_tuple(
            builder, signature.return_type,
            [_fill(builder, number)] * shape[0])

    return _tuple_of(shape[0])(number, n), generate


@intrinsic(prefer_literal=True)
def spread(typing, a, first, stride, rows):
    shape = _constants(rows)
    if shape is None:
        return None

    def generate(context, builder, signature, values):
        start = _strided(context, builder, signature, values)
        data = make_array(signature.args[0])(context, builder, values[0]).data
        return context.make_tuple(builder, signature.return_type, [
            _fill(builder, builder.load(builder.gep(data, [start(r)])))
            for r in range(shape[0])])

    return _tuple_of(shape[0])(a, first, stride, rows), generate


def _multiply_add(builder, x, y, z):
    """x * y + z, fused to one instruction where there is one."""
    return builder.fadd(
        builder.fmul(x, y, flags=("contract",)), z, flags=("contract",))


def _on_lists(compute):
    """Code from tuples of vectors to a tuple, from that for their lists."""
    def generate(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, compute(
            builder, *(cgutils.unpack_tuple(builder, vectors)
                       for vectors in arguments)))

    return generate


@intrinsic
def add_outer(typing, sums, a, b):
    if len(sums) != len(a) * len(b):
        return None
    return sums(sums, a, b), _on_lists(lambda builder, sums, a, b: [
        _multiply_add(builder, x, y, s)
        for s, (x, y) in zip(sums, product(a, b), strict=True)])


@intrinsic
def add_inner(typing, sums, a, b):
    if len(sums) * len(a) != len(b):
        return None

    def compute(builder, sums, a, b):
        for r, x in enumerate(a):
            row = b[r * len(sums):(r + 1) * len(sums)]
            sums = [_multiply_add(builder, x, y, s)
                    for s, y in zip(sums, row, strict=True)]
        return sums

    return sums(sums, a, b), _on_lists(compute)


@intrinsic
def add_products(typing, sums, a, b):
    if not len(sums) == len(a) == len(b):
        return None
    return sums(sums, a, b), _on_lists(lambda builder, *lists: [
        _multiply_add(builder, x, y, s)
        for s, x, y in zip(*lists, strict=True)])


def _elementwise(operation):
    """An intrinsic of two tuples of vectors."""
    @intrinsic
    def apply(typing, a, b):
        if len(a) != len(b):
            return None
        return a(a, b), _on_lists(lambda builder, *lists: [
            operation(builder, x, y) for x, y in zip(*lists, strict=True)])

    return apply


add = _elementwise(lambda builder, x, y: builder.fadd(x, y))
subtract = _elementwise(lambda builder, x, y: builder.fsub(x, y))
multiply = _elementwise(lambda builder, x, y: builder.fmul(x, y))
divide = _elementwise(lambda builder, x, y: builder.fdiv(x, y))
maximum = _elementwise(lambda builder, x, y: builder.select(
    builder.fcmp_ordered(">", y, x), y, x))


@intrinsic
def _exponentials(typing, a):
    return a(a), _on_lists(
        lambda builder, a: [
        elementary.exp(Number(builder, x)).value for x in a])


# A function of its own: with "reassoc", which Numba gives to whatever is in a
# function, the rounding trick would be cancelled.
@njit(fastmath={"contract"}, error_model="numpy")
def exponential(a):
    """e^a[k], for each lane of a tuple of vectors."""
    return _exponentials(a)


@intrinsic
def add_up(typing, vectors):
    def generate(context, builder, signature, arguments):
        total, *others = cgutils.unpack_tuple(builder, arguments[0])
        for vector in others:
            total = builder.fadd(total, vector)
        # Halves are added to halves, in the same order on any machine.
        half = LANES // 2
        while half:
            total = builder.fadd(total, _shuffle(
                builder, total, total, [
                    (c + half) % LANES for c in range(LANES)]))
            half //= 2
        return builder.extract_element(
            total, ir.Constant(ir.IntType(32), 0))

    return types.float64(vectors), generate


@intrinsic
def add_up_each(typing, vectors):
    n, rest = divmod(len(vectors), LANES)
    if rest:
        return None

    def compute(builder, vectors):
        # Two vectors of blocks of lanes become one of blocks of half the
        # size: the first is folded into its lower ones, and the second into
        # its upper ones.
        half = LANES // 2
        while half:
            kept = [c if not c & half else LANES + c - half
                    for c in range(LANES)]
            folded = [c + half for c in kept]
            n_blocks = len(vectors) // (2 * half)
            vectors = [
                builder.fadd(_shuffle(builder, a, b, kept),
                             _shuffle(builder, a, b, folded))
                for a, b in (
                    (vectors[2 * half * k + c], vectors[2 * half * k + half
                                                        + c])
                    for k in range(n_blocks) for c in range(half))]
            half //= 2
        return vectors

    return _tuple_of(n)(vectors), _on_lists(compute)


@intrinsic
def transpose(typing, vectors):
    if len(vectors) != LANES:
        return None

    def compute(builder, rows):
        # Swap the off-diagonal halves of blocks, of half the size each time.
        half = LANES // 2
        while half:
            for r in range(LANES):
                if not r & half:
                    a, b = rows[r], rows[r + half]
                    kept = [c if not c & half else LANES + c - half
                            for c in range(LANES)]
                    rows[r] = _shuffle(builder, a, b, kept)
                    rows[r + half] = _shuffle(
                        builder, a, b, [c + half for c in kept])
            half //= 2
        return rows

    return vectors(vectors), _on_lists(compute)


def aligned_zeros(size):
    """Array of zeros that starts on a cache line.

    A vector of 8 numbers that crosses two lines is loaded and stored at half
    the rate, and is not forwarded from a store to a load.

    Parameters
    ----------
    size : int

    Returns
    -------
    array of float64, shape (size,)
    """
    spare = np.zeros(size + 8)
    start = -spare.ctypes.data % 64 // 8
    return spare[start:start + size]
