"""MAID: certain decrease of h, whatever the first step and accuracy."""
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


def h(problem, x):
    z, _ = solve_inner(problem.inner, x, problem.inner_start)
    return problem.outer.value(z, x)


def states(solver, n_iterations):
    """(x, s, eps, delta) after each iteration."""
    seen = []

    def callback():
        seen.append((solver.x.copy(), solver.s, solver.eps, solver.delta))
        return len(seen) <= n_iterations

    solver.run(callback)
    return seen


@pytest.mark.parametrize("tolerance", [0.1, 10.0])
@pytest.mark.parametrize("name", ["quadratic", "logistic", "constrained"])
def test_h_decreases_at_every_accepted_step(request, name, tolerance):
    """The exact h, though the solver never knows it."""
    problem = (request.getfixturevalue(name) if name != "constrained"
               else make_problem(
                   "simulated_logistic", n_train=200, n_validation=150,
                   n_features=6, reg_parametrization="linear"))
    points = [x for x, *_ in states(
        make_solver("MAID", problem, tolerance=tolerance), 40)]
    values = [h(problem, x) for x in points]
    moved = [not np.array_equal(*pair) for pair in pairwise(points)]
    changes = np.diff(values)[moved]
    assert len(changes) >= 15 and np.all(changes < 0)


def test_stays_feasible():
    problem = make_problem(
        "simulated_logistic", n_train=1000, n_validation=1000, n_features=20,
        reg_parametrization="linear")
    points = [x for x, *_ in states(
        make_solver("MAID", problem, first_step=10.0), 40)]
    assert np.min(points) == 0.0, "some penalties should end at 0"
    assert h(problem, points[-1]) < h(problem, points[0])


@pytest.mark.parametrize("first_step", [1e-6, 1.0, 1e6])
def test_first_step_does_not_matter_in_the_end(quadratic, first_step):
    solver = make_solver("MAID", quadratic, first_step=first_step)
    result = run_solver(solver, 220 if first_step < 1 else 100)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-4


def test_accuracy_goes_both_ways(quadratic):
    seen = states(make_solver("MAID", quadratic), 60)
    accepted = refused = 0
    for (x, s, eps, delta), (x_new, s_new, eps_new, delta_new) in pairwise(
            seen[1:]):
        ratio = eps_new / eps
        assert delta_new / delta == pytest.approx(ratio)
        halvings = (np.log(ratio) if np.array_equal(x, x_new)
                    else np.log(ratio / 1.05)) / np.log(0.5)
        assert halvings == pytest.approx(round(halvings), abs=1e-6)
        if np.array_equal(x, x_new):
            refused += 1
            assert s_new == s and round(halvings) >= 1
        else:
            accepted += 1
            tries = np.log(s_new / s * 0.9) / np.log(0.9)
            assert tries == pytest.approx(round(tries), abs=1e-6)
    assert accepted > 10 and refused > 3


def test_iterations_match_the_formula(quadratic):
    """With exact solves it is gradient descent with a line search."""
    solver = make_solver(
        "MAID", quadratic, tolerance=1e-13, first_step=20.0)
    seen = states(solver, 6)
    x, s, shortened = quadratic.outer_start, None, 0
    for x_solver, s_solver, *_ in seen[1:]:
        z, factor = solve_inner(quadratic.inner, x, quadratic.inner_start)
        p = implicit_gradient(quadratic, x, z, factor)
        s = 20.0 / np.linalg.norm(p) if s is None else s
        while not h(quadratic, x - s * p) < h(quadratic, x) - 1e-11:
            s, shortened = 0.9 * s, shortened + 1
        x, s = x - s * p, s * 10 / 9
        np.testing.assert_allclose(x_solver, x, rtol=1e-8)
        assert s_solver == pytest.approx(s)
    assert shortened > 3


def test_oracle_calls_by_hand(quadratic):
    # So tolerant of the inner problem and the adjoint system that z and v =
    # 0 will do, and so uncertain of F that no step will. For p: the gradient
    # of G, that of F, and two times three derivatives of G and two of F. For
    # each of ten tries: the gradients of G and F in z.
    solver = make_solver("MAID", quadratic, tolerance=1e3, mu=1e9)
    result = run_solver(solver, 1)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)
    assert result["oracle_calls"] == (
        24 * (1 + 2 * 3 + 10) + 32 * (1 + 2 * 2 + 10))
    # Then twice as many tries.
    more = run_solver(solver, 2)["oracle_calls"] - result["oracle_calls"]
    assert more == 24 * (1 + 2 * 3 + 20) + 32 * (1 + 2 * 2 + 20)


def test_search_starts_when_p_is_a_direction_of_descent(logistic):
    # At z = 0 with v = 0, which a large tolerance allows, p = 0 as C = 0.
    logistic.inner_start = np.zeros(6)
    solver = make_solver("MAID", logistic, tolerance=1e3)
    run_solver(solver, 1)
    assert solver.s == pytest.approx(1.0 / np.linalg.norm(
        solver.bounds.hypergradient(
            solver.exact.z, solver.exact.v, solver.x)[0]), rel=0.5)
    assert solver.eps < 1e3


@pytest.mark.parametrize("mu", [None, 0.5])
def test_inner_problem_is_solved_to_mu_eps(quadratic, monkeypatch, mu):
    used, value = [], ExactOracles.value

    def recorded(self, x, tolerance):
        used.append(tolerance)
        return value(self, x, tolerance)

    monkeypatch.setattr(ExactOracles, "value", recorded)
    run_solver(make_solver("MAID", quadratic, tolerance=0.1, mu=mu), 1)
    smallest = np.linalg.eigvalsh(quadratic.inner.mean_A)[0]
    assert used[0] == pytest.approx(0.1 * (mu or smallest))


def test_a_tolerance_whose_square_overflows(quadratic):
    result = run_solver(
        make_solver("MAID", quadratic, tolerance=1e300, mu=1.0), 1)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)


@pytest.mark.parametrize("bad", [
    {"tolerance": 0.0}, {"first_step": 0.0}, {"first_step": np.inf},
    {"mu": 0.0}, {"mu": -1.0}, {"mu": np.nan}, {"mu": "a"}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("MAID", quadratic, **bad)
