"""Short vectors of float64 that stay in registers, for compiled code.

LLVM turns plain loops into vector instructions, but it keeps no block of sums
in registers across a loop over features or samples. The functions below name
registers: each takes or returns a tuple of vectors of ``LANES`` numbers, of a
length that is a constant of the source. Arrays are contiguous, of float64,
and indexed as if they were flattened; nothing checks the bounds. They are for
compiled code only.

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
``same(number, n)``                         n vectors of one number
``spread(a, first, stride, rows)``          ``rows`` vectors, of which r has
                                            a[first + r * stride] everywhere
``add_outer(sums, a, b)``                   sums[r, c] + a[r] * b[c], rows by
                                            rows
``add_products(sums, a, b)``                sums[k] + a[k] * b[k]
``add_up(vectors)``                         the sum of all numbers
``add_up_each(vectors)``                    of n ``LANES`` vectors, n vectors
                                            of the sums of each
``transpose(vectors)``                      of ``LANES`` vectors, the vectors
                                            of their first, second, ... lanes
==========================================  ================================
"""
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

_WIDE = binding.get_host_cpu_features().get("avx512f", False)
#: Numbers in a vector: as many as a register holds, but no fewer than 4.
LANES = 8 if _WIDE else 4
#: Rows of a block of sums: with 3 columns it fills the registers.
ROWS = 8 if _WIDE else 4

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
# Fused to one instruction where there is one.
_FUSED = ("contract",)


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


@intrinsic
def add_outer(typing, sums, a, b):
    if len(sums) != len(a) * len(b):
        return None

    def generate(context, builder, signature, arguments):
        sums, a, b = (
            cgutils.unpack_tuple(builder, vectors) for vectors in arguments)
        pairs = [(x, y) for x in a for y in b]
        return context.make_tuple(builder, signature.return_type, [
            builder.fadd(s, builder.fmul(x, y, flags=_FUSED), flags=_FUSED)
            for s, (x, y) in zip(sums, pairs, strict=True)])

    return sums(sums, a, b), generate


@intrinsic
def add_products(typing, sums, a, b):
    if not len(sums) == len(a) == len(b):
        return None

    def generate(context, builder, signature, arguments):
        vectors = zip(*(cgutils.unpack_tuple(builder, vectors)
                        for vectors in arguments), strict=True)
        return context.make_tuple(builder, signature.return_type, [
            builder.fadd(s, builder.fmul(x, y, flags=_FUSED), flags=_FUSED)
            for s, x, y in vectors])

    return sums(sums, a, b), generate


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

    def generate(context, builder, signature, arguments):
        vectors = cgutils.unpack_tuple(builder, arguments[0])
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
        return context.make_tuple(builder, signature.return_type, vectors)

    return _tuple_of(n)(vectors), generate


@intrinsic
def transpose(typing, vectors):
    if len(vectors) != LANES:
        return None

    def generate(context, builder, signature, arguments):
        rows = cgutils.unpack_tuple(builder, arguments[0])
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
        return context.make_tuple(builder, signature.return_type, rows)

    return vectors(vectors), generate


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
