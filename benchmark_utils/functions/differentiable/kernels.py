"""Kernels of a loss of the user's own: calls of C functions."""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.addresses import call_address
from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    FULL,
    batch_size_of,
    batch_weight,
)


class DifferentiableBatches(NamedTuple):
    """A function whose oracles are C functions, for any loss.

    Attributes
    ----------
    addresses : array of int64, shape (8,)
        Of the C functions, in the order of ``NAMES``. It keeps alive what is
        there.
    buffers : array of int64
        Addresses of what they need: samples and scratch space.
    result : array of float64, shape (1,)
        Scratch space for the value.
    n_samples, batch_size, n_batches : int
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far.
    """

    addresses: np.ndarray
    buffers: np.ndarray
    result: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    oracle_calls: np.ndarray


NAMES = ("value", "grad_z", "grad_x", "hvp", "cross", "gradients",
         "directions", "project")


@kernel
def _call(f, position, batch, calls, arrays):
    size = batch_size_of(f, batch)
    first = 0 if batch == FULL else batch * f.batch_size
    call_address(f.addresses[position], first, size, batch_weight(f, batch),
                 f.buffers, arrays)
    f.oracle_calls[0] += calls * size


@kernel
def _value(f, batch, z, x):
    _call(f, 0, batch, 0, (z, x, f.result))
    return f.result[0]


@kernel
def _grad_z(f, batch, z, x, out):
    _call(f, 1, batch, 1, (z, x, out))


@kernel
def _grad_x(f, batch, z, x, out):
    _call(f, 2, batch, 1, (z, x, out))


@kernel
def _hvp(f, batch, z, x, v, out):
    _call(f, 3, batch, 1, (z, x, v, out))


@kernel
def _cross(f, batch, z, x, v, out):
    _call(f, 4, batch, 1, (z, x, v, out))


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    _call(f, 5, batch, 2, (z, x, out_z, out_x))


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    _call(f, 6, batch, 3, (z, x, v, out_grad, out_hvp, out_cross))


@kernel
def _project(f, x):
    _call(f, 7, FULL, 0, (x,))


oracles.register(
    DifferentiableBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project)
