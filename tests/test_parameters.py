"""A number is what ``float`` reads, wherever a number is meant."""
import math

import numpy as np
import pandas as pd
import pytest
import yaml
from harness import DATASETS, OBJECTIVE, SOLVERS, copy_suite, run

from benchmark_utils.checks import is_number
from benchmark_utils.parameters import as_number, without_dot


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
    ([0.5, 1], "[5e-1,1]"), ("a/b.c", "a-b-c")])
def test_names(value, text):
    assert without_dot(value) == text
    if is_number(value):
        assert float(text) == value


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
