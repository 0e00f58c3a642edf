"""From a function in jax.numpy to a list of equations without repetitions."""
import itertools
import math
from typing import NamedTuple

import numpy as np

from benchmark_utils.functions.differentiable.losses import in_double, jax

_INLINED = {
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call",
    "custom_vjp_call", "custom_vjp_call_jaxpr", "remat", "remat2",
    "checkpoint"}
# Largest result that is computed beforehand, of known arguments.
_MAX_FOLDED = 64


class NotTranslated(NotImplementedError):
    """A primitive of JAX that has no translation here."""


class Equation(NamedTuple):
    """output = primitive(*inputs), all of them numbers of variables."""

    name: str
    params: dict
    inputs: tuple
    output: int
    shape: tuple
    kind: str


class Equations:
    """What a jaxpr computes: inlined, each thing once.

    Parameters
    ----------
    closed : ClosedJaxpr
    sample_size : int, optional
        The size of axes of samples, whose number is known when it runs.

    Attributes
    ----------
    equations : list of Equation
    constants : dict of {int: array}
    outputs : list of int
    """

    def __init__(self, closed, sample_size=None):
        self.sample_size = sample_size
        n_inputs = len(closed.jaxpr.invars)
        self._numbers = itertools.count(n_inputs)
        self._seen, self._folded = {}, {}
        self.equations, self.constants = [], {}
        self.outputs = self._walk(
            closed.jaxpr, closed.consts, list(range(n_inputs)))

    def key(self):
        """All of it, as what has a ``repr``."""
        return (
            self.sample_size, self.outputs,
            [(e.name, str(sorted(e.params.items(), key=str)), *e[2:])
             for e in self.equations],
            [(k, str(a.dtype), a.shape, a.tobytes())
             for k, a in self.constants.items()])

    def needed(self, outputs):
        """The equations that some of the outputs depend on, in order."""
        wanted, kept = set(outputs), []
        for equation in reversed(self.equations):
            if equation.output in wanted:
                wanted.update(equation.inputs)
                kept.append(equation)
        return kept[::-1]

    def _constant(self, value):
        value = np.asarray(value)
        key = str(value.dtype), value.shape, value.tobytes()
        if key not in self._seen:
            if self.sample_size in value.shape and np.ptp(value):
                raise NotTranslated("a constant of each sample")
            self._seen[key] = next(self._numbers)
            self.constants[self._seen[key]] = value
        return self._seen[key]

    def _walk(self, jaxpr, consts, inputs):
        known = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= {v: self._constant(c)
                  for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def read(v):
            return self._constant(v.val) if hasattr(v, "val") else known[v]

        for equation in jaxpr.eqns:
            outputs = self._of(equation, tuple(map(read, equation.invars)))
            known |= zip(equation.outvars, outputs, strict=True)
        return [read(v) for v in jaxpr.outvars]

    def _of(self, equation, inputs):
        name, params = equation.primitive.name, equation.params
        if name in _INLINED:
            inner = params.get("jaxpr") or params.get(
                "call_jaxpr") or params["fun_jaxpr"]
            return self._walk(getattr(inner, "jaxpr", inner),
                              getattr(inner, "consts", ()), list(inputs))
        avals = [v.aval for v in equation.outvars]
        if name == "split":
            axis, start, outputs = params["axis"], 0, []
            for aval in avals:
                starts = [0] * len(aval.shape)
                starts[axis] = start
                start += aval.shape[axis]
                outputs.append(self._add("slice", {
                    "start_indices": tuple(starts), "strides": None},
                    inputs, aval))
            return outputs
        if len(avals) != 1:
            raise NotTranslated(name)
        if self._is_known(equation, inputs):
            with in_double(), jax.ensure_compile_time_eval():
                return [self._constant(equation.primitive.bind(
                    *(self.constants[i] for i in inputs), **params))]
        return [self._add(name, params, inputs, avals[0])]

    def _is_known(self, equation, inputs):
        shapes = [v.aval.shape for v in (*equation.invars, *equation.outvars)]
        return (all(i in self.constants for i in inputs)
                and not any(self.sample_size in shape for shape in shapes)
                and math.prod(shapes[-1]) <= _MAX_FOLDED)

    def _add(self, name, params, inputs, aval):
        key = name, str(sorted(params.items(), key=str)), inputs, aval.shape
        if key not in self._seen:
            self._seen[key] = next(self._numbers)
            self.equations.append(Equation(
                name, params, inputs, self._seen[key], tuple(aval.shape),
                np.dtype(aval.dtype).kind.replace("u", "i")))
        return self._seen[key]
