"""How this suite compiles, and the few helpers that all of it needs."""
import os

import numpy as np
from numba import config, njit
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature

from benchmark_utils import checks
from benchmark_utils.compiling.cache import Cache

if config.DISABLE_JIT:
    # Kernels are called by their addresses: without any there is nothing to
    # call. Numba reads the environment again, and workers inherit it.
    checks.warn_once(
        "NUMBA_DISABLE_JIT=1 is passed over: oracles exist as compiled code "
        "alone; to step through one, call the NumPy methods of a function")
    os.environ["NUMBA_DISABLE_JIT"] = "0"
    config.DISABLE_JIT = 0

# No "nnan" and no "ninf": overflow and NaN must behave, so that a diverging
# run is seen to diverge.
FASTMATH = {"reassoc", "contract", "arcp", "nsz", "afn"}


def _cached(dispatcher):
    dispatcher._cache = Cache(dispatcher)
    return dispatcher


def jit(function):
    """Compile with Numba: cached on disk, single-threaded, IEEE NaN and inf.

    Parameters
    ----------
    function : callable
        A function in Numba's nopython subset.

    Returns
    -------
    dispatcher
        Division by zero gives inf or NaN instead of raising.
    """
    return _cached(njit(fastmath=FASTMATH, error_model="numpy")(function))


class _Kernel(CPUDispatcher):
    """A compiled function whose entry from Python would crash it."""

    def __call__(self, *args, **kwargs):
        """Refuse.

        Raises
        ------
        TypeError
            Naming the function.
        """
        raise TypeError(
            f"{self.__name__} is called from compiled code only: call it in "
            "a function with @jit")

    def compile(self, sig):
        """Compile, but not where a caller would free what it did not get.

        Raises
        ------
        TypeError
            If the function returns an array: it is compiled without the
            counts of references that its callers keep.
        """
        entry = super().compile(sig)
        arguments, _ = normalize_signature(sig)
        result = self.overloads[tuple(arguments)].signature.return_type
        if "array" in str(result):
            raise TypeError(
                f"{self.__name__} returns {result}: a kernel returns numbers, "
                "and writes to the arrays it is given")
        return entry


def kernel(function):
    """Compile as ``jit``, for calls from compiled code, without allocation.

    Without Numba's runtime there are no reference counts. A call with the
    arrays of a function (G or F) would else cost as much as 20 samples of 22
    features. Allocation in such a function is an error when it is compiled.
    Without an entry from Python a solver compiles a quarter faster, and a
    call from there raises a TypeError.
    """
    dispatcher = _cached(njit(
        fastmath=FASTMATH, error_model="numpy", _nrt=False,
        no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))
    dispatcher.__class__ = _Kernel
    return dispatcher


def inlined(function):
    """Compile as ``jit``, and copy the code to wherever it is called."""
    return _cached(njit(fastmath=FASTMATH, error_model="numpy",
                        inline="always")(function))


# LLVM calls math.exp lane by lane. The function below is straight-line
# arithmetic, so that a loop over samples becomes vector instructions. It must
# not be compiled with "reassoc", which would cancel the rounding trick.
@_cached
@njit(fastmath={"contract"}, error_model="numpy")
def exp(x):
    """Exponential that LLVM can vectorise, within 1 ulp of the exact value.

    Parameters
    ----------
    x : float
        Any float64; NaN gives NaN, +inf gives inf, -inf gives 0.

    Returns
    -------
    float
        e^x, including subnormal results and overflow to inf.

    Notes
    -----
    Range reduction x = k log 2 + r with abs(r) <= log(2) / 2 (Cody and
    Waite's two-part log 2), the Taylor polynomial of degree 13 in r, and k
    written into the exponent bits, in two halves so that neither overflows.
    """
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    # Adding 1.5 * 2^52 rounds to the nearest integer and leaves that integer
    # in the low bits of the sum.
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    n = np.float64(shifted).view(np.int64) - np.int64(4843621399236968448)
    half = n >> 1
    first = np.int64((half + 1023) << 52).view(np.float64)
    second = np.int64((n - half + 1023) << 52).view(np.float64)
    return p * first * second


# Without "reassoc", as ``exp``.
@_cached
@njit(fastmath={"contract"}, error_model="numpy")
def tanh(u):
    """Hyperbolic tangent that LLVM can vectorise.

    Within 3 ulp of the exact value for any float64, near 0 too, where it is
    u and not a difference of numbers near 1; NaN gives NaN.

    Notes
    -----
    tanh(u) = t / (t + 2) with t = e^{2u} - 1 for u >= 0, where nothing
    cancels. As in ``exp``, 2u = k log 2 + r, but the polynomial is that of
    e^r - 1, so that t = 2^k (e^r - 1) + (2^k - 1). From 20 on tanh rounds to
    1.
    """
    y = abs(u)
    y = 40.0 if y > 20.0 else y + y
    shifted = y * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * (r * r) + r
    n = np.float64(shifted).view(np.int64) - np.int64(4843621399236968448)
    power = np.int64((n + 1023) << 52).view(np.float64)
    t = power * p + (power - 1.0)
    h = t / (t + 2.0)
    return h if u >= 0.0 else -h


@kernel
def exp_all(x, out):
    """out = e^x, entry by entry (both 1-D).

    A loop of its own: LLVM then inlines ``exp`` and vectorises it, which it
    does not in a larger function.
    """
    for k in range(out.size):
        out[k] = exp(x[k])


@kernel
def decay(step_size, t, exponent):
    """Step size at iteration t: step_size * (t + 1)^(-exponent)."""
    return step_size * (t + 1.0) ** (-exponent)


@kernel
def descend(variable, step_size, direction):
    """Move ``variable`` (1-D, in place) by -step_size * direction."""
    for k in range(variable.size):
        variable[k] -= step_size * direction[k]


@kernel
def assign(variable, new):
    """Copy ``new`` into ``variable`` (both 1-D).

    ``variable[:] = new`` in compiled code brings along the formatting of an
    error about shapes, which takes a second to compile.
    """
    for k in range(variable.size):
        variable[k] = new[k]
