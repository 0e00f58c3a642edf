"""What a loss and its data may not be: errors that say what and where."""
import itertools
import random
import warnings

import numpy as np
import pytest

from benchmark_utils.functions.differentiable import (
    Differentiable,
    jax,
    jnp,
    losses,
)
from benchmark_utils.problems.problem import BilevelProblem

A, Y, ZERO = np.ones((6, 3)), np.ones(6), np.zeros(3)


def make(loss=lambda z, x, a, y: (a @ z - y) ** 2 + x @ z, data=(A, Y),
         z=ZERO, x=ZERO, **options):
    pytest.importorskip("jax")
    return Differentiable(loss, data, z, x, way="callback", name="training",
                          **options)


def test_the_one_that_is_right():
    f = make()
    assert f.uses_inner and f.uses_outer
    f = make(lambda z, x, a, y: jnp.sum(x))
    assert f.uses_outer and not f.uses_inner


calls = itertools.count()


def printing(z, x, a, y):
    print("here")
    return z @ x


def effects(z, x, a, y):
    jax.debug.print("z = {}", z)
    return z @ x


def raising(z, x, a, y):
    raise KeyError("which")


def branching(z, x, a, y):
    return z @ x if z[0] > 0 else x @ x


@pytest.mark.parametrize("loss, said", [
    (lambda z, x, a, y: a * z, r"returns float64\[3\], and not one real"),
    (lambda z, x, a, y: (z @ x, z @ z), "and not one real number"),
    (lambda z, x, a, y: None, "returns nothing"),
    (lambda z, x, a, y: jnp.argmax(z), "returns int64"),
    (lambda z, x, a, y: z @ x * next(calls), "traced twice, it is not"),
    (lambda z, x, a, y: z @ x * random.random(), "traced twice, it is not"),
    (lambda z, x, a, y: z @ x + np.random.rand(), "traced twice, it is not"),
    (lambda z, x, a, y: jnp.log(z @ x - 1), "is nan at the start, of sample"),
    (lambda z, x, a, y: jnp.sqrt(z @ x), "derivative in z that is NaN"),
    (lambda z, x, a, y: a[:2] @ z, r"line \d+ of .*bad_input.py: TypeError"),
    (lambda z, x, a: z @ x, "TypeError"),
    (printing, "loss 'printing' of training is not valid: it prints 'here'"),
    (effects, "does more than compute"),
    (raising, r"line \d+ of .*bad_input.py: KeyError: 'which'"),
    (branching, "jnp.where or jax.lax.cond")])
def test_losses(loss, said):
    with pytest.raises(ValueError, match=said):
        make(loss)


@pytest.mark.parametrize("options, said", [
    ({"data": (A, Y[:5])}, r"data\[1\] of training has 5 rows, and data\[0\]"),
    ({"data": (A, ["a"] * 6)}, r"data\[1\] of training of type <U1"),
    ({"data": (A, [[1], [2, 3]])}, r"data\[1\] of training is not valid"),
    ({"data": (A, Y * 1j)}, "complex128"), ({"data": A}, "a tuple of arrays"),
    ({"data": ()}, "a tuple of arrays"), ({"data": (A[:0], Y[:0])}, "n >= 1"),
    ({"data": (A, Y * np.nan)}, r"data\[1\] of training has NaN"),
    ({"z": np.zeros(2)}, "loss '.*' of training is not valid"),
    ({"z": "zero"}, "z of training is not valid"),
    ({"z": np.full(3, np.inf)}, "z of training has NaN or infinite"),
    ({"x": {}}, "x of training of 0 entries"),
    ({"penalty": lambda z, x: z}, "penalty '.*' of training is not valid"),
    ({"project": "box"}, "project='box'"),
    ({"project": lambda x: x[:2]}, "project '.*' of training")])
def test_data_and_options(options, said):
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_single_precision_is_made_double_and_said_once(caplog):
    data = A.astype(np.float32), Y.astype(np.float32)
    f = make(data=data)
    make(data=data)
    assert all(a.dtype == np.float64 for a in f.data)
    assert len(caplog.records) == 2  # One an array.
    assert "data[0] of training is float32" in caplog.text


def test_an_old_jax_and_none(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(jax.version, "__version__", "0.4.20")
    with pytest.raises(ValueError, match="JAX 0.4.20 is too old: pip inst"):
        make()

    class Missing:
        def __getattr__(self, name):
            raise ImportError("No module named 'jax'")

    monkeypatch.setattr(losses, "jax", Missing())
    with pytest.raises(ValueError, match="cannot be imported .* pip install"):
        make()


def test_neither_warns(recwarn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()


def test_a_problem_of_functions_of_the_wrong_variables():
    right = make()
    without_x = make(lambda z, x, a, y: (a @ z) ** 2)
    without_z = make(lambda z, x, a, y: x @ x * y)
    BilevelProblem(right, without_x, ZERO, ZERO)
    for pair, said in (
            ((without_x, right), "inner function does not depend on the out"),
            ((without_z, right), "inner function does not depend on the inn"),
            ((right, without_z), "outer function does not depend on the inn")):
        with pytest.raises(ValueError, match=said):
            BilevelProblem(*pair, ZERO, ZERO)
