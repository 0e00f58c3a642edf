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

In a *linear model*, f_i(z, x) = loss_i(<a_i, z_1>, ..., <a_i, z_K>) plus a
penalty of (z, x), the sample a_i enters a derivative in z_k as a multiple of
a_i: K weights then stand for a vector of the size of z. If x is one weight a
sample, loss_i may also depend on x_i: the sample enters a derivative in x as
one number, in that entry. A kind that is a linear model may also register
the oracles below, which leave the combination to the caller. The attribute
``weights_per_sample`` of its batches is (K, E), with E = 1, or E = 0 where no
loss depends on x.

==========================================  ===============================
call                                        writes
==========================================  ===============================
``directions_by_sample(f, batch, z, x, v,   ``directions`` of the penalty,
w_grad, w_hvp, w_cross, out_grad, out_hvp,  and the weights of the samples
out_cross)``                                in the rest
``gradients_by_sample(f, batch, z, x,       ``gradients`` of the penalty,
w_grad, w_x, out_z, out_x)``                and the weights of the samples
``add_samples(f, batch, weights, out,       out += the combination, for
average)``                                  the batch; average += its part
                                            in the average over batches
==========================================  ===============================

``w_grad`` and ``w_hvp`` have shape (size, K), ``w_cross`` and ``w_x`` have
shape (size, E); the first rows are those of the samples of the batch, in
order. ``out`` (p,) gets the sum of the outer products of weights[i] and a_i
times ``batch_weight(f, batch)``, ``average`` the sum divided by the number of
all samples. The first two count as ``directions`` and ``gradients``, the
third does not count.
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
        One compiled function for each name in the first table above, with
        exactly the arguments given there; for a linear model, also for each
        in the second, or for none.

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
            f"kernels of {function_type.__name__}: missing or unknown "
            f"{sorted(wrong)}, allowed are exactly {sorted(allowed)}"
        )
    _KERNELS[function_type] = kernels


def has_oracles_by_sample(f):
    """Whether a function has the oracles of the second table (bool)."""
    return "add_samples" in _KERNELS[type(f)]


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


def directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                         out_hvp, out_cross):
    """``directions`` of the penalty, and the weights of the samples."""
    _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross)


def gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    """``gradients`` of the penalty, and the weights of the samples."""
    _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x)


def add_samples(f, batch, weights, out, average):
    """Add the combination of a batch to out (p,) and average (p,)."""
    _add_samples(f, batch, weights, out, average)


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
_ORACLES_BY_SAMPLE = (
    "directions_by_sample", "gradients_by_sample", "add_samples")
for _name in _ORACLES + _ORACLES_BY_SAMPLE:
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


@jit
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                         out_hvp, out_cross)


@jit
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x)


@jit
def _add_samples(f, batch, weights, out, average):
    add_samples(f, batch, weights, out, average)
