"""Inverse-Hessian products against explicit matrices and enumeration."""
from itertools import product

import numpy as np
import pytest
from harness import from_python
from numpy_neumann import all_blocks, product_series, sum_series

from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import hvp
from benchmark_utils.methods import linear_systems
from benchmark_utils.methods.linear_systems import conjugate_gradient

neumann_product = from_python(linear_systems.neumann_product)
neumann_sum = from_python(linear_systems.neumann_sum)
project_on_ball = from_python(linear_systems.project_on_ball)

ETA = 0.4
# 24 inner samples: batches of 10, 10 and 4.
BATCH_SIZE = 10


@pytest.fixture(params=["quadratic", "logistic"])
def system(request, rng):
    """A problem, a point (z, x), a right-hand side and the full Hessian."""
    problem = request.getfixturevalue(request.param)
    z = rng.standard_normal(problem.inner_dim)
    x = problem.outer_start
    f1 = rng.standard_normal(problem.inner_dim)
    return problem, z, x, f1, problem.inner.hessian(z, x)


def run_sum(G, batches, z, x, f1):
    v = np.full_like(f1, np.nan)
    neumann_sum(G, np.array(batches, np.int64), z, x, f1.copy(), ETA, v,
                np.empty_like(v))
    return v


def run_product(G, batches, z, x, f1, n_terms):
    v = np.full_like(f1, np.nan)
    neumann_product(
        G, np.array(batches, np.int64), z, x, f1, ETA, n_terms, v,
        np.empty_like(v))
    return v


@pytest.mark.parametrize("K", [0, 1, 6])
def test_full_sum_is_the_matrix_series(system, K):
    problem, z, x, f1, H = system
    G = problem.inner.batches(BATCH_SIZE)
    factor = np.eye(len(H)) - ETA * H
    series = sum(np.linalg.matrix_power(factor, q) for q in range(K + 1))
    v = run_sum(G, [FULL] * K, z, x, f1)
    np.testing.assert_allclose(v, -ETA * series @ f1, rtol=0, atol=1e-12)
    # What is cut off is (I - eta H)^(K + 1) of the solution.
    solution = -np.linalg.solve(H, f1)
    cut = np.linalg.matrix_power(factor, K + 1) @ solution
    np.testing.assert_allclose(solution - v, cut, rtol=0, atol=1e-12)
    assert G.oracle_calls[0] == K * problem.inner.n_samples


@pytest.mark.parametrize("K", [1, 2, 7])
def test_average_over_lengths_is_the_sum(system, K):
    problem, z, x, f1, _ = system
    G = problem.inner.batches(BATCH_SIZE)
    average = np.mean(
        [run_product(G, [FULL] * q, z, x, f1, K) for q in range(K)], axis=0)
    v = run_sum(G, [FULL] * (K - 1), z, x, f1)
    np.testing.assert_allclose(average, v, rtol=0, atol=1e-12)


def test_series_on_given_blocks(quadratic, rng):
    G = quadratic.inner.batches(BATCH_SIZE)
    blocks = all_blocks(quadratic.inner, BATCH_SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    f1 = rng.standard_normal(z.size)
    # The order matters: these matrices do not commute.
    batches = [2, 0, 1, 1]
    hessians = [blocks[k].mean_A for k in batches]
    np.testing.assert_allclose(
        run_sum(G, batches, z, x, f1), sum_series(hessians, f1, ETA),
        rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        run_product(G, batches, z, x, f1, 6),
        product_series(hessians, f1, ETA, 6), rtol=0, atol=1e-12)
    assert G.oracle_calls[0] == 2 * (4 + 10 + 10 + 10)


def test_average_over_batch_sequences_is_the_full_series(system):
    problem, z, x, f1, _ = system
    G = problem.inner.batches(-(-problem.inner.n_samples // 3))
    assert G.n_batches == 3
    K = 4
    average = np.mean([
        run_sum(G, batches, z, x, f1)
        for batches in product(range(3), repeat=K - 1)], axis=0)
    full = run_sum(G, [FULL] * (K - 1), z, x, f1)
    np.testing.assert_allclose(average, full, rtol=0, atol=1e-12)
    # Uniform length, then uniform batches for that length.
    average = np.mean([
        np.mean([run_product(G, batches, z, x, f1, K)
                 for batches in product(range(3), repeat=q)], axis=0)
        for q in range(K)], axis=0)
    np.testing.assert_allclose(average, full, rtol=0, atol=1e-12)


def test_series_leave_their_arguments(system):
    problem, z, x, f1, _ = system
    G = problem.inner.batches(BATCH_SIZE)
    before = f1.copy()
    run_sum(G, [0, 1], z, x, f1)
    run_product(G, [0, 1], z, x, f1, 3)
    conjugate_gradient(G, z, x, f1, np.zeros_like(z), 3)
    assert np.array_equal(f1, before)


def test_conjugate_gradient_solves(system):
    problem, z, x, f1, H = system
    G = problem.inner.batches(BATCH_SIZE)
    v = np.zeros_like(z)
    conjugate_gradient(G, z, x, f1, v, 3 * z.size)
    np.testing.assert_allclose(v, -np.linalg.solve(H, f1), rtol=1e-10)


def test_conjugate_gradient_stops_where_it_is_told(quadratic, rng):
    G = quadratic.inner.batches(BATCH_SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    f1, H = rng.standard_normal(z.size), quadratic.inner.mean_A
    v = rng.standard_normal(z.size)
    start = v.copy()
    conjugate_gradient(G, z, x, f1, v, 2)
    # The residual of the warm start, and two steps.
    assert G.oracle_calls[0] == 3 * 24
    # Best in the norm of H among start + span(r, H r).
    r = -f1 - H @ start
    basis = np.column_stack([r, H @ r])
    best = start + basis @ np.linalg.solve(basis.T @ H @ basis, basis.T @ r)
    np.testing.assert_allclose(v, best, rtol=1e-10)


def test_warm_start_is_used(system):
    problem, z, x, f1, H = system
    G = problem.inner.batches(BATCH_SIZE)
    solution = -np.linalg.solve(H, f1)
    errors = []
    for start in (np.zeros_like(z), solution + 1e-6):
        v = start.copy()
        conjugate_gradient(G, z, x, f1, v, 1)
        errors.append(np.linalg.norm(v - solution))
    assert errors[1] < 1e-5 < 1e-3 < errors[0]


@pytest.mark.parametrize("zero", [False, True])
def test_exact_warm_start_costs_one_product(quadratic, rng, zero):
    G = quadratic.inner.batches(BATCH_SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    v = np.zeros_like(z) if zero else rng.standard_normal(z.size)
    # H v as the kernel computes it, so that the residual is exactly zero.
    Hv = np.empty_like(v)
    hvp(G, FULL, z, x, v, Hv)
    G.oracle_calls[0] = 0
    before = v.copy()
    conjugate_gradient(G, z, x, -Hv, v, 10)
    assert np.array_equal(v, before)
    assert G.oracle_calls[0] == 24


def test_many_steps_stay_finite(system):
    problem, z, x, f1, H = system
    G = problem.inner.batches(BATCH_SIZE)
    v = np.zeros_like(z)
    conjugate_gradient(G, z, x, f1, v, 2000)
    conjugate_gradient(G, z, x, f1, v, 2000)
    np.testing.assert_allclose(v, -np.linalg.solve(H, f1), rtol=1e-10)


@pytest.mark.parametrize("radius, expected", [
    (np.inf, [3.0, -4.0]), (5.0, [3.0, -4.0]), (1.0, [0.6, -0.8])])
def test_project_on_ball(radius, expected):
    v = np.array([3.0, -4.0])
    project_on_ball(v, radius)
    np.testing.assert_allclose(v, expected, rtol=1e-14)


def test_project_on_ball_keeps_nan():
    v = np.array([np.nan, 1.0])
    project_on_ball(v, 0.5)
    assert np.isnan(v[0])
