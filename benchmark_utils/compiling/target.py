"""What the processor can do that Numba compiles for.

That is the processor at hand, unless ``NUMBA_CPU_NAME`` and
``NUMBA_CPU_FEATURES`` name another: then its code must not be laid out for
the registers of this one.
"""
from llvmlite import binding, ir
from numba.core.registry import cpu_target


def numbers_in_register():
    """How many of float64 the widest vector register holds.

    LLVM is asked by compiling a sum of eight for the target: its registers
    follow from its name, its features, and what one forbids of the other.

    Returns
    -------
    int
        8, 4 or 2; 2 wherever it is not a processor of x86.
    """
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    machine = binding.Target.from_triple(triple).create_target_machine(
        cpu=name, features=features)
    vector = ir.VectorType(ir.DoubleType(), 8).as_pointer()
    module = ir.Module()
    module.triple = triple
    function = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [vector]), "twice")
    builder = ir.IRBuilder(function.append_basic_block())
    numbers = builder.load(function.args[0], align=8)
    builder.store(builder.fadd(numbers, numbers), function.args[0], align=8)
    builder.ret_void()
    code = machine.emit_assembly(binding.parse_assembly(str(module)))
    return 8 if "%zmm" in code else 4 if "%ymm" in code else 2
