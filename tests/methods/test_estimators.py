"""Shared estimates: unbiased over blocks, and equal to their formulas."""
from itertools import product

import numpy as np
import pytest
from harness import from_python
from numpy_neumann import all_blocks

from benchmark_utils.functions.batches import FULL
from benchmark_utils.methods import estimators
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.sampling import draw, make_sampler

bilevel_directions = from_python(estimators.bilevel_directions)
inner_sgd = from_python(estimators.inner_sgd)
recursive_estimate = from_python(estimators.recursive_estimate)

BATCH_SIZE = 10  # The last batches are short: 4 of 24 and 2 of 32 samples.


@pytest.fixture(params=["quadratic", "logistic"])
def problem(request):
    return request.getfixturevalue(request.param)


def all_directions(problem, G, F, i, j, z, v, x):
    D_z, D_v, f1 = (np.full_like(z, np.nan) for _ in range(3))
    D_x, f2 = (np.full_like(x, np.nan) for _ in range(2))
    bilevel_directions(
        G, F, i, j, (z, v, x), (D_z, D_v, D_x),
        (f1, np.empty_like(z), f2))
    return np.concatenate([D_z, D_v, D_x])


def test_directions_are_unbiased(problem, rng):
    G, F = problem.batches(BATCH_SIZE)
    z, v = rng.standard_normal((2, problem.inner_dim))
    x = problem.outer_start
    inner, outer = problem.inner, problem.outer
    expected = np.concatenate([
        inner.grad_z(z, x),
        inner.hessian(z, x) @ v + outer.grad_z(z, x),
        inner.cross(z, x, v) + outer.grad_x(z, x),
    ])
    full = all_directions(problem, G, F, FULL, FULL, z, v, x)
    np.testing.assert_allclose(full, expected, rtol=0, atol=1e-12)
    pairs = list(product(range(G.n_batches), range(F.n_batches)))
    estimates = np.array([
        all_directions(problem, G, F, i, j, z, v, x) for i, j in pairs])
    np.testing.assert_allclose(
        estimates.mean(0), expected, rtol=0, atol=1e-12)
    assert np.all(estimates.std(0)[:2 * z.size] > 1e-6)


def test_directions_cost_five_derivatives_of_each_sample(quadratic):
    G, F = quadratic.batches(BATCH_SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    all_directions(quadratic, G, F, 2, 3, z, z, x)
    assert (G.oracle_calls[0], F.oracle_calls[0]) == (3 * 4, 2 * 2)


def test_recursive_estimate(rng):
    d, new, old = rng.standard_normal((3, 5))
    for eta in (0.0, 0.3, 1.0):
        result = d.copy()
        recursive_estimate(result, new, old, eta)
        np.testing.assert_allclose(
            result, new + (1 - eta) * (d - old), rtol=0, atol=1e-14)
    # A storm without memory: eta = 1 forgets d.
    np.testing.assert_array_equal(result, new)


def test_recursive_estimate_telescopes(quadratic, rng):
    # With all samples at both points and eta = 0, what starts exact stays.
    G = quadratic.inner
    x = quadratic.outer_start
    points = rng.standard_normal((6, quadratic.inner_dim))
    d = G.grad_z(points[0], x)
    for old, new in zip(points, points[1:], strict=False):
        recursive_estimate(d, G.grad_z(new, x), G.grad_z(old, x), 0.0)
    np.testing.assert_allclose(
        d, G.grad_z(points[-1], x), rtol=0, atol=1e-12)


def test_inner_sgd_takes_a_fresh_batch_each_step(quadratic):
    G = quadratic.inner.batches(BATCH_SIZE)
    blocks = all_blocks(quadratic.inner, BATCH_SIZE)
    z, x = quadratic.inner_start.copy(), quadratic.outer_start
    inner_sgd(
        G, make_sampler(3, np.random.default_rng(5)), z, x, 0.3, 7,
        np.empty_like(z))

    sampler = make_sampler(3, np.random.default_rng(5))
    expected, calls = quadratic.inner_start, 0
    for _ in range(7):
        G_i = blocks[draw(sampler)]
        expected = expected - 0.3 * G_i.grad_z(expected, x)
        calls += G_i.n_samples
    np.testing.assert_allclose(z, expected, rtol=1e-12)
    assert G.oracle_calls[0] == calls
    assert np.array_equal(x, quadratic.outer_start)


def test_inner_gradient_descent(problem):
    G = problem.inner.batches(BATCH_SIZE)
    z, x = problem.inner_start.copy(), problem.outer_start
    inner_gradient_descent(G, z, x, 0.3, 4)
    expected = problem.inner_start
    for _ in range(4):
        expected = expected - 0.3 * problem.inner.grad_z(expected, x)
    np.testing.assert_allclose(z, expected, rtol=1e-12)
    assert G.oracle_calls[0] == 4 * problem.inner.n_samples
