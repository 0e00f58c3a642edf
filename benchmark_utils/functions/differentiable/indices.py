"""Primitives whose places are numbers of other arrays: windows into one.

All of them have the dimension numbers of a gather: batches of indices, each
the start of a window, and axes of the batches and of the windows.
"""
import math
import operator
from functools import partial

from benchmark_utils.compiling.numbers import maximum, minimum, where
from benchmark_utils.functions.differentiable.losses import jax
from benchmark_utils.functions.differentiable.writer import Tensor


def _each_entry(writer, shape, entries, indices, numbers, mode, body):
    """Call ``body(index, place, inside)`` for the entries of all windows.

    Parameters
    ----------
    shape, entries : tuple of int
        Of the array, and of all windows.
    indices : Tensor
        With starts of windows along the last axis.
    numbers : jax.lax.GatherDimensionNumbers
    mode : str
        Of what is outside the array: it is passed over, or else clipped.
    """
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    within = dict(zip((k for k in range(len(shape)) if k not in dropped),
                      numbers.offset_dims, strict=True))
    last = [n - entries[within[k]] if k in within else n - 1
            for k, n in enumerate(shape)]
    passes = any(word in mode.lower() for word in ("fill", "drop"))

    def at(index):
        batch = [i for k, i in enumerate(index) if k not in within.values()]
        place, inside = [0] * len(shape), None
        for k, axis in enumerate(numbers.start_index_map):
            start = writer.read(indices, (*batch, k)).converted("i")
            place[axis] = minimum(
                maximum(start, start.of(0)), start.of(last[axis]))
            if passes:
                fits = place[axis].compare("==", start)
                inside = fits if inside is None else inside & fits
        for axis, k in zip(numbers.operand_batching_dims,
                           numbers.start_indices_batching_dims, strict=True):
            place[axis] = batch[k]
        for axis, k in within.items():
            place[axis] = index[k] + place[axis]
        body(index, tuple(place), inside)

    windows = {*within.values()}
    writer.loops(
        entries, at, lanes=any(entries[k] != 1 for k in windows),
        order=sorted(range(len(entries)), key=lambda k: k in windows))


def _read(writer, equation, a, *windows, fill=None):
    writer.now(a)
    target = writer.new(equation.shape, equation.kind)

    def body(index, place, inside):
        value = writer.read(a, place)
        writer.write(target.memory, index, value if inside is None else where(
            inside, value, fill))

    _each_entry(writer, a.shape, equation.shape, *windows, body)
    return target


def _write(writer, equation, a, updates, *windows,
           combine=lambda old, new: new):
    target = writer.copied(a)

    def body(index, place, inside):
        # Not as it was read before, since windows may overlap.
        old = writer.entry(target, place)
        new = combine(old, writer.read(updates, index))
        writer.write(target.memory, place, new if inside is None else where(
            inside, new, old))

    _each_entry(writer, a.shape, updates.shape, *windows, body)
    return target


def _gather(writer, equation, a, indices):
    params, fill = equation.params, equation.params["fill_value"]
    if fill is None:
        fill = {"f": math.nan, "b": 1}.get(a.kind, -2**63)
    writer.now(indices)
    return _read(writer, equation, a, indices, params["dimension_numbers"],
                 str(params["mode"]), fill=fill)


def _scatter(writer, equation, a, indices, updates, **options):
    numbers = equation.params["dimension_numbers"]
    writer.now(indices)
    return _write(
        writer, equation, a, updates, indices,
        jax.lax.GatherDimensionNumbers(
            numbers.update_window_dims, numbers.inserted_window_dims,
            numbers.scatter_dims_to_operand_dims,
            numbers.operand_batching_dims,
            numbers.scatter_indices_batching_dims),
        str(equation.params["mode"]), **options)


def _one_window(writer, starts):
    """Indices, dimension numbers and mode of the window at some numbers."""
    axes = tuple(range(len(starts)))
    indices = Tensor((len(axes),), "i", lambda index: writer.read(
        starts[index[0]], ()))
    return indices, jax.lax.GatherDimensionNumbers(axes, (), axes), "clip"


def _dynamic_slice(writer, equation, a, *starts):
    return _read(writer, equation, a, *_one_window(writer, starts))


def _dynamic_update_slice(writer, equation, a, update, *starts):
    return _write(writer, equation, a, update, *_one_window(writer, starts))


INDICES = {
    "gather": _gather, "scatter": _scatter,
    "scatter-add": partial(_scatter, combine=operator.add),
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
}
