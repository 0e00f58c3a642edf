"""Kernels that several others call, but that are compiled once.

What a compiled function calls is compiled again with it. A kernel that is
long, and that most oracles of a kind call, is instead compiled on its own and
called by its address, which the batches of the kind hold in their field
``apart``.
"""
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from benchmark_utils.compiling.indirect import address_of, layout_of

# The addresses of the kernels, by the type of the batches.
_TABLES = {}


def apart(position, *arguments):
    """A function for compiled code that calls a kernel by its address.

    Parameters
    ----------
    position : int
        Of the kernel among those of ``set_apart``.
    *arguments : Numba types
        Of the kernel, after the batches. It returns nothing.

    Returns
    -------
    intrinsic
        Of the batches, and the tuple of the other arguments.
    """
    @intrinsic
    def call(typing, f, values):
        def generate(context, builder, signature, parts):
            layout, given = signature.args
            table = context.make_array(layout.members["apart"])(
                context, builder,
                context.get_getattr(layout, "apart")(
                    context, builder, layout, parts[0], "apart")).data
            formal = (layout, *arguments)
            kernel = builder.inttoptr(
                builder.load(cgutils.gep_inbounds(builder, table, position)),
                context.call_conv.get_function_type(
                    types.none, formal).as_pointer())
            cast = [
                context.cast(builder, value, *pair) for value, *pair in zip(
                    cgutils.unpack_tuple(builder, parts[1]), given, arguments,
                    strict=True)]
            status, _ = context.call_conv.call_function(
                builder, kernel, types.none, formal, [parts[0], *cast])
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        if len(values) != len(arguments):
            return None
        return types.none(f, values), generate

    return call


def set_apart(batches, kernels):
    """Fill the field ``apart`` of batches.

    Parameters
    ----------
    batches : NamedTuple
        ``apart`` is an array of int64, shape (len(kernels),).
    kernels : dict of {dispatcher: tuple of Numba types}
        The kernels, and their arguments after the batches.
    """
    layout = layout_of(batches)
    if layout not in _TABLES:
        _TABLES[layout] = [
            address_of(kernel, (layout, *arguments), types.none)
            for kernel, arguments in kernels.items()]
    batches.apart[:] = _TABLES[layout]
