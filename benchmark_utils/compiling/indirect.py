"""Calls of kernels by their addresses, which are data like any other.

A solver is compiled once, for every kind of function there is or will be: it
sees G and F as a ``Function``, and an oracle call in it is an indirect call
of a kernel that was compiled on its own, whose address lies in
``Function.kernels``. Addresses are never part of compiled code, so that what
is cached on disk stays valid.
"""
import ctypes
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_getattr_generic
from numba.core.registry import cpu_target
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import lower_builtin


class Function(NamedTuple):
    """An inner or outer function in batches, of whatever kind, for solvers.

    Attributes
    ----------
    kernels : int
        Where the addresses of the oracles are, in the order of their table.
    data : int
        Where the kind's own batches are, as compiled code lays them out.
    oracle_calls : array of int64, shape (1,)
        Number of derivatives of single samples computed so far. It keeps
        alive what is at the two addresses.
    n_samples, batch_size, n_batches : int
    n_weights, n_outer_weights : int
        Weights of a sample in the derivatives in z, and in x; 0 where the
        kind has no oracles by sample.
    """

    kernels: int
    data: int
    oracle_calls: np.ndarray
    n_samples: int
    batch_size: int
    n_batches: int
    n_weights: int
    n_outer_weights: int

    def __reduce_ex__(self, protocol):
        # Addresses mean nothing in another process.
        raise TypeError(
            "a function in batches cannot be copied or pickled: make it "
            "anew, by problem.batches(batch_size)")


class Layout(types.Type):
    """Numba's type of the batches of a kind: the address of a structure.

    Parameters
    ----------
    members : list of Numba types
    kind : type
        The ``NamedTuple`` that names them.
    """

    def __init__(self, members, kind):
        self.members = dict(zip(kind._fields, members, strict=True))
        # Part of the key of the cache: the order of the fields too.
        fields = ", ".join(
            f"{field}: {member}" for field, member in self.members.items())
        super().__init__(f"Layout({kind.__name__}: {fields})")


@register_default(Layout)
class _LayoutModel(models.OpaqueModel):
    """An address, which kernels hand on to those that they call."""


@infer_getattr
class _Fields(AttributeTemplate):
    key = Layout
    depends_on = ()  # All is in the name of the layout.

    def generic_resolve(self, layout, field):
        return layout.members.get(field)


def _structure(context, layout):
    """The batches of a kind in memory, as a type of LLVM."""
    return ir.LiteralStructType([
        context.get_value_type(member) for member in layout.members.values()])


@lower_getattr_generic(Layout)
def _field(context, builder, layout, address, field):
    structure = _structure(context, layout)
    position = list(layout.members).index(field)
    return _load(builder, cgutils.gep_inbounds(
        builder, builder.bitcast(address, structure.as_pointer()), 0,
        position))


def _load(builder, pointer):
    """Load number by number what nothing changes while a kernel runs.

    That is what "invariant" tells LLVM: what a kernel writes to its arrays
    might else be a field, which would be loaded anew in each loop.
    """
    pointee = pointer.type.pointee
    if not isinstance(pointee, (ir.LiteralStructType, ir.ArrayType)):
        value = builder.load(pointer)
        value.set_metadata(
            "invariant.load", builder.module.add_metadata([]))
        return value
    value = ir.Constant(pointee, ir.Undefined)
    for k in range(len(pointee) if isinstance(pointee, ir.LiteralStructType)
                   else pointee.count):
        part = _load(builder, cgutils.gep_inbounds(builder, pointer, 0, k))
        value = builder.insert_value(value, part, k)
    return value


def layout_of(batches):
    """Type of the batches of a kind.

    Raises
    ------
    TypeError
        If a field is neither a NumPy array nor an int nor a float.
    """
    for name, value in zip(batches._fields, batches, strict=True):
        if isinstance(value, bool) or not isinstance(
                value, (np.ndarray, int, float)):
            raise TypeError(
                f"{name}={value!r} of {type(batches).__name__} is not valid: "
                "an array, an int or a float is needed")
    return Layout([typeof(value) for value in batches], type(batches))


def in_memory(batches):
    """The batches of a kind as compiled code lays them out: 8-byte words.

    Parameters
    ----------
    batches : NamedTuple of arrays, int and float

    Returns
    -------
    array of int64
    """
    words = []
    for value in batches:
        if isinstance(value, np.ndarray):
            # Numba's array: no owner, sizes, address, shape, strides.
            words += [0, 0, value.size, value.itemsize, value.ctypes.data,
                      *value.shape, *value.strides]
        elif isinstance(value, float):
            words.append(int(np.float64(value).view(np.int64)))
        else:
            words.append(value)
    context = cpu_target.target_context
    expected = context.get_abi_sizeof(
        _structure(context, layout_of(batches)))
    if 8 * len(words) != expected:
        raise RuntimeError(
            "this version of Numba lays out arrays in another way: "
            f"{8 * len(words)} bytes of {type(batches).__name__}, not "
            f"{expected}")
    return np.array(words, np.int64)


def keeping_alive(array, *others):
    """The same array of int64, in the same place, which keeps others alive."""
    memory = (ctypes.c_int64 * array.size).from_address(array.ctypes.data)
    memory.others = array, others
    return np.frombuffer(memory, np.int64)


def address_of(kernel, arguments, result):
    """Address of a kernel, compiled or loaded for its one signature.

    Parameters
    ----------
    kernel : dispatcher
    arguments : tuple of Numba types
    result : Numba type

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the kernel returns anything else.
    """
    kernel.compile(arguments)
    compiled = kernel.overloads[arguments]
    if compiled.signature.return_type != result:
        raise TypeError(
            f"{kernel.__name__} returns {compiled.signature.return_type}, "
            f"{result} is needed")
    return compiled.library.get_pointer_to_function(
        compiled.fndesc.llvm_func_name)


def _is_function(numba_type):
    # By name: benchopt loads this module anew for each benchmark object.
    return (isinstance(numba_type, types.BaseNamedTuple)
            and numba_type.instance_class.__name__ == Function.__name__
            and numba_type.fields == Function._fields)


def indirect(oracle, position, arguments, result):
    """Make calls of ``oracle`` in compiled code calls of an address.

    Parameters
    ----------
    oracle : function
        The name in compiled code; its first argument is a ``Function``.
    position : int
        Of its address in ``Function.kernels``.
    arguments : tuple of Numba types
        Of the other arguments.
    result : Numba type
    """
    class Template(AbstractTemplate):
        key = oracle
        # For the fingerprint of what calls it.
        depends_on = position, arguments, result

        def generic(self, args, kws):
            if len(args) != 1 + len(arguments) or not _is_function(args[0]):
                return None
            for given, wanted in zip(args[1:], arguments, strict=True):
                if not self.context.can_convert(given, wanted):
                    return None
            return signature(result, args[0], *arguments)

    Template.__name__ = oracle.__name__
    infer_global(oracle, types.Function(Template))

    @lower_builtin(oracle, types.BaseNamedTuple, *arguments)
    def call(context, builder, sig, args):
        function, fields = args[0], sig.args[0].fields
        table, data = (
            builder.inttoptr(
                builder.extract_value(function, fields.index(name)), pointer)
            for name, pointer in (("kernels", cgutils.intp_t.as_pointer()),
                                  ("data", cgutils.voidptr_t)))
        address = builder.load(cgutils.gep_inbounds(builder, table, position))
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, address)):
            context.call_conv.return_user_exc(builder, TypeError, (
                f"the function has no oracle {oracle.__name__}",))
        formal = (types.voidptr, *arguments)
        kernel = builder.inttoptr(
            address, context.call_conv.get_function_type(
                result, formal).as_pointer())
        status, value = context.call_conv.call_function(
            builder, kernel, result, formal,
            [data, *args[1:]])
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value
