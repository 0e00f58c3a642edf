"""Whatever the parameters are, a run ends in one of the ways it may end.

Each combination of parameters gives a result, a ``ValueError`` that names the
parameter, a skip with its reason, or a point that is judged as diverged. Try
many more than a test run does with

    BAD_INPUT_EXAMPLES=5000 pytest tests/test_bad_input.py
"""
import os
from functools import cache

import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, SOLVERS, Skipped, make_problem, make_solver
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmark_utils.reference import metrics

# In a test run, a few for each solver and dataset, always the same.
N_EXAMPLES = int(os.environ.get("BAD_INPUT_EXAMPLES", "0"))

FINITE = st.floats(1e-3, 10.0)
WILD = st.sampled_from([
    0, -1, 0.0, -0.5, 1e-300, 1e300, 5e-324, 1.7e308, 1e3, 1e6, 10**30,
    10**400, -10**400, 2**63, float("nan"), float("inf"), -float("inf"),
    True, None, "a", "", "full", "zero", (), (1.0,), (1.0, 1.0),
    (-1e308, 1e308), (0.0, float("nan")), {}, [], 1j, np.float32(0.5),
    np.int8(3), np.float64("nan"), np.bool_(True),
])
# Sizes that are allowed but that no test has the time for are left out:
# a billion samples, a million steps.
SMALL = st.integers(1, 6)
CHOICES = {
    "memory_init": ["full", "zero"],
    "tol_decrease": ["exponential", "quadratic", "cubic"],
    "reg_parametrization": ["exponential", "linear"],
    "box": [(-10.0, 10.0), (0, 1), (-1e3, 1e3), (-1e-3, 5.0)],
    "data": ["digits", "regression"],
    "activation": ["tanh", "linear"],
    "normalize": [True, False],
    "prob": [None, 0.3, 1.0, 1],
    "batch_size": [1, 2, 5, 12, 13, 64, 1000, "full", "half"],
}


def values(name, default):
    """Strategy of a parameter: mostly valid, sometimes wild."""
    if name == "download":  # True, or 1, would fetch data in a test.
        return st.sampled_from([False, 0, None, "yes", 2])
    if name in CHOICES:
        valid = st.sampled_from(CHOICES[name])
    elif isinstance(default, float):
        valid = FINITE
    else:
        valid = SMALL
    return st.one_of(*[valid] * 7, WILD)


@st.composite
def parameters_of(draw, cls):
    return {name: draw(values(name, default), label=name)
            for name, (default, *_) in cls.parameters.items()}


@cache
def problem(which):
    if which == "quadratic":
        return make_problem("quadratic", n_inner=12, n_outer=16, inner_dim=3,
                            outer_dim=2)
    return make_problem(
        "simulated_logistic", n_train=40, n_validation=30, n_features=3,
        reg_parametrization=which)


def judged(problem, result):
    """Metrics of a result, which must be finite or all NaN."""
    assert result["inner_var"].shape == problem.inner_start.shape
    assert result["outer_var"].shape == problem.outer_start.shape
    assert result["oracle_calls"] >= 0
    numbers = metrics(problem, result["inner_var"], result["outer_var"])
    finite = [bool(np.isfinite(number)) for number in numbers.values()]
    assert all(finite) or np.isnan(numbers["value"]), numbers
    return "result" if all(finite) else "diverged"


def end_of_run(name, where, parameters):
    """How a run of two callbacks ends."""
    try:
        solver = make_solver(name, where, **parameters)
    except ValueError as error:
        named = [key for key in parameters if f"{key}=" in str(error)]
        assert named, f"no parameter is named: {error}"
        return "ValueError"
    except Skipped as reason:
        assert str(reason)
        return "skip"
    results = []

    def callback():
        results.append(solver.get_result())
        return len(results) < 3

    solver.run(callback)
    start = judged(where, results[0])
    assert start == "result"
    return judged(where, results[-1])


def read(name, parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()


@cache
def missing(name):
    """Why a dataset cannot be had, whatever its parameters."""
    return read(name, {})["reason"] or "it can be had"


def end_of_dataset(name, parameters):
    """How loading a dataset ends: a problem to judge, or a reason."""
    data = read(name, parameters)
    if data["problem"] is None:
        # So few samples may all have the same label; data may not be there.
        named = [*parameters, "exactly two classes", missing(name)]
        assert any(key in data["reason"] for key in named), data
        return "skip"
    made = data["problem"]
    return judged(made, {
        "inner_var": made.inner_start, "outer_var": made.outer_start,
        "oracle_calls": 0})


def fuzz(n_examples):
    """Settings of a test: reproducible where few, at random where many."""
    return settings(
        max_examples=N_EXAMPLES or n_examples, deadline=None,
        derandomize=not N_EXAMPLES, database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_solver(name):
    if not SOLVERS[name].is_installed(quiet=True):
        pytest.skip(f"{name} is not installed")

    @fuzz(15)
    @given(parameters=parameters_of(SOLVERS[name]), which=st.sampled_from(
        ["quadratic", "exponential", "linear"]))
    def check(parameters, which):
        end_of_run(name, problem(which), parameters)

    check()


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_dataset(name):
    # The sizes of the simulated ones are small here; ijcnn1 has none.
    @fuzz(40)
    @given(parameters=parameters_of(DATASETS[name]))
    def check(parameters):
        end_of_dataset(name, parameters)

    check()


# What many examples have found.
@pytest.mark.parametrize("name, parameters, end", [
    ("VRBO", {"period_frac": 1e300, "batch_size": 2}, "result"),
    ("SRBA", {"period_frac": 1e300, "batch_size": 2}, "result"),
    ("RandomSearch", {"box": (-1e308, 1e308)}, "ValueError")])
def test_found_of_solvers(name, parameters, end):
    assert end_of_run(name, problem("quadratic"), parameters) == end


@pytest.mark.parametrize("name, parameters, end", [
    ("quadratic", {"n_inner": 1, "n_outer": 1, "noise": 1.7e308}, "skip"),
    ("digits", {"n_train": 20, "n_validation": 20, "ridge": 10**30},
     "result")])
def test_found_of_datasets(name, parameters, end):
    assert end_of_dataset(name, parameters) == end


@pytest.mark.parametrize("largest, end", [
    (1e200, "result"), (1.7e308, "diverged")])
def test_a_distance_whose_square_overflows(largest, end):
    where = problem("linear")
    z = np.full_like(where.inner_start, largest)
    assert judged(where, {"inner_var": z, "outer_var": where.outer_start,
                          "oracle_calls": 0}) == end
