"""L-BFGS: exact convergence, bounds, failures of h, one callback a step."""
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver

from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.reference import metrics


def judge(problem, result):
    return metrics(problem, result["inner_var"], result["outer_var"])


def test_reaches_the_minimiser(quadratic):
    judged = judge(quadratic, run_solver(make_solver("L-BFGS", quadratic), 50))
    assert abs(judged["value_gap"]) < 1e-10
    assert judged["inner_distance"] < 1e-8


def test_reaches_a_stationary_point(logistic):
    judged = judge(logistic, run_solver(make_solver("L-BFGS", logistic), 200))
    assert judged["grad_norm"] < 1e-6


def test_first_step_is_along_the_gradient(quadratic):
    result = run_solver(make_solver("L-BFGS", quadratic), 1)
    exact = ExactOracles(*quadratic.batches("full"), quadratic.inner_start)
    _, gradient = exact.value_and_gradient(quadratic.outer_start, 1e-10)
    step = quadratic.outer_start - result["outer_var"]
    cosine = step @ gradient / np.linalg.norm(step) / np.linalg.norm(gradient)
    assert cosine == pytest.approx(1.0, abs=1e-9)


def test_values_decrease_and_z_belongs_to_x(quadratic):
    solver = make_solver("L-BFGS", quadratic)
    judged = []

    def callback():
        judged.append(judge(quadratic, solver.get_result()))
        return len(judged) < 6

    solver.run(callback)
    assert len(judged) == 6
    assert all(np.diff([each["value"] for each in judged]) < 0)
    assert all(each["inner_distance"] < 1e-8 for each in judged[1:])


def test_no_work_after_the_last_callback(quadratic):
    solver = make_solver("L-BFGS", quadratic)
    counts = []

    def callback():
        counts.append(solver.get_result()["oracle_calls"])
        return len(counts) < 3

    solver.run(callback)
    assert len(counts) == 3 and counts[0] == 0
    assert solver.get_result()["oracle_calls"] == counts[-1]


def test_stays_feasible_and_ends_on_the_bound():
    problem = make_problem(
        "simulated_logistic", n_train=1000, n_validation=1000, n_features=20,
        reg_parametrization="linear")
    solver = make_solver("L-BFGS", problem)
    trials, exact_value = [], ExactOracles.value_and_gradient

    def recorded(self, x, tolerance):
        trials.append(x.copy())
        return exact_value(self, x, tolerance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExactOracles, "value_and_gradient", recorded)
        result = run_solver(solver, 300)
    assert len(trials) > 1 and np.min(trials) >= 0
    x = result["outer_var"]
    exact = ExactOracles(*problem.batches("full"), result["inner_var"])
    _, gradient = exact.value_and_gradient(x, 1e-10)
    assert np.any(x == 0)
    # The gradient mapping, which vanishes at a constrained minimiser.
    np.testing.assert_allclose(
        x, np.maximum(x - gradient, 0.0), atol=1e-4)


@pytest.mark.parametrize("n_good", [1, 4])
def test_line_search_comes_back_from_overflow(
        quadratic, monkeypatch, n_good):
    # h "overflows" at the first two trial points of the line search that
    # starts from the iterate ``n_good``.
    exact_value, points = ExactOracles.value_and_gradient, []

    def failing(self, x, tolerance):
        points.append(x.copy())
        if n_good < len(points) <= n_good + 2:
            return np.inf, np.zeros_like(x)
        return exact_value(self, x, tolerance)

    monkeypatch.setattr(ExactOracles, "value_and_gradient", failing)
    solver, iterates = make_solver("L-BFGS", quadratic), []

    def callback():
        iterates.append(solver.get_result()["outer_var"])
        return len(iterates) <= 50

    solver.run(callback)
    # Points lie on one line from the iterate, each nearer to it.
    origin = max((x for x in iterates if any(
        np.array_equal(x, y) for y in points[:n_good])),
        key=lambda x: [np.array_equal(x, y) for y in points].index(True))
    lengths = [np.linalg.norm(x - origin)
               for x in points[n_good:n_good + 3]]
    for long, short in zip(lengths, lengths[1:], strict=False):
        assert 0.05 * long < short < 0.5 * long
    judged = judge(quadratic, solver.get_result())
    assert abs(judged["value_gap"]) < 1e-10


def test_failure_at_the_start_ends_the_run(quadratic, monkeypatch):
    monkeypatch.setattr(
        ExactOracles, "value_and_gradient",
        lambda self, x, tolerance: (np.inf, np.zeros_like(x)))
    result = run_solver(make_solver("L-BFGS", quadratic), 10)
    np.testing.assert_array_equal(result["outer_var"], quadratic.outer_start)


@pytest.mark.parametrize("parameter, value", [
    ("tolerance", 0), ("memory", 0), ("memory", 1001)])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=parameter):
        make_solver("L-BFGS", quadratic, **{parameter: value})
