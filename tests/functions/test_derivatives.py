"""The check of derivatives: problems pass it, planted mistakes do not."""
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS

from benchmark_utils.compiling.compiled import jit
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import batch_size_of
from benchmark_utils.functions.derivatives import check_function, check_problem
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)


# ijcnn1 is large, and its functions are those of simulated_logistic.
@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"ijcnn1"}))
def test_problems(name):
    """Each dataset in its test size, where it can be had."""
    dataset = DATASETS[name].get_instance(**(DATASETS[name].test_config or {}))
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    data = dataset.get_data()
    if data["problem"] is None:
        pytest.skip(data["reason"])
    check_problem(data["problem"])


@pytest.fixture
def function(rng):
    y = np.resize([-1.0, 1.0], 41)
    return LogisticRegression(rng.standard_normal((41, 5)), y, "exponential")


def check(function, batch_size=8):
    rng = np.random.default_rng(1)
    check_function(function, rng.standard_normal(5), rng.standard_normal(5),
                   batch_size, rng)


def test_the_function_itself_passes(function):
    for batch_size in (1, 8, 41, "full"):
        check(function, batch_size)


@pytest.mark.parametrize("method", ["grad_z", "grad_x", "cross"])
def test_a_wrong_numpy_method_is_named(function, method, monkeypatch):
    right = getattr(function, method)

    def wrong(*arguments):
        out = right(*arguments)
        out[2] *= 1.001
        return out

    monkeypatch.setattr(function, method, wrong)
    with pytest.raises(AssertionError, match=f"NumPy: {method}"):
        check(function)


@jit
def touch(f, batch, out):
    """A mistake on the short last batch only."""
    if batch_size_of(f, batch) == 1:
        out[3] += 1e-3


@pytest.mark.parametrize("oracle", ["grad_z", "grad_x", "hvp", "cross"])
def test_a_wrong_kernel_is_named(function, oracle, monkeypatch):
    right = getattr(oracles, oracle)

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        touch(f, batch, arguments[-1])

    monkeypatch.setattr(oracles, oracle, wrong)
    with pytest.raises(AssertionError, match=rf"batch 5 of 6.*{oracle}"):
        check(function)


@pytest.mark.parametrize("oracle, named", [
    ("directions_by_sample", "cross of directions_by_sample"),
    ("gradients_by_sample", "grad_x of gradients_by_sample"),
    ("add_samples", "average of add_samples")])
def test_wrong_weights_of_samples_are_named(oracle, named, rng, monkeypatch):
    sparse = SparseLogisticRegression(
        rng.standard_normal((41, 5)), np.resize([-1.0, 1.0], 41),
        "exponential")
    check(sparse)
    right = getattr(oracles, oracle)

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        touch(f, batch, arguments[-1])

    monkeypatch.setattr(oracles, oracle, wrong)
    with pytest.raises(AssertionError, match=rf"batch 5 of 6.*{named}"):
        check(sparse)


def test_wrong_counts_are_named(function, monkeypatch):
    right = oracles.hvp

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        f.oracle_calls[0] += 1

    monkeypatch.setattr(oracles, "hvp", wrong)
    with pytest.raises(AssertionError, match="hvp counts"):
        check(function)


def test_an_output_left_as_it_was_is_named(function, monkeypatch):
    monkeypatch.setattr(oracles, "cross", lambda *arguments: None)
    with pytest.raises(AssertionError, match="cross.*nan"):
        check(function)
