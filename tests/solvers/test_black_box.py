"""Random search and Optuna: the best trial so far, in a feasible box."""
import subprocess
import sys

import numpy as np
import pytest
from harness import ROOT, SOLVERS, make_problem, make_solver, run_solver

from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.reference import metrics

NAMES = ["RandomSearch", "Optuna"]


@pytest.fixture(params=NAMES)
def name(request):
    if not SOLVERS[request.param].is_installed(quiet=True):
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def trials(monkeypatch):
    """Points at which h is evaluated, and the values."""
    seen, exact_value = [], ExactOracles.value

    def recorded(self, x, tolerance):
        h = exact_value(self, x, tolerance)
        seen.append((x.copy(), h))
        return h

    monkeypatch.setattr(ExactOracles, "value", recorded)
    return seen


def test_result_is_the_best_trial_so_far(name, quadratic, trials):
    solver = make_solver(name, quadratic)
    results = []

    def callback():
        results.append(solver.get_result())
        return len(results) <= 40

    solver.run(callback)
    assert len(trials) == 40  # One a callback.
    np.testing.assert_array_equal(trials[0][0], quadratic.outer_start)
    values = [h for _, h in trials]
    for n in range(1, 41):
        best = trials[int(np.argmin(values[:n]))][0]
        np.testing.assert_array_equal(results[n]["outer_var"], best)
    judged = [metrics(quadratic, r["inner_var"], r["outer_var"])
              for r in results]
    h = [each["value"] for each in judged]
    assert all(np.diff(h) <= 1e-9) and h[-1] < h[0]
    assert all(each["inner_distance"] < 1e-5 for each in judged[1:])


def test_seeds_and_repetitions_differ(name, quadratic, trials):
    points = []
    for where in ({}, {"seed": 1}, {"repetition": 1}):
        run_solver(make_solver(name, quadratic, **where), 3)
        points.append(trials[-1][0])
    assert not np.array_equal(points[0], points[1])
    assert not np.array_equal(points[0], points[2])


def test_trials_fill_the_feasible_part_of_the_box(name, trials):
    problem = make_problem(
        "simulated_logistic", n_train=200, n_validation=150, n_features=6,
        reg_parametrization="linear")
    run_solver(make_solver(name, problem, box=(-3.0, 2.0)), 30)
    points = np.array([x for x, _ in trials])
    assert np.all(points >= 0) and np.all(points <= 2)
    # Not the projections of points below 0.
    assert np.mean(points[1:] > 0) > 0.9
    assert points.min() < 0.2 and points.max() > 1.8


def test_box_is_widened_to_hold_the_start(name, quadratic, trials):
    solver = make_solver(name, quadratic, box=(20.0, 21.0))
    run_solver(solver, 4)
    start = quadratic.outer_start
    np.testing.assert_array_equal(trials[0][0], start)
    np.testing.assert_array_equal(solver.low, start)
    assert np.all(solver.high == 21.0)


def test_failures_are_survived(name, quadratic, monkeypatch):
    exact_value, n = ExactOracles.value, 0

    def failing(self, x, tolerance):
        nonlocal n
        n += 1
        return np.inf if n % 2 == 0 else exact_value(self, x, tolerance)

    monkeypatch.setattr(ExactOracles, "value", failing)
    result = run_solver(make_solver(name, quadratic, box=(-2.0, 2.0)), 30)
    start = metrics(
        quadratic, quadratic.inner_start, quadratic.outer_start)["value"]
    # By more than rounding, which alone passes for progress otherwise.
    assert metrics(quadratic, result["inner_var"],
                   result["outer_var"])["value"] < 0.9 * start


@pytest.mark.parametrize("n_hidden, skipped", [(15, False), (16, True)])
def test_more_outer_variables_than_a_thousand_are_skipped(
        name, n_hidden, skipped):
    problem = make_problem("hyper_representation", n_hidden=n_hidden)
    skip, reason = SOLVERS[name].get_instance().skip(problem=problem)
    assert skip == skipped
    if skip:
        assert "at most 1000" in reason and "1040" in reason


@pytest.mark.parametrize("box", [
    (1.0, 1.0), (2.0, -2.0), (0.0, np.inf), (np.nan, 1.0), (1.0,), 3.0,
    "ab", None, (0.0, 1.0, 2.0)])
def test_bad_boxes_are_named(name, quadratic, box):
    with pytest.raises(ValueError, match="box"):
        make_solver(name, quadratic, box=box)


def test_optuna_learns_the_values(quadratic, trials):
    pytest.importorskip("optuna")
    solver = make_solver("Optuna", quadratic)
    run_solver(solver, 15)
    assert [trial.value for trial in solver.study.trials] == [
        h for _, h in trials]


def test_optuna_improves_on_random_search(quadratic):
    pytest.importorskip("optuna")
    values = []
    for name in NAMES:
        result = run_solver(make_solver(name, quadratic), 100)
        values.append(metrics(
            quadratic, result["inner_var"], result["outer_var"])["value"])
    assert values[1] < values[0]


HIDE_OPTUNA = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'")

sys.meta_path.insert(0, Hide())
from pathlib import Path
from benchopt.benchmark import Benchmark
solvers = {s.name: s for s in Benchmark(Path(sys.argv[1])).get_solvers()}
print({n: s.is_installed(quiet=True) for n, s in solvers.items()})
"""


def test_without_optuna_the_others_remain():
    run = subprocess.run(
        [sys.executable, "-c", HIDE_OPTUNA, str(ROOT)],
        capture_output=True, text=True, check=True)
    assert "'Optuna': False" in run.stdout
    assert "'SOBA': True" in run.stdout
    assert "'RandomSearch': True" in run.stdout
