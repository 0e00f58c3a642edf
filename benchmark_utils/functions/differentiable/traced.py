"""C functions made of a loss itself: JAX traces it, and is not called again.

JAX differentiates and traces once, with a number of samples that is no other
size; the equations of each oracle become loops over as many samples as there
are. The code is kept on the disk, by what the equations are.
"""
from pathlib import Path

import numpy as np

from benchmark_utils.compiling.cache import hash_of
from benchmark_utils.compiling.indirect import keeping_alive
from benchmark_utils.compiling.library import (
    Entry,
    Library,
    inner_function,
)
from benchmark_utils.compiling.numbers import Number
from benchmark_utils.compiling.vectors import aligned_zeros
from benchmark_utils.functions.differentiable.equations import (
    Equations,
    NotTranslated,
)
from benchmark_utils.functions.differentiable.kernels import NAMES
from benchmark_utils.functions.differentiable.losses import (
    in_double,
    jax,
    jnp,
)
from benchmark_utils.functions.differentiable.translate import Translator
from benchmark_utils.functions.differentiable.writer import (
    Memory,
    Tensor,
    contiguous,
)

# Samples that are computed at once: one of these primes, that is no size of
# anything else.
_SAMPLE_SIZES = (131, 137, 139, 149, 151, 157, 163, 167, 173, 179)
# What JAX returns: value, gradients in z and x, H v and C v.
_OUTPUTS = {"value": [0], "grad_z": [1], "grad_x": [2], "hvp": [3],
            "cross": [4], "gradients": [1, 2], "directions": [1, 3, 4]}
_WITH_V = ("hvp", "cross", "directions")


def _all_derivatives(function):
    """(z, x, v, *samples) -> value, gradients, and products with v."""
    def compute(z, x, v, *samples):
        (value, gradients), (_, products) = jax.jvp(
            lambda z: jax.value_and_grad(function, (0, 1))(z, x, *samples),
            (z,), (v,))
        return value, *gradients, *products

    return compute


class Traced:
    """The C functions of a loss, for all samples and sizes of batches.

    Parameters
    ----------
    loss, penalty, project : function
        Of flat z and x; the last two may be None.
    p, d : int
    rows : list of arrays
        One of each array of samples.

    Raises
    ------
    NotTranslated
        Naming a primitive.
    """

    def __init__(self, loss, penalty, project, p, d, rows):
        self.p, self.d, self.rows = p, d, rows
        z, x = np.zeros(p), np.zeros(d)
        taken = {p, d, *(n for a in rows for n in a.shape)}

        def trace(function, *arguments):
            with in_double():
                return jax.make_jaxpr(function)(*arguments)

        def total(z, x, *samples):
            return jnp.sum(jax.vmap(
                lambda *sample: loss(z, x, *sample))(*samples))

        size = next(n for n in _SAMPLE_SIZES if n not in taken)
        self.sample_size = size
        self.samples = Equations(trace(_all_derivatives(total), z, x, z, *(
            np.zeros((size, *a.shape), a.dtype) for a in rows)), size)
        self.penalty = penalty and Equations(
            trace(_all_derivatives(penalty), z, x, z))
        self.project = project and Equations(trace(project, x))
        parts = [self.samples, self.penalty, self.project]
        # An edit of what writes the code takes effect.
        key = (
            hash_of(sorted(Path(__file__).parent.glob("*.py"))),
            jax.version.__version__, p, d,
            [(a.shape, a.dtype.kind) for a in rows],
            *(e and e.key() for e in parts))
        self._n_work = 0
        self.library = Library(key, NAMES, self._write)

    def on(self, samples):
        """Addresses and buffers, for ``DifferentiableBatches``."""
        work = aligned_zeros(self.library.known)
        arrays = [*samples, work]
        buffers = np.array([a.ctypes.data for a in arrays])
        addresses = np.array([self.library.addresses[k] for k in NAMES])
        return keeping_alive(addresses, self.library, arrays), buffers

    # -- code -----------------------------------------------------------------
    def _write(self, module, functions):
        for name in _OUTPUTS:
            self._write_oracle(module, name, functions[name])
        self._write_project(functions["project"])
        return self._n_work

    def _write_oracle(self, module, name, function):
        """Zero what is written, then add the samples and the penalty."""
        outputs = _OUTPUTS[name]
        sizes = [(1, self.p, self.d, self.p, self.d)[k] for k in outputs]
        n_inputs = 3 if name in _WITH_V else 2
        n_arrays = n_inputs + len(outputs) + len(self.rows) + 1
        part, builder = inner_function(
            module, f"samples_{name}", n_arrays)
        self._write_part(builder, part, self.samples, outputs, n_inputs)
        entry = Entry(function)
        arrays = entry.arrays[:n_inputs + len(outputs)]
        for size, array in zip(sizes, arrays[n_inputs:], strict=True):
            entry.zero(array, size)
        work = entry.buffer(len(self.rows))
        with entry.chunks(self.sample_size) as (first, m):
            entry.call(part, m, entry.weight, *arrays, *(
                entry.buffer(k, first * int(a.size))
                for k, a in enumerate(self.rows)), work)
        if self.penalty:
            part, builder = inner_function(
                module, f"penalty_{name}", n_arrays - len(self.rows))
            self._write_part(builder, part, self.penalty, outputs, n_inputs)
            entry.call(part, entry.size, entry.weight, *arrays, work)
        entry.end()

    def _write_part(self, builder, function, equations, outputs, n_inputs):
        m, weight, *arrays = function.args
        number = Number(builder, m)
        with_samples = equations is self.samples
        translator = Translator(
            builder, arrays[-1], equations.sample_size,
            number if with_samples else None)

        def array(pointer, shape, kind="f"):
            return Tensor(shape, kind, memory=Memory(
                pointer, 0, contiguous(shape)))

        z, x, *v = arrays[:n_inputs]
        inputs = [array(z, (self.p,)), array(x, (self.d,)),
                  array((v or [z])[0], (self.p,))]
        if with_samples:
            inputs += [
                array(pointer, (equations.sample_size, *row.shape),
                      row.dtype.kind)
                for pointer, row in zip(
                    arrays[n_inputs + len(outputs):-1], self.rows,
                    strict=True)]
        wanted = [equations.outputs[k] for k in outputs]
        results = translator.translate(
            equations.needed(wanted), equations.constants, inputs, wanted)
        for target, result in zip(
                arrays[n_inputs:], results, strict=False):
            translator.add_to(target, result, Number(builder, weight)
                              if with_samples else 1.0)
        builder.ret_void()
        self._n_work = max(self._n_work, translator.n_work)

    def _write_project(self, function):
        entry = Entry(function)
        if self.project:
            translator = Translator(entry.builder, entry.buffer(
                len(self.rows)))
            x = Tensor((self.d,), "f", memory=Memory(
                entry.arrays[0], 0, (1,)))
            (result,) = translator.translate(
                self.project.needed(self.project.outputs),
                self.project.constants, [x], self.project.outputs)
            translator.replace(entry.arrays[0], result)
            self._n_work = max(self._n_work, translator.n_work)
        entry.end()


__all__ = ["NotTranslated", "Traced"]
