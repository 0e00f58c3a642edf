"""The oracles: how a compiled solver asks a function for its derivatives.

A *function* is the inner function G or the outer function F of a problem,
cut into batches. A solver calls the oracles below on it, without knowing
which kind it is: the kernel that the kind has registered is called by its
address (``indirect``), so that a solver is compiled once for all kinds. From
plain Python, the same names call the same compiled kernels.

==========================================  ===============================
call                                        writes (``out``, 1-D, float64)
==========================================  ===============================
``value(f, batch, z, x)``                   returns f_I(z, x)
``grad_z(f, batch, z, x, out)``             gradient in the inner variable
``grad_x(f, batch, z, x, out)``             gradient in the outer variable
``hvp(f, batch, z, x, v, out)``             Hessian-vector product in z
``cross(f, batch, z, x, v, out)``           cross derivative, in x, times v
``gradients(f, batch, z, x, out_z,          ``grad_z`` and ``grad_x``,
out_x)``                                    in one pass
``directions(f, batch, z, x, v, out_grad,   ``grad_z``, ``hvp``, ``cross``,
out_hvp, out_cross)``                       in one pass
``project(f, x)``                           x, onto its feasible set
==========================================  ===============================

``batch`` is the index of a mini-batch, or ``FULL`` for all samples. Each
derivative on a batch of b samples adds b to ``f.oracle_calls``, whether or
not it is computed in one pass with others; ``value`` and ``project`` add
nothing. Oracles overwrite ``out`` and change nothing else.

In a *linear model*, f_i(z, x) = loss_i(<a_i, z_1>, ..., <a_i, z_K>) plus a
penalty of (z, x), the sample a_i enters a derivative in z_k as a multiple of
a_i: K weights then stand for a vector of the size of z. If x is one weight a
sample, loss_i may also depend on x_i: the sample enters a derivative in x as
one number, in that entry. A kind that is a linear model may also register
the oracles below, which leave the combination to the caller. The attribute
``weights_per_sample`` of its batches is (K, E), with E = 1, or E = 0 where no
loss depends on x; a solver finds them as ``n_weights`` and
``n_outer_weights``.

==========================================  ===============================
call                                        writes
==========================================  ===============================
``directions_by_sample(f, batch, z, x, v,   ``directions`` of the penalty,
w_grad, w_hvp, w_cross, out_grad, out_hvp,  and the weights of the samples
out_cross)``                                in the rest
``gradients_by_sample(f, batch, z, x,       ``gradients`` of the penalty,
w_grad, w_x, out_z, out_x)``                and the weights of the samples
``add_samples(f, batch, n_vectors,          out += average + combination of
weights, others, out, other, average,       the batch; average += its part in
other_average)``                            the average over batches; the same
                                            for others, if n_vectors = 2
``add_entries(f, batch, weights, out,       out = average + the entries of the
average)``                                  batch in x, average += their part;
                                            nothing where E = 0
==========================================  ===============================

``w_grad`` and ``w_hvp`` have shape (size, K), ``w_cross`` and ``w_x`` have
shape (size, E); the first rows are those of the samples of the batch, in
order. A combination is the sum of the outer products of weights[i] and a_i
times ``batch_weight(f, batch)``, its part in the average the sum divided by
the number of all samples: with changes of weights, ``out`` gets the estimate
of SAGA. Where E = 1, a derivative in x is that of the samples alone, and the
first two leave it to ``add_entries``. They count as ``directions`` and
``gradients``, the others do not count.
"""
import numpy as np
from numba import types

from benchmark_utils.compiling.compiled import jit
from benchmark_utils.compiling.indirect import (
    Function,
    address_of,
    in_memory,
    indirect,
    keeping_alive,
    layout_of,
)

_BATCH = types.int64
_VECTOR = types.Array(types.float64, 1, "C")
_WEIGHTS = types.Array(types.float64, 2, "C")

# The arguments after the function, and the result, of each oracle.
_ORACLES = {
    "value": ((_BATCH, _VECTOR, _VECTOR), types.float64),
    "grad_z": ((_BATCH, *[_VECTOR] * 3), types.none),
    "grad_x": ((_BATCH, *[_VECTOR] * 3), types.none),
    "hvp": ((_BATCH, *[_VECTOR] * 4), types.none),
    "cross": ((_BATCH, *[_VECTOR] * 4), types.none),
    "gradients": ((_BATCH, *[_VECTOR] * 4), types.none),
    "directions": ((_BATCH, *[_VECTOR] * 6), types.none),
    "project": ((_VECTOR,), types.none),
}
_ORACLES_BY_SAMPLE = {
    "directions_by_sample": (
        (_BATCH, *[_VECTOR] * 3, *[_WEIGHTS] * 3, *[_VECTOR] * 3),
        types.none),
    "gradients_by_sample": (
        (_BATCH, *[_VECTOR] * 2, *[_WEIGHTS] * 2, *[_VECTOR] * 2),
        types.none),
    "add_samples": (
        (_BATCH, types.int64, *[_WEIGHTS] * 2, *[_VECTOR] * 4), types.none),
    "add_entries": ((_BATCH, _WEIGHTS, _VECTOR, _VECTOR), types.none),
}
_ALL = {**_ORACLES, **_ORACLES_BY_SAMPLE}

# Of each kind, by the type of its batches: its kernels by their names.
_KERNELS = {}
# Of each layout of such batches in memory: kernels, and their addresses.
_TABLES = {}


def register(batches_type, **kernels):
    """Give the kernels of a kind of function.

    Parameters
    ----------
    batches_type : type
        The ``NamedTuple`` of arrays, int and float that holds the batches of
        the kind: the first argument of each kernel.
    **kernels : dispatcher
        One ``kernel`` for each name in the first table above, with exactly
        the arguments given there; for a linear model, also for each in the
        second, or for none.

    Raises
    ------
    ValueError
        If a kernel is missing or has a name that is not an oracle.
    """
    allowed = set(_ORACLES)
    if kernels.keys() & _ORACLES_BY_SAMPLE:
        allowed.update(_ORACLES_BY_SAMPLE)
    wrong = allowed.symmetric_difference(kernels)
    if wrong:
        raise ValueError(
            f"kernels of {batches_type.__name__}: missing or unknown "
            f"{sorted(wrong)}, allowed are exactly {sorted(allowed)}"
        )
    _KERNELS[batches_type] = kernels


def bind(batches):
    """The batches of a kind as a function that any solver can call.

    The kernels are compiled, or loaded from the disk cache, here.

    Parameters
    ----------
    batches : NamedTuple
        Of a registered type, with the attributes ``n_samples``,
        ``batch_size``, ``n_batches`` and ``oracle_calls`` and, for a linear
        model, ``weights_per_sample``.

    Returns
    -------
    Function

    Raises
    ------
    TypeError
        If the type is not registered, a field is no array, int or float, or
        a kernel does not return what its oracle must.
    """
    kernels = _KERNELS.get(type(batches))
    if kernels is None:
        raise TypeError(
            f"{type(batches).__name__} has no kernels: give them by "
            "oracles.register")
    layout = layout_of(batches)
    owner, table = _TABLES.get(layout, (None, None))
    if owner is not kernels:
        table = np.array([
            address_of(kernels[name], (layout, *arguments), result)
            if name in kernels else 0
            for name, (arguments, result) in _ALL.items()])
        _TABLES[layout] = kernels, table
    data = in_memory(batches)
    return Function(
        table.ctypes.data, data.ctypes.data,
        keeping_alive(batches.oracle_calls, batches, table, data, kernels),
        batches.n_samples, batches.batch_size, batches.n_batches,
        *getattr(batches, "weights_per_sample", (0, 0)))


def has_oracles_by_sample(f):
    """Whether a function has the oracles of the second table (bool)."""
    return f.n_weights > 0


def value(f, batch, z, x):
    """Value f_I(z, x) on a batch (float)."""
    return _value(f, batch, z, x)


def grad_z(f, batch, z, x, out):
    """Gradient in z: out (p,)."""
    _grad_z(f, batch, z, x, out)


def grad_x(f, batch, z, x, out):
    """Gradient in x: out (d,)."""
    _grad_x(f, batch, z, x, out)


def hvp(f, batch, z, x, v, out):
    """Hessian in z times v: out (p,)."""
    _hvp(f, batch, z, x, v, out)


def cross(f, batch, z, x, v, out):
    """Cross derivative times v: out (d,)."""
    _cross(f, batch, z, x, v, out)


def gradients(f, batch, z, x, out_z, out_x):
    """Both gradients in one pass: out_z (p,) and out_x (d,)."""
    _gradients(f, batch, z, x, out_z, out_x)


def directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    """``grad_z``, ``hvp`` and ``cross`` in one pass."""
    _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross)


def project(f, x):
    """Project x (d,) in place onto the feasible set of the outer problem."""
    _project(f, x)


def directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                         out_hvp, out_cross):
    """``directions`` of the penalty, and the weights of the samples."""
    _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross)


def gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    """``gradients`` of the penalty, and the weights of the samples."""
    _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x)


def add_samples(f, batch, n_vectors, weights, others, out, other, average,
                other_average):
    """Add averages (p,) and combinations to out and other (p,)."""
    _add_samples(f, batch, n_vectors, weights, others, out, other, average,
                 other_average)


def add_entries(f, batch, weights, out, average):
    """The entries of a batch and an average (d,): out (d,)."""
    _add_entries(f, batch, weights, out, average)


for _position, (_name, _types) in enumerate(_ALL.items()):
    indirect(globals()[_name], _position, *_types)


# The entries from Python: kernels have none.
@jit
def _value(f, batch, z, x):
    return value(f, batch, z, x)


@jit
def _grad_z(f, batch, z, x, out):
    grad_z(f, batch, z, x, out)


@jit
def _grad_x(f, batch, z, x, out):
    grad_x(f, batch, z, x, out)


@jit
def _hvp(f, batch, z, x, v, out):
    hvp(f, batch, z, x, v, out)


@jit
def _cross(f, batch, z, x, v, out):
    cross(f, batch, z, x, v, out)


@jit
def _gradients(f, batch, z, x, out_z, out_x):
    gradients(f, batch, z, x, out_z, out_x)


@jit
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    directions(f, batch, z, x, v, out_grad, out_hvp, out_cross)


@jit
def _project(f, x):
    project(f, x)


@jit
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                         out_hvp, out_cross)


@jit
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x)


@jit
def _add_samples(f, batch, n_vectors, weights, others, out, other, average,
                 other_average):
    add_samples(f, batch, n_vectors, weights, others, out, other, average,
                other_average)


@jit
def _add_entries(f, batch, weights, out, average):
    add_entries(f, batch, weights, out, average)
