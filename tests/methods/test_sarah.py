"""SARAH and STORM: the expectation of the directions over the batches."""
import numpy as np
import pytest
from harness import from_python
from numpy_single_loop import numpy_directions

from benchmark_utils.functions.batches import FULL
from benchmark_utils.methods import sarah

sarah_directions = from_python(sarah.sarah_directions)
storm_directions = from_python(sarah.storm_directions)


def update(problem, G, F, i, j, point, previous, D, eta=None):
    """D after one update, of SARAH if eta is None, as new arrays."""
    scratch = tuple(tuple(map(np.empty_like, D)) for _ in range(3))
    D = tuple(d.copy() for d in D)
    if eta is None:
        sarah_directions(G, F, i, j, point, previous, D, scratch)
    else:
        storm_directions(G, F, i, j, point, previous, D, eta, scratch)
    return D


@pytest.fixture(params=["quadratic", "logistic"])
def setting(request, rng):
    """Problem, two points, and the directions on all samples at both."""
    problem = request.getfixturevalue(request.param)
    p, d = problem.inner_dim, problem.outer_dim
    points = [tuple(map(rng.standard_normal, (p, p, d))) for _ in range(2)]
    exact = [numpy_directions(problem.inner, problem.outer, *point)
             for point in points]
    return problem, points, exact


def test_unbiased_over_all_pairs_of_batches(setting):
    problem, (previous, point), (D_previous, D_point) = setting
    G, F = problem.batches(9)  # With short last batches.
    updated = [
        update(problem, G, F, i, j, point, previous, D_previous)
        for i in range(G.n_batches) for j in range(F.n_batches)
    ]
    for estimates, exact in zip(zip(*updated, strict=True), D_point,
                                strict=True):
        np.testing.assert_allclose(
            np.mean(estimates, 0), exact, rtol=1e-12, atol=1e-13)


def test_exact_on_all_samples(setting):
    problem, (previous, point), (D_previous, D_point) = setting
    G, F = problem.batches(9)
    D = update(problem, G, F, FULL, FULL, point, previous, D_previous)
    for estimate, exact in zip(D, D_point, strict=True):
        np.testing.assert_allclose(estimate, exact, rtol=1e-12, atol=1e-13)


def test_zero_change_without_a_move(setting):
    problem, (_, point), (_, D_point) = setting
    G, F = problem.batches(9)
    D = update(problem, G, F, 0, 1, point, point, D_point)
    for estimate, before in zip(D, D_point, strict=True):
        np.testing.assert_allclose(estimate, before, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_storm_forgets_an_error_at_its_rate(setting, eta):
    # Over all pairs of batches, what is wrong with D shrinks by 1 - eta.
    problem, (previous, point), (D_previous, D_point) = setting
    G, F = problem.batches(9)
    wrong = tuple(d + 1.0 for d in D_previous)
    updated = [
        update(problem, G, F, i, j, point, previous, wrong, eta)
        for i in range(G.n_batches) for j in range(F.n_batches)
    ]
    for estimates, exact in zip(zip(*updated, strict=True), D_point,
                                strict=True):
        np.testing.assert_allclose(
            np.mean(estimates, 0), exact + 1 - eta, rtol=1e-12, atol=1e-13)
