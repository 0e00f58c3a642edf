"""How this suite compiles, and the few helpers that all of it needs."""
import os

from numba import config, njit, types
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic

from benchmark_utils import checks
from benchmark_utils.compiling import elementary
from benchmark_utils.compiling.cache import Cache
from benchmark_utils.compiling.numbers import Number

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


def _of_number(function):
    """An intrinsic of a number, from code of ``elementary``."""
    @intrinsic
    def apply(typing, x):
        def generate(context, builder, signature, values):
            value = context.cast(
                builder, values[0], signature.args[0], types.float64)
            return function(Number(builder, value)).value

        return types.float64(x), generate

    return apply


_exp, _tanh = map(_of_number, (elementary.exp, elementary.tanh))


# Functions of their own: Numba gives "reassoc" to whatever is in a function,
# which would cancel the rounding trick.
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
    """
    return _exp(x)


@_cached
@njit(fastmath={"contract"}, error_model="numpy")
def tanh(u):
    """Hyperbolic tangent that LLVM can vectorise.

    Within 3 ulp of the exact value for any float64, near 0 too, where it is
    u and not a difference of numbers near 1; NaN gives NaN.
    """
    return _tanh(u)


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
