"""L-BFGS: exact convergence, bounds, failures of h, one callback a step."""
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver

from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.reference import (
    implicit_gradient,
    metrics,
    solve_inner,
)


def judge(problem, result):
    return metrics(problem, result["inner_var"], result["outer_var"])


def test_reaches_the_minimiser(quadratic):
    judged = judge(quadratic, run_solver(make_solver("L-BFGS", quadratic), 50))
    assert abs(judged["value_gap"]) < 1e-10
    assert judged["inner_distance"] < 1e-8


def test_reaches_a_stationary_point(logistic):
    judged = judge(logistic, run_solver(make_solver("L-BFGS", logistic), 200))
    assert judged["grad_norm"] < 1e-6


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_its_tolerance_is_not_the_end(quadratic, tolerance):
    """The error that it leaves is far above what is asked for here."""
    judged = judge(quadratic, run_solver(
        make_solver("L-BFGS", quadratic, tolerance=tolerance), 100))
    assert abs(judged["value_gap"]) < 1e-10
    assert judged["grad_norm"] < 1e-8


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


def test_stays_feasible_and_ends_where_rounding_hides_the_decrease():
    """Features of no use: h falls for ever as their penalties grow.

    Where the run ends depends on rounding. That a step along the projected
    gradient gains no more there than the rounding error of h does not.
    """
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
        result = run_solver(solver, 100_000)  # It ends long before.
    assert len(trials) > 1 and np.min(trials) >= 0
    x = result["outer_var"]
    assert np.any(x == 0) and np.max(x) > 10

    def h_and_gradient(x):
        z, factor = solve_inner(problem.inner, x, result["inner_var"])
        return (problem.outer.value(z, x),
                implicit_gradient(problem, x, z, factor))

    h, gradient = h_and_gradient(x)
    step = np.maximum(x - gradient, 0.0) - x
    small = 1e-3
    curvature = step @ (
        h_and_gradient(x + small * step)[1] - gradient) / small
    # The most that h falls along the step, which is short: a parabola. What
    # rounding hides is an error of each of the terms of the sum.
    rounding = problem.outer.n_samples * np.finfo(float).eps * h
    assert 0 <= (gradient @ step) ** 2 / 2 <= rounding * curvature


def test_h_is_exact_to_second_order_in_the_tolerance(quadratic, rng):
    tolerance, inner, outer = 1e-2, quadratic.inner, quadratic.outer
    solver = make_solver("L-BFGS", quadratic, tolerance=tolerance)
    run_solver(solver, 1)
    mu = np.linalg.eigvalsh(inner.mean_A)[0]
    curvature = np.linalg.eigvalsh(outer.mean_A)[-1]
    for x in rng.standard_normal((20, 3)):
        h, _ = solver.h(x)
        z, _ = solve_inner(inner, x, solver.z)
        # z is off by at most tolerance / mu: the residual of the adjoint
        # system along that, and the curvature of F.
        assert abs(h - outer.value(z, x)) <= 1e-12 + tolerance ** 2 * (
            1 / mu + curvature / (2 * mu ** 2))


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


@pytest.mark.parametrize("n_good", [3, 6])
def test_a_spoilt_gradient_is_not_the_end(quadratic, monkeypatch, n_good):
    exact_value, n_calls = ExactOracles.value_and_gradient, 0

    def spoilt(self, x, tolerance):
        nonlocal n_calls
        n_calls += 1
        h, gradient = exact_value(self, x, tolerance)
        return h, -gradient if n_calls == n_good else gradient

    monkeypatch.setattr(ExactOracles, "value_and_gradient", spoilt)
    judged = judge(quadratic, run_solver(make_solver("L-BFGS", quadratic), 60))
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
