"""Calls by address: what is handed over arrives, and nothing else is run."""
import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from numba.core.errors import TypingError

from benchmark_utils.compiling import indirect
from benchmark_utils.compiling.compiled import jit, kernel
from benchmark_utils.compiling.indirect import (
    in_memory,
    layout_of,
)
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL


class Everything(NamedTuple):
    """A kind with a field of each type that one may have."""

    one: np.ndarray
    n_samples: int
    two: np.ndarray
    scale: float
    batch_size: int
    three: np.ndarray
    indices: np.ndarray
    n_batches: int
    oracle_calls: np.ndarray


def everything():
    return Everything(
        np.arange(3.0), 5, np.arange(6.0).reshape(2, 3), 2.5, 4,
        np.arange(24.0).reshape(2, 3, 4), np.array([7, 8], np.int32), 2,
        np.zeros(1, np.int64))


@kernel
def _value(f, batch, z, x):
    return f.scale * f.three[1, 2, 3] + f.two[1, 0] + f.indices[1] + batch


@kernel
def _out(f, batch, z, x, out):
    for k in range(out.size):
        out[k] = f.one[k] * z[k] + f.n_samples + f.two.size
    f.oracle_calls[0] += f.batch_size


@kernel
def _product(f, batch, z, x, v, out):
    out[0] = v[0]


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    out_z[0] = out_x[0] = 1.0


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    out_grad[0], out_hvp[0], out_cross[0] = 1.0, 2.0, 3.0


@kernel
def _project(f, x):
    pass


KERNELS = dict(
    value=_value, grad_z=_out, grad_x=_out, hvp=_product, cross=_product,
    gradients=_gradients, directions=_directions, project=_project)
oracles.register(Everything, **KERNELS)


def test_every_type_of_field_arrives():
    batches = everything()
    f = oracles.bind(batches)
    z, x, out = np.full(3, 2.0), np.zeros(1), np.zeros(3)
    assert oracles.value(f, 3, z, x) == 2.5 * 23.0 + 3.0 + 8 + 3
    oracles.grad_z(f, FULL, z, x, out)
    np.testing.assert_array_equal(out, 2.0 * np.arange(3) + 5 + 6)
    assert f.oracle_calls[0] == batches.oracle_calls[0] == 4
    assert (f.n_samples, f.batch_size, f.n_batches) == (5, 4, 2)
    assert not oracles.has_oracles_by_sample(f)


def test_a_function_keeps_its_arrays_alive():
    f = oracles.bind(everything())
    z, x = np.full(3, 2.0), np.zeros(1)
    before = oracles.value(f, 0, z, x)
    for _ in range(200):  # Would be written where freed arrays have been.
        np.full(24, -1.0)
    assert oracles.value(f, 0, z, x) == before


def test_an_oracle_that_a_kind_has_not_is_an_error():
    f = oracles.bind(everything())
    with pytest.raises(TypeError, match="no oracle add_samples"):
        oracles.add_samples(
            f, 0, 1, *[np.zeros((4, 1))] * 2, *[np.zeros(3)] * 4)


def test_unknown_kinds_and_missing_kernels():
    class Unknown(NamedTuple):
        n_samples: int

    with pytest.raises(TypeError, match="Unknown has no kernels"):
        oracles.bind(Unknown(3))
    with pytest.raises(ValueError, match=r"missing or unknown \['value'\]"):
        oracles.register(Unknown, **{
            name: k for name, k in KERNELS.items() if name != "value"})


@pytest.mark.parametrize("argument", [
    np.zeros(3, np.float32), np.zeros((3, 1)), np.zeros(6)[::2],
    np.zeros(3, np.int64), [0.0, 0.0, 0.0], 0.0])
def test_arguments_of_another_type_are_refused(argument):
    f = oracles.bind(everything())
    with pytest.raises((TypingError, TypeError)):
        oracles.grad_z(f, 0, np.zeros(3), np.zeros(1), argument)
    with pytest.raises((TypingError, TypeError)):
        oracles.grad_z(argument, 0, np.zeros(3), np.zeros(1), np.zeros(3))


def test_the_batches_of_a_kind_are_no_function():
    """What ``bind`` returns is; the tuple itself would be misread."""
    with pytest.raises(TypingError):
        oracles.grad_z(
            everything(), 0, np.zeros(3), np.zeros(1), np.zeros(3))


@pytest.mark.parametrize("value", [True, "text", None, [1.0], 1 + 2j])
def test_fields_of_other_types_are_named(value):
    with pytest.raises(TypeError, match="scale=.* of Everything"):
        oracles.bind(everything()._replace(scale=value))


def test_a_kernel_must_return_what_its_oracle_does():
    @kernel
    def returns_a_number(f, x):
        return x[0]

    kind = NamedTuple("Wrong", list(Everything.__annotations__.items()))
    oracles.register(kind, **{**KERNELS, "project": returns_a_number})
    with pytest.raises(TypeError, match="returns_a_number returns float64"):
        oracles.bind(kind(*everything()))


def test_layouts_differ_by_the_order_of_their_fields():
    """So that machine code for one is never run on the other."""
    class Swapped(NamedTuple):
        n_samples: int
        one: np.ndarray

    class Swapped2(NamedTuple):
        one: np.ndarray
        n_samples: int

    Swapped2.__name__ = Swapped.__qualname__ = "Swapped"
    one, other = layout_of(Swapped(3, np.zeros(2))), layout_of(
        Swapped2(np.zeros(2), 3))
    assert one != other and one.name != other.name


def test_another_layout_of_arrays_is_noticed(monkeypatch):
    monkeypatch.setattr(indirect.cpu_target.target_context, "get_abi_sizeof",
                        lambda *_: 8)
    with pytest.raises(RuntimeError, match="lays out arrays in another way"):
        in_memory(everything())


@pytest.mark.parametrize("copied", [
    pickle.dumps, copy.copy, copy.deepcopy])
def test_addresses_do_not_leave_their_process(copied):
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copied(oracles.bind(everything()))


def test_an_exception_in_a_kernel_reaches_the_caller():
    @kernel
    def raises(f, batch, z, x):
        if batch > 1:
            raise ValueError("no such batch")
        return 0.0

    kind = NamedTuple("Raising", list(Everything.__annotations__.items()))
    oracles.register(kind, **{**KERNELS, "value": raises})
    f = oracles.bind(kind(*everything()))
    assert oracles.value(f, 0, np.zeros(3), np.zeros(1)) == 0.0
    with pytest.raises(ValueError, match="no such batch"):
        oracles.value(f, 2, np.zeros(3), np.zeros(1))


def test_one_compiled_caller_serves_two_kinds(quadratic):
    @jit
    def values(f, z, x):
        return oracles.value(f, FULL, z, x)

    ours = oracles.bind(everything())
    G = quadratic.inner.batches(8)
    z, x = quadratic.inner_start, quadratic.outer_start
    assert values(G, z, x) == pytest.approx(quadratic.inner.value(z, x))
    assert values(ours, np.zeros(3), np.zeros(1)) == 57.5 + 3 + 8 - 1
    assert len(values.signatures) == 1
