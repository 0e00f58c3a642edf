"""C functions that are written in LLVM without Numba, kept on the disk."""
import contextlib
from pathlib import Path

from llvmlite import binding as llvm
from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

from benchmark_utils.compiling.addresses import FUNCTION
from benchmark_utils.compiling.cache import Files, hash_of, writable_folder
from benchmark_utils.compiling.loops import Code, first, in_lanes, width
from benchmark_utils.compiling.numbers import (
    DOUBLE,
    INTEGER,
    Number,
    minimum,
)


def _target():
    """What Numba compiles for, so that vectors have the right width."""
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=name, features=features, opt=2, codemodel="jitdefault", jit=True)


def _object_code(module):
    """Machine code of a module."""
    target = _target()
    parsed = llvm.parse_assembly(str(module))
    # What more of it would do, vectors and unrolled loops, is done here; to
    # look for it takes twice as long.
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.slp_vectorization = False
    options.loop_interleaving = options.loop_unrolling = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(parsed, builder)
    return target.emit_object(parsed)


def inner_function(module, name, n_arrays):
    """A function of m, a weight, and arrays that do not overlap."""
    function = ir.Function(module, ir.FunctionType(
        ir.VoidType(), [INTEGER, DOUBLE]
        + [DOUBLE.as_pointer()] * n_arrays), name)
    function.linkage = "internal"
    for argument in function.args[2:]:
        argument.add_attribute("noalias")
    return function, ir.IRBuilder(function.append_basic_block())


class Entry(Code):
    """The code of a C function that ``addresses.call_address`` calls.

    Attributes
    ----------
    size, weight : value
    arrays : list of pointers
    """

    def __init__(self, function):
        super().__init__(ir.IRBuilder(function.append_basic_block()))
        self._first, self.size, self.weight, *pointers = function.args
        self._buffers, *self.arrays = (self.builder.bitcast(
            pointer, DOUBLE.as_pointer()) for pointer in pointers)

    def buffer(self, k, place=0):
        """The array at an address in the buffers, from a place on."""
        address = self.load(self._buffers, k, "i")
        return self.builder.gep(
            self.builder.inttoptr(address.value, DOUBLE.as_pointer()),
            [self.integer(place).value])

    @contextlib.contextmanager
    def chunks(self, most):
        """First sample, and number of samples, of each part of a batch."""
        start, size = (Number(self.builder, value)
                       for value in (self._first, self.size))
        with self.loop(0, size, most) as k:
            yield start + k, minimum(size - k, self.integer(most))

    def zero(self, array, size):
        zero = self.constant(0, "f")
        in_lanes(self, size, lambda k: self.store(
            array, first(k), zero.wide(width(k))))

    def call(self, function, *arguments):
        self.builder.call(function, [
            a.value if isinstance(a, Number) else a for a in arguments])

    def end(self):
        self.builder.ret(ir.Constant(cgutils.voidptr_t, None))


class Library:
    """C functions in machine code, from the disk where they are there.

    Parameters
    ----------
    key : object
        Its ``repr`` has all that the code depends on, but this machine and
        this folder.
    names : list of str
    write : function
        (module, {name: function}) writes the code of all of them.

    Attributes
    ----------
    addresses : dict of {str: int}
    known : object
        What ``write`` returned.
    """

    def __init__(self, key, names, write):
        folder = writable_folder("loops")
        files = folder and Files(folder, "library")
        key = (key, names, cpu_target.target_context.codegen().magic_tuple(),
               hash_of(sorted(Path(__file__).parent.glob("*.py"))))
        kept = files and files.load(key)
        if not kept:
            module = ir.Module()
            module.triple = llvm.get_default_triple()
            functions = {
                name: ir.Function(module, FUNCTION, name) for name in names}
            known = write(module, functions)
            kept = _object_code(module), known
            with contextlib.suppress(OSError):  # Compiled again next time.
                if files:
                    files.save(key, kept)
        code, self.known = kept
        self._engine = llvm.create_mcjit_compiler(
            llvm.parse_assembly(""), _target())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self.addresses = {
            name: self._engine.get_function_address(name) for name in names}
