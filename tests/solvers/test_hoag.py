"""HOAG: the formulas with exact solves, its tolerances, convergence."""
from itertools import pairwise

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


def test_each_step_matches_the_formula():
    # So small a tolerance that inner problem and system are solved exactly.
    # So ill conditioned that 1 / L becomes too long: from then on rounding
    # errors grow, so that each step starts from where the solver is.
    problem = make_problem(
        "quadratic", n_inner=24, n_outer=32, inner_dim=4, outer_dim=3,
        conditioning=100.0, noise=0.5)
    solver = make_solver("HOAG", problem, tolerance=1e-13)
    states, used = [], []

    def callback():
        result = solver.get_result()
        states.append((result["inner_var"], result["outer_var"],
                       solver.steps.L))
        if len(states) == 20:
            # A step a thousand times too long is one to take back, on
            # whatever way rounding leads.
            solver.steps.L *= 1e-3
        used.append(solver.steps.L)
        return len(states) <= 150

    solver.run(callback)

    def h_and_gradient(x):
        z, factor = solve_inner(problem.inner, x, problem.inner_start)
        return (problem.outer.value(z, x),
                implicit_gradient(problem, x, z, factor), z)

    _, p, z = h_and_gradient(problem.outer_start)
    np.testing.assert_allclose(states[1][0], z)
    np.testing.assert_allclose(states[1][1], problem.outer_start)
    assert states[1][2] == pytest.approx(np.linalg.norm(p))

    seen = set()
    for ((_, x, _), after), L in zip(
            pairwise(states[1:]), used[1:], strict=False):
        h, p, z = h_and_gradient(x)
        trial = x - p / L
        h_trial, _, z_trial = h_and_gradient(trial)
        enough = h - L / 2 * np.sum((trial - x) ** 2)
        if min(abs(h_trial - enough), abs(h_trial - h)) < 1e-10:
            continue  # Rounding errors decide.
        if h_trial <= enough:
            expected, case = (z_trial, trial, 0.95 * L), "decreases"
        elif h_trial <= h:
            expected, case = (z_trial, trial, L), "not enough"
        elif h_trial - h < 0.2 * abs(h):
            expected, case = (z_trial, trial, 2 * L), "grows"
        else:
            expected, case = (z, x, 2 * L), "taken back"
        seen.add(case)
        for value, right in zip(after, expected, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-8, err_msg=case)
    assert seen == {"decreases", "not enough", "grows", "taken back"}


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
