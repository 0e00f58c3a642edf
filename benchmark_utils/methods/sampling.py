"""The order in which mini-batches are drawn: reshuffled each epoch."""
from typing import NamedTuple

import numpy as np
from numba.np.random.random_methods import random_interval

from benchmark_utils.compiling.compiled import inlined, kernel


class Sampler(NamedTuple):
    """Order in which the batches of one function are visited.

    Attributes
    ----------
    rng : numpy.random.Generator
        Shuffles ``order`` at the start of each epoch.
    order : array of int64, shape (n_batches,)
        Batches in the order of the current epoch.
    position : array of int64, shape (1,)
        Place of the next batch in ``order``.
    """

    rng: np.random.Generator
    order: np.ndarray
    position: np.ndarray


def make_sampler(n_batches, rng):
    """Sampler at the start of its first epoch."""
    order = np.arange(n_batches)
    return Sampler(rng, order, np.array([n_batches]))


@inlined
def draw_below(rng, n):
    """Integer from {0, ..., n - 1}, uniform (int64).

    ``rng.integers`` takes almost a second to compile.
    """
    return np.int64(random_interval(rng.bit_generator, n - 1))


@kernel
def reshuffle(rng, order):
    """Shuffle as ``rng.shuffle(order)`` does, draw by draw.

    Numba's own is for arrays of any number of dimensions, and takes some
    four seconds to compile.
    """
    for k in range(order.size - 1, 0, -1):
        other = draw_below(rng, k + 1)
        order[k], order[other] = order[other], order[k]


@inlined
def draw(sampler):
    """Index of the next batch; reshuffles when an epoch is over."""
    if sampler.position[0] == sampler.order.size:
        reshuffle(sampler.rng, sampler.order)
        sampler.position[0] = 0
    batch = sampler.order[sampler.position[0]]
    sampler.position[0] += 1
    return batch


@kernel
def draw_several(sampler, batches):
    """Fill ``batches`` (array of int64) with the next batches."""
    for k in range(batches.size):
        batches[k] = draw(sampler)
