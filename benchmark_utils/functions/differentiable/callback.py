"""C functions that call JAX or PyTorch: any loss, 50 us a call or more."""
import ctypes
from functools import partial

import numpy as np

from benchmark_utils.compiling.addresses import CALLBACK
from benchmark_utils.compiling.indirect import keeping_alive
from benchmark_utils.functions.differentiable.kernels import NAMES

# The sizes of what an oracle takes and writes, beside the batch.
_TAKES = {"hvp": "zxv", "cross": "zxv", "directions": "zxv"}
_WRITES = {"value": "1", "grad_z": "z", "grad_x": "x", "hvp": "z",
           "cross": "x", "gradients": "zx", "directions": "zzx"}


def jitted(library, oracles, p, d):
    """Functions for ``Callbacks``, by oracle; they compile what is new."""
    return {name: library.packed(oracles[name], p, d) for name in _WRITES}


class Callbacks:
    """The C functions of one function in batches.

    They live as long as this object, which has what they raised last.

    Parameters
    ----------
    library : module
        ``losses`` or ``torch_losses``.
    functions : dict
        From ``jitted``.
    project : function
        x -> nearest feasible x.
    samples : tuple of arrays of n rows
    p, d, batch_size : int
    """

    def __init__(self, library, functions, project, samples, p, d,
                 batch_size):
        self.library = library
        n = len(samples[0])
        n_batches = -(-n // batch_size)
        self.sizes = {"z": p, "x": d, "v": p, "1": 1}
        self.functions, self.project = functions, project
        self.n_samples, self.batch_size = n, batch_size
        # A last batch that is short is filled with its own last sample.
        rows = np.minimum(np.arange(n_batches * batch_size), n - 1)
        weights = np.full(rows.size, n_batches / n)
        weights[n:] = 0.0
        with library.in_double():
            self.some = library.put((
                weights.reshape(n_batches, -1),
                tuple(a[rows].reshape(n_batches, batch_size, *a.shape[1:])
                      for a in samples)))
            self.all = library.put((
                np.full((1, n), 1 / n), tuple(a[None] for a in samples)))
        self.error = None
        self.views = {}
        self.arguments = {
            takes: np.zeros(1 + sum(self.sizes[a] for a in takes))
            for takes in ("zx", "zxv")}
        # What compiles now does not while a solver is timed.
        for name in _WRITES:
            for size in {min(batch_size, n), n}:
                self._compute(name, 0, size)
        self._functions = [
            CALLBACK(partial(self._call, name)) for name in NAMES]

    def addresses(self):
        """In the order of ``NAMES``; the array keeps this object alive.

        This object does not have it: of arrays, Python finds no cycles.
        """
        return keeping_alive(np.array([
            ctypes.cast(function, ctypes.c_void_p).value
            for function in self._functions]), self)

    def _compute(self, name, first, size):
        arguments = self.arguments[_TAKES.get(name, "zx")]
        # A batch of all samples is the same in both.
        whole = size == self.n_samples
        arguments[0] = 0 if whole else first // self.batch_size
        with self.library.in_double():
            return np.asarray(self.functions[name](
                arguments, *(self.all if whole else self.some)))

    def _view(self, address, size):
        view = self.views.get((address, size))
        if view is None:
            if len(self.views) > 1000:
                self.views.clear()
            view = self.views[address, size] = np.frombuffer(
                (ctypes.c_double * size).from_address(address))
        return view

    def _call(self, name, first, size, weight, buffers, *pointers):
        try:
            if name == "project":
                x = self._view(pointers[0], self.sizes["x"])
                x[:] = self.project(x.copy())
                return 0
            takes = _TAKES.get(name, "zx")
            arguments, start = self.arguments[takes], 1
            for kind, pointer in zip(takes, pointers, strict=False):
                n = self.sizes[kind]
                arguments[start:start + n] = self._view(pointer, n)
                start += n
            result, start = self._compute(name, first, size), 0
            for kind, pointer in zip(
                    _WRITES[name], pointers[len(takes):], strict=False):
                n = self.sizes[kind]
                self._view(pointer, n)[:] = result[start:start + n]
                start += n
            return 0
        except BaseException as error:
            # Whoever called raises it: see ``call_address``.
            self.error = error
            return id(error)
