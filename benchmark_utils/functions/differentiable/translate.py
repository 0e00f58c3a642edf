"""From equations to loops: what each primitive of JAX becomes.

What is entry by entry is here. ``views`` has what moves entries, ``products``
what combines them, ``indices`` what finds its places in other arrays; all of
them are functions of a writer, an equation, and a tensor for each input.
"""
import operator
from functools import partial

from benchmark_utils.compiling.elementary import call, exp, log, log1p, tanh
from benchmark_utils.compiling.numbers import maximum, minimum, where
from benchmark_utils.functions.differentiable.equations import NotTranslated
from benchmark_utils.functions.differentiable.indices import INDICES
from benchmark_utils.functions.differentiable.products import PRODUCTS
from benchmark_utils.functions.differentiable.views import VIEWS
from benchmark_utils.functions.differentiable.writer import (
    STORED_COST,
    Memory,
    Tensor,
    Writer,
)

_COST = 10  # Of what is not cheap.


def _sign(a):
    return where(a > 0, a.of(1), where(a < 0, a.of(-1), a))


# What is entry by entry.
_CHEAP = {
    "add": operator.add, "add_any": operator.add, "sub": operator.sub,
    "mul": operator.mul, "neg": operator.neg, "max": maximum, "min": minimum,
    "gt": operator.gt, "lt": operator.lt, "ge": operator.ge,
    "le": operator.le, "eq": lambda a, b: a.compare("==", b),
    "ne": lambda a, b: a.compare("!=", b), "and": operator.and_,
    "or": operator.or_, "xor": operator.xor, "not": operator.invert,
    "square": lambda a: a * a, "abs": lambda a: where(a < 0, -a, a + 0),
    "sign": _sign, "select_n": lambda c, a, b: where(c, b, a),
    "clamp": lambda low, a, high: minimum(maximum(a, low), high),
    "is_finite": lambda a: (a - a).compare("==", 0.0),
    "stop_gradient": lambda a: a, "copy": lambda a: a, "copy_p": lambda a: a,
}
_COSTLY = {
    "div": operator.truediv, "rem": operator.mod,
    "exp": exp, "tanh": tanh, "log": log, "log1p": log1p,
    "logistic": lambda a: 1.0 / (exp(-a) + 1.0),
    "rsqrt": lambda a: 1.0 / call("sqrt", a),
    **{name: partial(call, name) for name in (
        "sqrt", "pow", "atan2", "exp2", "expm1", "sin", "cos", "tan", "sinh",
        "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "erf",
        "erfc", "cbrt", "floor", "ceil", "lgamma")},
}


def _entrywise(writer, equation, *arguments):
    name, kind = equation.name, equation.kind
    if name == "select_n" and len(arguments) != 3:
        raise NotTranslated("select_n of several cases")
    if name in _COSTLY and name not in ("div", "rem") and kind != "f":
        raise NotTranslated(f"{name} of integers")
    operation = _CHEAP.get(name) or _COSTLY[name]
    return writer.entrywise(equation.shape, kind, operation, arguments,
                            1 if name in _CHEAP else _COST)


def _power(a, n):
    if n < 0:
        return 1 / _power(a, -n)
    if n < 2:
        return a if n else a.of(1)
    half = _power(a, n // 2)
    return half * half * a if n % 2 else half * half


def _integer_pow(writer, equation, a):
    y = equation.params["y"]
    return writer.entrywise(
        equation.shape, equation.kind, lambda value: _power(value, y), [a],
        2 if y > 0 else _COST)


def _convert(writer, equation, a):
    return writer.entrywise(
        equation.shape, equation.kind,
        lambda value: value.converted(equation.kind), [a])


def _iota(writer, equation):
    axis = equation.params["dimension"]
    return Tensor(
        equation.shape, equation.kind, lambda index: writer.code.sequence(
            index[axis]).converted(equation.kind), cost=1)


PRIMITIVES = {
    **dict.fromkeys([*_CHEAP, *_COSTLY], _entrywise),
    "integer_pow": _integer_pow, "convert_element_type": _convert,
    "iota": _iota, **VIEWS, **PRODUCTS, **INDICES,
}


class Translator(Writer):
    """The code of one function of samples, from equations."""

    def translate(self, equations, constants, inputs, outputs):
        """Tensors of the outputs, after the code of what they need."""
        tensors = dict(enumerate(inputs))
        tensors |= {k: self.constant(a) for k, a in constants.items()}
        uses = [i for e in equations for i in set(e.inputs)] + outputs
        for equation in equations:
            if equation.name not in PRIMITIVES:
                raise NotTranslated(equation.name)
            tensor = PRIMITIVES[equation.name](
                self, equation, *(tensors[i] for i in equation.inputs))
            if not tensor.shape:
                tensor = self.number(tensor)
            elif (tensor.cost > STORED_COST
                    and uses.count(equation.output) > 1):
                self.in_memory(tensor)
            tensors[equation.output] = tensor
        return [tensors[k] for k in outputs]

    def replace(self, target, tensor):
        """target = tensor, which may have been made of it."""
        self.put(self.copied(tensor), Memory(target, 0, (1,)))

    def add_to(self, target, tensor, weight):
        """target += weight * tensor."""
        target = Tensor(tensor.shape or (1,), "f",
                        memory=Memory(target, 0, (1,)))

        def body(index):
            value = self.entry(target, index) + weight * self.read(
                tensor, index)
            self.write(target.memory, index, value)

        self.loops(target.shape, body)
