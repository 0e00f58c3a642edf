"""Feasible sets that are boxes, and what is not run on others."""
import numpy as np
import pytest
from harness import DATASETS, Skipped, make_problem, make_solver, run_solver

from benchmark_utils.methods.boxes import is_box


def onto_plane(x):
    """Entries whose sum is 0."""
    return x - x.mean()


def onto_ball(x):
    return x / max(1.0, np.linalg.norm(x))


def onto_sorted_pair(x):
    """x_0 <= x_1, and the others as they are."""
    x = x.copy()
    if x[0] > x[1]:
        x[:2] = x[:2].mean()
    return x


@pytest.mark.parametrize("d", [1, 2, 50])
@pytest.mark.parametrize("project", [
    lambda x: x, lambda x: np.maximum(x, 0.0), lambda x: np.clip(x, -1, 2.5),
    lambda x: np.clip(x, 1e-3, np.arange(1, 1 + len(x)))])
def test_boxes(project, d):
    assert is_box(project, np.ones(d))


@pytest.mark.parametrize("project, d", [
    (onto_plane, 2), (onto_plane, 500), (onto_ball, 2), (onto_ball, 500)])
def test_other_sets(project, d):
    assert not is_box(project, np.zeros(d))


def test_one_relation_of_two_entries():
    assert not is_box(onto_sorted_pair, np.zeros(2))


@pytest.fixture(scope="module")
def on_a_budget():
    pytest.importorskip("jax")
    return make_problem("coreset", **DATASETS["coreset"].test_config)


def test_lbfgs_does_not_run_where_it_would_leave_the_set(on_a_budget):
    with pytest.raises(Skipped, match="no box"):
        make_solver("L-BFGS", on_a_budget)


def test_black_boxes_search_the_whole_set(on_a_budget):
    solver = make_solver("RandomSearch", on_a_budget)
    x = run_solver(solver, 20)["outer_var"]
    assert np.all((x >= 0) & (x <= 1)) and np.isclose(x.sum(), 5)
    trials = [on_a_budget.inner.project(solver.suggest(t))
              for t in range(20, 24)]
    assert np.min(np.ptp(trials, axis=1)) > 0.5
