"""Under constraints: what is recorded of a gradient, and when runs stop."""
import numpy as np
import pytest
from harness import make_problem, make_solver
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import (
    gradient_mapping,
    implicit_gradient,
    metrics,
    solve_inner,
)
from benchmark_utils.stopping import BudgetCriterion


def onto_bounds(y):
    return np.maximum(y, 0.0)


def onto_box(y):
    return np.clip(y, -0.5, 0.25)


def onto_ball(y):
    return y / max(1.0, np.linalg.norm(y))


def onto_simplex(y):
    above = np.sort(y)[::-1]
    level = (np.cumsum(above) - 1.0) / np.arange(1, y.size + 1)
    return np.maximum(y - np.max(level), 0.0)


SETS = [onto_bounds, onto_box, onto_ball, onto_simplex]
points = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def run_criterion(norms):
    return BudgetCriterion().check_convergence([
        {"objective_grad_norm": norm, "objective_value": 1.0, "time": 0.0,
         "p_obj_max_seconds": 1} for norm in norms])[0]


@settings(max_examples=60, deadline=None)
@given(points, st.integers(1, 6), st.floats(-6, 6))
def test_without_constraints_it_is_the_gradient_to_the_last_bit(rng, d, log):
    x, g = rng.standard_normal(d), 10.0**log * rng.standard_normal(d)
    assert np.array_equal(gradient_mapping(lambda y: y, x, g), g)
    assert np.array_equal(
        gradient_mapping(onto_bounds, np.abs(x) + np.abs(g), g), g)


@pytest.mark.parametrize("project", SETS)
@settings(max_examples=60, deadline=None)
@given(rng=points, d=st.integers(1, 6))
def test_it_is_zero_at_stationary_points_alone(project, rng, d):
    """By the optimality condition of the projection, for any set."""
    y = 2.0 * rng.standard_normal(d)
    x = project(y)
    # y - x is in the normal cone at x: a gradient of -(y - x) is stationary.
    rounding = 1e-14 * (1.0 + np.linalg.norm(y))
    for length in (0.3, 1.0, 7.0):
        mapping = gradient_mapping(project, x, length * (x - y))
        assert np.linalg.norm(mapping) <= length * rounding
    # With another gradient g: where h descends towards a feasible point, it
    # is not 0. By the optimality of P(x - g) = x - m,
    # -g'(other - x) <= m'(other - x + g) for any feasible one.
    other = project(2.0 * rng.standard_normal(d))
    g = rng.standard_normal(d)
    mapping = gradient_mapping(project, x, g)
    slope = -g @ (other - x)
    allowed = np.linalg.norm(mapping) * (
        np.linalg.norm(other - x) + np.linalg.norm(g))
    assert slope <= allowed + rounding
    assert np.linalg.norm(mapping) <= np.linalg.norm(g) + rounding


def test_it_is_continuous_at_the_bound():
    g = np.array([2.84])
    for distance in (0.0, 1e-20, 1e-6, 1.0):
        mapping = gradient_mapping(onto_bounds, np.array([distance]), g)
        assert mapping == distance


def test_linear_penalties_that_end_on_the_bound(rng):
    """grad h is largest at the constrained minimiser, x = 0.

    The validation samples are those of training, but shorter: z should be
    longer than without a penalty, which no penalty achieves.
    """
    X = rng.standard_normal((60, 4))
    y = np.where(X[:, 0] + rng.standard_normal(60) > 0, 1.0, -1.0)
    inner = LogisticRegression(X, y, "linear", penalty="scalar")
    outer = LogisticRegression(X / 3, y, penalty="scalar")
    problem = BilevelProblem(inner, outer, np.zeros(4), np.ones(1))
    xs = [1.0, 0.1, 1e-3, 1e-6, 0.0]
    judged = [metrics(problem, np.zeros(4), np.array([x])) for x in xs]
    steep = []
    for x in xs:
        z, solve = solve_inner(inner, np.array([x]), np.zeros(4))
        steep.append(implicit_gradient(problem, np.array([x]), z, solve)[0])
    assert np.all(np.diff([m["value"] for m in judged]) < 0)
    assert np.all(np.diff(steep) > 0)
    norms = [m["grad_norm"] for m in judged]
    assert_allclose(norms, np.minimum(steep, xs), rtol=1e-9)
    assert norms[-1] == 0.0 and run_criterion(norms)
    assert not run_criterion(norms[:-1])


class Boxed(Quadratic):
    """With a box of the user's own."""

    def project(self, x):
        return np.clip(x, -0.1, 0.1)


@pytest.fixture
def boxed():
    free = make_problem(
        "quadratic", n_inner=24, n_outer=32, inner_dim=4, outer_dim=3,
        conditioning=3.0, coupling=0.5, noise=0.5)
    inner = Boxed(*(getattr(free.inner, name) for name in "ABCab"))
    return BilevelProblem(inner, free.outer, np.zeros(4), np.zeros(3))


def test_a_run_on_a_box_of_the_user_ends_at_its_minimiser(boxed):
    """By projected gradient descent, whose fixed points are stationary."""
    x, norms = boxed.outer_start, []
    for _ in range(3000):
        z, solve = solve_inner(boxed.inner, x, np.zeros(4))
        gradient = implicit_gradient(boxed, x, z, solve)
        norms.append(metrics(boxed, z, x)["grad_norm"])
        if run_criterion(norms):
            break
        x = np.clip(x - 0.2 * gradient, -0.1, 0.1)
    assert run_criterion(norms), norms[-1]
    # On the bound, where the gradient is not small.
    assert np.any(np.abs(x) == 0.1) and np.linalg.norm(gradient) > 0.1
    # A minimiser: no feasible point near it, or at random, is lower.
    rng = np.random.default_rng(0)
    lowest = metrics(boxed, z, x)["value"]
    for scale in (1e-4, 1e-2, 1.0):
        for _ in range(20):
            other = np.clip(x + scale * rng.standard_normal(3), -0.1, 0.1)
            assert metrics(boxed, z, other)["value"] >= lowest - 1e-12


def test_a_point_outside_is_not_stationary(boxed):
    z, solve = solve_inner(boxed.inner, np.zeros(3), np.zeros(4))
    x = np.full(3, 5.0)
    assert metrics(boxed, z, x)["grad_norm"] >= np.linalg.norm(x - 0.1) - 1e-12


def test_a_solver_that_projects_reaches_a_norm_of_zero(boxed):
    """L-BFGS, which takes the box from `project`: the criterion ends it."""
    solver = make_solver("L-BFGS", boxed)
    norms = []

    def callback():
        result = solver.get_result()
        norms.append(metrics(
            boxed, result["inner_var"], result["outer_var"])["grad_norm"])
        return not run_criterion(norms) and len(norms) < 100

    solver.run(callback)
    assert norms[-1] < 1e-6 * norms[0]
