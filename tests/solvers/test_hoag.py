"""HOAG: the formulas with exact solves, its tolerances, convergence."""
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver

from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.reference import (
    implicit_gradient,
    metrics,
    solve_inner,
)


@pytest.mark.parametrize("decrease", ["exponential", "cubic"])
def test_reaches_the_minimiser(quadratic, decrease):
    solver = make_solver("HOAG", quadratic, tol_decrease=decrease)
    result = run_solver(solver, 400)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8


def test_iterates_match_the_formula(quadratic):
    # So small a tolerance that inner problem and system are solved exactly.
    # So many steps that 1 / L becomes too long, and steps are taken back.
    result = run_solver(make_solver("HOAG", quadratic, tolerance=1e-13), 80)

    def h_and_gradient(x):
        z, factor = solve_inner(quadratic.inner, x, quadratic.inner_start)
        return (quadratic.outer.value(z, x),
                implicit_gradient(quadratic, x, z, factor), z)

    x = quadratic.outer_start
    h, p, z = h_and_gradient(x)
    L, n_taken_back = np.linalg.norm(p), 0
    for _ in range(79):
        trial = x - p / L
        h_trial, p_trial, z_trial = h_and_gradient(trial)
        if h_trial <= h - L / 2 * np.sum((trial - x) ** 2):
            x, h, p, z = trial, h_trial, p_trial, z_trial
            L *= 0.95
        else:
            L, n_taken_back = 2 * L, n_taken_back + 1
    assert 0 < n_taken_back < 40
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-8)
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-8)


def test_inexact_steps_are_judged_up_to_the_tolerance(quadratic):
    # F increases, by less than the errors of F can be.
    solver = make_solver("HOAG", quadratic)
    run_solver(solver, 2)
    F, _, eps_last = solver.last
    M = np.linalg.norm(solver.exact.v)
    eps, length = 0.05, 0.3
    slack = M * (eps + eps_last) + M * eps_last * length
    bound = F - 0.5 * solver.L * length**2 + slack
    assert solver.decreases(bound - 1e-9, eps, length)
    assert not solver.decreases(bound + 1e-9, eps, length)


@pytest.mark.parametrize("decrease, expected", [
    ("exponential", [0.2, 0.18, 0.162]),
    ("quadratic", [0.2, 0.2 / 4, 0.2 / 9]),
    ("cubic", [0.2, 0.2 / 8, 0.2 / 27]),
])
def test_tolerances(quadratic, monkeypatch, decrease, expected):
    used, exact_value = [], ExactOracles.value_and_gradient

    def recorded(self, x, tolerance):
        used.append(tolerance)
        return exact_value(self, x, tolerance)

    monkeypatch.setattr(ExactOracles, "value_and_gradient", recorded)
    run_solver(make_solver(
        "HOAG", quadratic, tolerance=0.2, tol_decrease=decrease), 3)
    np.testing.assert_allclose(used, expected)


def test_step_to_an_overflow_is_taken_back(quadratic, monkeypatch):
    # h "overflows" at the second point alone: its step is then halved.
    visited, exact_value = [], ExactOracles.value_and_gradient

    def failing(self, x, tolerance):
        visited.append(x.copy())
        if len(visited) == 2:
            return np.inf, np.zeros_like(x)
        return exact_value(self, x, tolerance)

    monkeypatch.setattr(ExactOracles, "value_and_gradient", failing)
    result = run_solver(make_solver("HOAG", quadratic), 400)
    start, wild, back = visited[:3]
    np.testing.assert_allclose(back - start, (wild - start) / 2, rtol=1e-10)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8


def test_stays_feasible():
    problem = make_problem(
        "simulated_logistic", n_train=1000, n_validation=1000, n_features=20,
        reg_parametrization="linear")
    solver, points = make_solver("HOAG", problem), []

    def callback():
        points.append(solver.get_result()["outer_var"])
        return len(points) <= 60

    solver.run(callback)
    assert np.min(points) == 0.0, "some penalties should end at 0"
    start, end = (
        metrics(problem, problem.inner_start, x)["value"]
        for x in (points[0], points[-1]))
    assert end < start


@pytest.mark.parametrize("bad", [
    {"tolerance": 0.0}, {"tol_decrease": "linear"}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("HOAG", quadratic, **bad)
