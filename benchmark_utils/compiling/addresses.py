"""Calls of C functions by their addresses, which are data of a run.

The function is ``void *f(int64 first, int64 size, double weight,
int64 *buffers, double *a_0, ..., double *a_5)``, with null pointers for the
arrays that it does not take. What it returns is the address of an exception of
Python, or null.
"""
import ctypes

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import RETCODE_EXC
from numba.extending import intrinsic

MAX_ARRAYS = 6
_INTEGER, _POINTER = ir.IntType(64), cgutils.voidptr_t
FUNCTION = ir.FunctionType(
    _POINTER, [_INTEGER, _INTEGER, ir.DoubleType(), _POINTER,
               *[_POINTER] * MAX_ARRAYS])
#: The same for ctypes. Its functions hold the GIL while they run.
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_double,
    ctypes.c_void_p, *[ctypes.c_void_p] * MAX_ARRAYS)


@intrinsic
def call_address(typing, address, first, size, weight, buffers, arrays):
    """Call a C function; what it raises is raised by whoever called.

    Parameters
    ----------
    address, first, size : int
    weight : float
    buffers : array of int64
    arrays : tuple of at most 6 arrays of float64
    """
    if len(arrays) > MAX_ARRAYS:
        return None

    def generate(context, builder, signature, values):
        def pointer(kind, array):
            data = context.make_array(kind)(context, builder, array).data
            return builder.bitcast(data, _POINTER)

        numbers = [
            context.cast(builder, value, kind, wanted)
            for value, kind, wanted in zip(
                values[:4], signature.args[:4],
                [types.int64] * 3 + [types.float64], strict=True)]
        pointers = [
            pointer(kind, array) for kind, array in zip(
                signature.args[5], cgutils.unpack_tuple(builder, values[5]),
                strict=True)]
        pointers += [ir.Constant(_POINTER, None)] * (
            MAX_ARRAYS - len(pointers))
        error = builder.call(
            builder.inttoptr(numbers[0], FUNCTION.as_pointer()),
            [*numbers[1:], pointer(signature.args[4], values[4]), *pointers])
        with cgutils.if_unlikely(builder, cgutils.is_not_null(
                builder, error)):
            # Left where Python looks for it, it passes through compiled code
            # as it is, with its own traceback.
            python = context.get_python_api(builder)
            lock = python.gil_ensure()
            error = builder.bitcast(error, python.pyobj)
            kind = python.object_getattr_string(error, "__class__")
            python.err_set_object(kind, error)
            python.decref(kind)
            python.gil_release(lock)
            builder.ret(RETCODE_EXC)
        return context.get_dummy_value()

    return types.none(address, first, size, weight, buffers, arrays), generate
