"""A number is what ``float`` reads, wherever a number is meant."""
import math

import numpy as np
import pandas as pd
import pytest
import yaml
from benchopt.utils.run_context import RunContext
from harness import (
    DATASETS,
    OBJECTIVE,
    ROOT,
    SOLVERS,
    copy_suite,
    make_problem,
    run,
)
from hypothesis import example, given
from hypothesis import strategies as st

from benchmark_utils.checks import is_number
from benchmark_utils.parameters import as_number, without_dot
from benchmark_utils.problems.dataset import BilevelDataset


@pytest.mark.parametrize("value, default, read", [
    ("1e-3", 1.0, 1e-3), (" 1_0 ", 1.0, 10.0), ("1e3", 5, 1000),
    (64.0, 5, 64), (3, 1.0, 3.0), (np.int8(3), 5, 3),
    (np.float32(0.5), 1.0, 0.5), ("0.1", None, 0.1),
    (["-1e1", 1], (-10.0, 10.0), [-10.0, 1.0]),
    # As they are: text where no number is meant, and what checks refuse.
    ("full", 64, "full"), ("1e-3", "exponential", "1e-3"), ("1", False, "1"),
    (True, 1.0, True), ("2.5", 5, 2.5), (10**400, 1.0, 10**400),
    (1e300, 5, 1e300), (None, 1.0, None), ((), (1.0,), ())])
def test_reading(value, default, read):
    found = as_number(value, default)
    assert found == read and type(found) is type(read)


def test_infinity_is_read_and_left_to_the_check():
    assert as_number("inf", 1) == math.inf
    assert math.isnan(as_number("nan", 1.0))


@pytest.mark.parametrize("value, text", [
    (2.0, "2"), (0.5, "5e-1"), (-0.25, "-25e-2"), (1e-7, "1e-7"),
    (1.5e-7, "15e-8"), (1e22, "1e22"), (0.0, "0"), (12, "12"),
    (math.inf, "inf"), (None, "None"), (True, "True"),
    ([0.5, 1], "[5e-1,1]"), ("a-b_c", "a-b_c"), ("a/b.c", "a~2Fb~2Ec"),
    (["a,b", "c"], "[a~2Cb,c]"), ("~2F", "~7E2F"), ("{é}", "~7Bé~7D")])
def test_names(value, text):
    assert without_dot(value) == text
    if is_number(value):
        assert float(text) == value


TEXTS = st.text(max_size=6)
VALUES = st.one_of(st.tuples(TEXTS, TEXTS), st.tuples(
    st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3)))


@given(VALUES)
@example(("logs/2024/01.csv", "logs/2024-01.csv"))
@example(("a.b", "a-b"))
@example((["a,b"], ["a", "b"]))
@example(([""], []))
def test_two_values_have_two_names(both):
    one, other = both
    names = without_dot(one), without_dot(other)
    assert (names[0] == names[1]) == (one == other)
    assert not set("./\\:*?\"<>|%#&={}\0\n") & set(names[0])


def test_of_two_values_of_one_name_one_is_refused():
    class Dataset(BilevelDataset):
        name = "one of two"
        parameters = {"path": ["a"]}
        _module_filename = ROOT / "datasets/digits.py"

        def get_problem(self):
            return make_problem("quadratic", n_inner=4, n_outer=4,
                                inner_dim=1, outer_dim=1)

    first, again, second, other = (
        Dataset.get_instance(path=path) for path in (None, None, "None", "b"))
    assert str(first) == str(second)
    reasons = [dataset.get_data()["reason"]
               for dataset in (first, again, second, other)]
    assert reasons[:2] == [None, None] and reasons[3] is None
    assert reasons[2] == (
        "one of two: path='None' and path=None have one name, "
        "one of two[path=None]: leave one of them out")


def test_of_two_solvers_or_objectives_of_one_name_one_is_refused():
    class Solver(SOLVERS["SOBA"]):
        parameters = {**SOLVERS["SOBA"].parameters, "kind": ["a"]}

    problem = make_problem("quadratic", n_inner=64, n_outer=64)
    solvers = [Solver.get_instance(kind=kind) for kind in (None, "None")]
    for solver in solvers:
        RunContext().set_run_context(
            "objective", "dataset", solver, repetition=0, base_seed=0)
    solvers[0].set_objective(problem)
    with pytest.raises(ValueError, match="kind='None' and kind=None have"):
        solvers[1].set_objective(problem)

    class Objective(OBJECTIVE):
        parameters = {**OBJECTIVE.parameters, "kind": ["a"]}

    first, second = (Objective.get_instance(kind=kind)
                     for kind in (None, "None"))
    assert first.skip(problem=problem) == (False, None)
    skipped, reason = second.skip(problem=problem)
    assert skipped and "kind='None' and kind=None have one name" in reason


def as_text(value):
    if isinstance(value, (list, tuple)):
        return [as_text(entry) for entry in value]
    # All digits, as YAML would have them.
    return (np.format_float_scientific(value) if is_number(value)
            else value)


@pytest.mark.parametrize("cls", [
    *SOLVERS.values(), *DATASETS.values(), OBJECTIVE], ids=lambda c: c.name)
def test_every_number_may_be_text(cls):
    defaults = {name: values[0] for name, values in cls.parameters.items()}
    typed = cls.get_instance(**{
        name: as_text(value) for name, value in defaults.items()})
    plain = cls.get_instance(**defaults)
    for name, value in plain._parameters.items():
        found = typed._parameters[name]
        assert (found == value if is_number(value) else
                as_number(found) == (list(value) if isinstance(value, tuple)
                                     else value)), name
        if name != "name" and is_number(value):
            assert getattr(typed, name) == value
            assert type(found) is type(value)


def test_a_config_file_of_numbers_that_yaml_takes_for_text(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    config = tmp_path / "config.yml"
    config.write_text("""
        dataset: [{simulated_logistic: {n_train: 2e2, n_validation: 150,
                                        n_features: 4, noise: [1e-1]}}]
        objective: [{"*": {max_seconds: 1e-1}}]
        solver: [{L-BFGS: {tolerance: [1e-3], memory: 1e1}}]
    """)
    assert yaml.safe_load(config.read_text())["solver"][0]["L-BFGS"] == {
        "tolerance": ["1e-3"], "memory": "1e1"}
    code, text = run(
        ["-m", "benchopt", "run", ".", "--config", str(config), "-n", "3",
         "--no-plot", "--output", "numbers"], suite)
    assert code == 0 and "not valid" not in text, text
    results = pd.read_parquet(suite / "outputs" / "numbers.parquet")
    assert set(results["p_solver_tolerance"]) == {1e-3}
    assert set(results["p_dataset_noise"]) == {0.1}
    assert set(results["p_obj_max_seconds"]) == {0.1}
    assert "noise=1e-1" in results["dataset_name"][0]
