"""Primitives that move entries: to other places, or next to others."""
import math
from itertools import accumulate

from benchmark_utils.functions.differentiable.equations import NotTranslated
from benchmark_utils.functions.differentiable.writer import (
    Memory,
    Tensor,
    contiguous,
)


def _broadcast(writer, equation, a):
    return writer.view(a, equation.shape, [
        (k, 0, 1) if n != 1 else (None, 0, 0) for k, n in zip(
            equation.params["broadcast_dimensions"], a.shape, strict=True)])


def _transpose(writer, equation, a):
    order = equation.params["permutation"]
    return writer.view(a, equation.shape, [
        (order.index(k), 0, 1) for k in range(len(order))])


def _slice(writer, equation, a):
    starts = equation.params["start_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    return writer.view(a, equation.shape, list(zip(
        range(len(starts)), starts, steps, strict=True)))


def _reverse(writer, equation, a):
    return writer.view(a, equation.shape, [
        (k, n - 1, -1) if k in equation.params["dimensions"] else (k, 0, 1)
        for k, n in enumerate(a.shape)])


def _reshape(writer, equation, a):
    shape, n = equation.shape, writer.sample_size
    kept, into = ([k for k, n in enumerate(s) if n != 1]
                  for s in (a.shape, shape))
    if [a.shape[k] for k in kept] == [shape[k] for k in into]:
        places = dict(zip(kept, into, strict=True))
        return writer.view(a, shape, [
            (places[k], 0, 1) if k in places else (None, 0, 0)
            for k in range(len(a.shape))])
    if n in a.shape or n in shape:
        if (a.shape.count(n), shape.count(n)) != (1, 1) or (
                math.prod(a.shape[:a.shape.index(n)])
                != math.prod(shape[:shape.index(n)])):
            raise NotTranslated("reshape that merges samples")
    # In memory, without gaps: the axis of samples stays the first.
    memory = writer.now(a)
    whole = contiguous(a.shape, writer.order(a.shape))
    if any(memory.strides[k] != whole[k] for k in kept):
        memory = writer.copied(a).memory
    return Tensor(shape, equation.kind, memory=Memory(
        memory.array, memory.offset, contiguous(shape, writer.order(shape))))


def _joined(writer, equation, parts):
    """A new array, of parts at places with steps of their own.

    Parameters
    ----------
    parts : list of (tensor, first place on each axis, steps)
    """
    target, n = writer.new(equation.shape, equation.kind), len(equation.shape)
    for tensor, starts, steps in parts:
        writer.put(tensor, target.memory.through(
            list(zip(range(n), starts, steps, strict=True)), n))
    return target


def _concatenate(writer, equation, *arguments):
    axis, n = equation.params["dimension"], len(equation.shape)
    starts = accumulate((a.shape[axis] for a in arguments), initial=0)
    return _joined(writer, equation, [
        (a, [start if k == axis else 0 for k in range(n)], [1] * n)
        for a, start in zip(arguments, starts, strict=False)])


def _pad(writer, equation, a, fill):
    """The fill everywhere, then the entries of ``a`` that are not cut off."""
    config = [tuple(map(int, axis))
              for axis in equation.params["padding_config"]]
    if any(within and min(low, high) < 0 for low, high, within in config):
        raise NotTranslated("pad by less than nothing within")
    if any(min(low, high) < 0 for low, high, _ in config):
        a = writer.view(a, tuple(
            n + min(0, low) + min(0, high) for n, (low, high, _) in zip(
                a.shape, config, strict=True)), [
            (k, max(0, -low), 1) for k, (low, _, _) in enumerate(config)])
    zeros, ones = [0] * len(config), [1] * len(config)
    return _joined(writer, equation, [
        (writer.view(fill, equation.shape, []), zeros, ones),
        (a, [max(0, low) for low, _, _ in config],
         [1 + within for _, _, within in config])])


VIEWS = {
    "broadcast_in_dim": _broadcast, "transpose": _transpose,
    "slice": _slice, "rev": _reverse, "reshape": _reshape,
    "squeeze": _reshape, "expand_dims": _reshape,
    "concatenate": _concatenate, "pad": _pad,
}
