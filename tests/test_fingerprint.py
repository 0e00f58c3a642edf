"""Whatever compiled code depends on is in its fingerprint."""
import enum
import os
import subprocess
import sys
import types as python_types
from collections import namedtuple
from typing import NamedTuple

import numba
import numpy as np
import pytest
from harness import ROOT
from numba import types
from numba.core.typing.templates import builtin_registry
from numba.experimental import jitclass
from numba.extending import overload, overload_method

from benchmark_utils.compiling import cache
from benchmark_utils.compiling.compiled import inlined, jit, kernel
from benchmark_utils.compiling.fingerprint import (
    Undecided,
    _Overloads,
    fingerprint,
)
from benchmark_utils.functions import oracles

# What a module of a user has, and what of it a function uses. In each pair
# the two say something else, and an empty cache would give another value.
SOURCES = {
    "a default": ("@kernel\ndef g(x, factor=0.9):\n    return factor * x\n",
                  "factor=0.9", "factor=0.1"),
    "a default by name": (
        "@kernel\ndef g(x, *, factor=0.9):\n    return factor * x\n",
        "factor=0.9", "factor=0.1"),
    "vectorize": ("@numba.vectorize\ndef g(x):\n    return 0.9 * x\n",
                  "0.9", "0.1"),
    "vectorize for types": (
        "@numba.vectorize(['float64(float64)'])\n"
        "def g(x):\n    return 0.9 * x\n", "0.9", "0.1"),
    "overload": (
        "def g(x):\n    pass\n\n@overload(g)\ndef g_of_number(x):\n"
        "    return lambda x: 0.9 * x\n", "0.9", "0.1"),
    "an overload of a type's method": (
        "@overload_method(types.Float, 'scaled_for_a_test')\n"
        "def scaled(x):\n    return lambda x: 0.9 * x\n\n"
        "@jit\ndef g(x):\n    return x.scaled_for_a_test()\n", "0.9", "0.1"),
    "a function that an overload calls": (
        "@kernel\ndef inner(x):\n    return 0.9 * x\n\n"
        "def g(x):\n    pass\n\n@overload(g)\ndef g_of_number(x):\n"
        "    return lambda x: inner(x)\n", "0.9", "0.1"),
    "register_jitable": (
        "@register_jitable\ndef g(x):\n    return 0.9 * x\n", "0.9", "0.1"),
    "an array's shape": (
        "A = np.zeros((2, 3))\n\n@kernel\ndef g(x):\n"
        "    return x * A.shape[0]\n", "(2, 3)", "(3, 2)"),
    "an array's dtype": (
        "A = np.zeros(2, 'float32')\n\n@kernel\ndef g(x):\n"
        "    return x + A.itemsize\n", "2, 'float32'", "1, 'float64'"),
    "an array's layout": (
        "A = np.ones((2, 2), order='C')\n\n@jit\ndef g(x):\n"
        "    return x + A.strides[0]\n", "order='C'", "order='F'"),
    "an array's entries": (
        "A = np.array([1.0, 2.0])\n\n@kernel\ndef g(x):\n"
        "    return x * A[1]\n", "2.0", "3.0"),
    "a tuple within a tuple": (
        "T = (1.0, (2.0, 3.0))\n\n@kernel\ndef g(x):\n"
        "    return x * T[1][0]\n", "2.0", "4.0"),
    "an enumeration": (
        "class C(enum.Enum):\n    A = 2.0\n\n@kernel\ndef g(x):\n"
        "    return x * C.A.value\n", "2.0", "3.0"),
    "the fields of a tuple with names": (
        "class P(NamedTuple):\n    a: float\n    b: float\n\n"
        "@kernel\ndef g(x):\n    return P(x, 2.0 * x).a\n",
        "a: float\n    b: float", "b: float\n    a: float"),
    "options of the compiler": (
        "@jit\ndef g(x):\n    return x\n", "@jit", "@inlined"),
    "what is defined in a function": (
        "def make(factor):\n    @kernel\n    def g(x):\n"
        "        return factor * x\n    return g\n\ng = make(0.9)\n",
        "0.9", "0.1"),
}
USE = "\n\n@jit\ndef f(x):\n    return g(x)\n"


def module(source, name="of_a_user"):
    """A module of a source, with the names that the sources use."""
    made = python_types.ModuleType(name)
    made.__file__ = f"{ROOT}/{name}.py"
    vars(made).update(
        np=np, numba=numba, types=types, enum=enum, NamedTuple=NamedTuple,
        jit=jit, kernel=kernel, inlined=inlined, overload=overload,
        overload_method=overload_method,
        register_jitable=numba.extending.register_jitable)
    exec(compile(source, made.__file__, "exec"), vars(made))
    return made


@pytest.mark.parametrize("case", SOURCES)
def test_a_fingerprint_has(case):
    source, old, new = SOURCES[case]
    assert source.count(old) == 1
    first = fingerprint(module(source + USE).f)
    changed = fingerprint(module(source.replace(old, new) + USE).f)
    assert first != changed
    if "method" not in case:  # Of a method, both are registered now.
        assert fingerprint(module(source + USE).f) == first


@pytest.mark.parametrize("expression", [
    "package.module.g(x)", "x * package.module.C",
    "x * package.module.P.A.value", "package.module.A[0] * x"])
def test_a_fingerprint_follows_attributes_of_modules(expression):
    def outer(factor):
        package = python_types.ModuleType("package")
        package.__file__ = f"{ROOT}/package/__init__.py"
        package.module = module(
            f"C = {factor}\nA = np.array([{factor}])\n\n"
            f"class P(enum.Enum):\n    A = {factor}\n\n"
            f"@jit\ndef g(x):\n    return {factor} * x\n",
            "package.module")
        made = module(f"@jit\ndef f(x):\n    return {expression}\n\n\n"
                      "@jit\ndef by_variable(x):\n    m = package.module\n"
                      f"    return {expression.replace('package.module', 'm')}"
                      "\n")
        made.package = package
        return fingerprint(made.f), fingerprint(made.by_variable)

    first, again, other = map(outer, (0.9, 0.9, 0.1))
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]


def test_a_module_in_the_variables_of_two_functions():
    found = set()
    for factor in (0.9, 0.1, 0.9):
        made = module("@jit\ndef g(x):\n    m = inner\n"
                      "    return m.second(x)\n\n@jit\ndef f(x):\n"
                      "    m = inner\n    return m.first(x) + g(x)\n")
        made.inner = module(
            "@jit\ndef first(x):\n    return x\n\n"
            f"@jit\ndef second(x):\n    return {factor} * x\n")
        found.add(fingerprint(made.f))
    assert len(found) == 2


def test_what_nothing_is_known_of_is_undecided():
    @jitclass([("x", types.float64)])
    class Point:
        def __init__(self, x):
            self.x = x

    for value in (Point, object(), [object()], np.array([None])):
        made = module("@jit\ndef f(x):\n    return value")
        made.value = value
        with pytest.raises(Undecided):
            fingerprint(made.f)
    with pytest.raises(Undecided, match="jitclass"):
        fingerprint(numba.typeof(Point(1.0)))
    assert fingerprint(types.float64) != fingerprint(types.float32)


def test_types_of_arguments_have_the_names_of_their_fields():
    first, second = namedtuple("P", "a, b"), namedtuple("P", "b, a")
    assert str(numba.typeof(first(1.0, 2.0))) == str(
        numba.typeof(second(1.0, 2.0)))
    assert fingerprint(numba.typeof(first(1.0, 2.0))) != fingerprint(
        numba.typeof(second(1.0, 2.0)))


def test_a_function_that_is_an_argument_is_part_of_the_key():
    found = {fingerprint(numba.typeof(module(
        f"@jit\ndef g(x):\n    return {factor} * x\n").g))
        for factor in (0.9, 0.1, 0.9)}
    assert len(found) == 2


@pytest.mark.parametrize("what", ["the position", "the arguments"])
def test_a_fingerprint_has_how_an_oracle_is_called(monkeypatch, what):
    def calls(f, x):
        oracles.project(f, x)

    first = fingerprint(calls)
    template, = {
        template for value, kind in builtin_registry.globals
        if value is oracles.project for template in kind.templates}
    position, arguments, result = template.depends_on
    monkeypatch.setitem(
        _Overloads.known().of, id(oracles.project), [
            (position + 1, arguments, result) if what == "the position"
            else (position, (*arguments, types.int64), result)])
    assert fingerprint(calls) != first


FROM_A_PROCESS = """
import sys
sys.path[:0] = ["tests", "."]
from test_fingerprint import SOURCES, USE, module
from benchmark_utils.compiling.fingerprint import fingerprint
made = module("T = {'a', 'b', 'c'}\\n\\n@jit\\ndef f(x):\\n"
              "    return x in {'a', 'b', 'c'} and x in T")
print(fingerprint(made.f))
for source, _, _ in SOURCES.values():
    print(fingerprint(module(source + USE).f))
"""


def test_another_process_has_the_same_fingerprints():
    """Python orders sets in another way in each process."""
    found = {subprocess.run(
        [sys.executable, "-c", FROM_A_PROCESS], cwd=ROOT, text=True,
        check=True, stdout=subprocess.PIPE, env={
            **os.environ, "PYTHONHASHSEED": str(seed)}).stdout
        for seed in (1, 2)}
    assert len(found) == 1 and len(found.pop().split()) == len(SOURCES) + 1


def test_a_key_has_the_settings_of_numba(tmp_path, monkeypatch):
    files = cache.Files(tmp_path / "kept", "f")
    files.save("key", 1)
    assert files.load("key") == 1
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    assert files.load("key") is None
