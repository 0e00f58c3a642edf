"""The oracles: how a compiled solver asks a function for its derivatives.

A *function* is the inner function G or the outer function F of a problem,
cut into batches (``LogisticBatches``, ``QuadraticBatches``, ...). A solver
calls the oracles below on it, without knowing which kind it is; Numba
resolves each call at compile time to the kernel that the kind registered.
From plain Python, the same names call the same compiled kernels.

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
"""
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global

from benchmark_utils.compiled import jit

_KERNELS = {}


def register(function_type, **kernels):
    """Give the kernels of a kind of function.

    Parameters
    ----------
    function_type : type
        The ``NamedTuple`` that holds the data of the function.
    **kernels : dispatcher
        One compiled function for each name in the table above, with exactly
        the arguments given there.

    Raises
    ------
    ValueError
        If a kernel is missing or has a name that is not an oracle.
    """
    wrong = set(kernels).symmetric_difference(_ORACLES)
    if wrong:
        raise ValueError(
            f"kernels of {function_type.__name__}: missing or unknown "
            f"{sorted(wrong)}, allowed are exactly {sorted(_ORACLES)}"
        )
    _KERNELS[function_type] = kernels


def _kernel(name, numba_type):
    """Kernel for a Numba type, or None where the type is no function."""
    if isinstance(numba_type, types.NamedTuple):
        return _KERNELS.get(numba_type.instance_class, {}).get(name)
    return None


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


class _Oracle(AbstractTemplate):
    """Types the call of an oracle in compiled code as one of its kernel.

    ``numba.extending.overload`` would do the same through one more function
    for each oracle and kind, which takes a fifth of a second to compile.
    """

    def generic(self, args, kws):
        kernel = _kernel(self.key.__name__, args[0])
        if kernel is None:
            return None
        dispatcher = types.Dispatcher(kernel)
        signature = dispatcher.get_call_type(self.context, args, kws)
        self.compiled[signature.args] = dispatcher.get_overload(signature)
        return signature

    def get_impl_key(self, signature):
        return self.compiled[signature.args]


_ORACLES = ("value", "grad_z", "grad_x", "hvp", "cross", "gradients",
            "directions", "project")
for _name in _ORACLES:
    _oracle = globals()[_name]
    infer_global(_oracle, types.Function(
        type(_name, (_Oracle,), {"key": _oracle, "compiled": {}})))


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
