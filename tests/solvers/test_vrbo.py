"""VRBO: the two loops, its simplest case, and the bias of the series."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_recursive import (
    biased_solution,
    cut,
    hypergradient,
    n_samples,
    replay_samplers,
    series,
    truncated_inverse,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

SIZE, STEP, RATIO, K = 7, 0.2, 2.0, 3  # Blocks of 7 leave short last ones.


def test_steps_match_the_formula(quadratic):
    period, n_inner_steps = 2, 3
    # 24 / 7 + 32 / 7 = 8 batches.
    solver = make_solver(
        "VRBO", quadratic, step_size=STEP, outer_ratio=RATIO, eval_freq=1,
        batch_size=SIZE, period_frac=0.3, n_inner_steps=n_inner_steps,
        n_neumann_steps=K)
    result = run_solver(solver, 5)
    assert solver.period == period

    G, F = cut(quadratic.inner, SIZE), cut(quadratic.outer, SIZE)
    inner, outer = replay_samplers(solver)

    def estimates(G_i, G_k, F_j, factors, z, x):
        v = series(factors, F_j, z, x, STEP)
        return G_i.grad_z(z, x), hypergradient(G_k, F_j, z, x, v)

    z, x, calls = quadratic.inner_start, quadratic.outer_start, 0
    for t in range(5):
        if t % period == 0:
            full = quadratic.inner
            d_z, d_x = estimates(
                full, full, quadratic.outer, [full] * K, z, x)
            calls += (2 + K) * 24 + 2 * 32
        z_old, x_old = z, x
        x = x - STEP / RATIO * d_x
        for step in range(n_inner_steps + 1):
            i, j = draw(inner), draw(outer)
            blocks = [draw(inner) for _ in range(K)]
            k = draw(inner)
            functions = G[i], G[k], F[j], [G[q] for q in blocks]
            g, E = estimates(*functions, z, x)
            g_old, E_old = estimates(*functions, z_old, x_old)
            d_z, d_x = d_z + g - g_old, d_x + E - E_old
            z_old, x_old = z, x
            if step < n_inner_steps:
                z = z - STEP * d_z
            calls += 2 * sum(
                n_samples(quadratic.inner, SIZE, q) for q in [i, k, *blocks])
            calls += 4 * n_samples(quadratic.outer, SIZE, j)
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_one_step_a_period_is_alternating_descent(quadratic):
    # x+ = x - gamma E(z, x), then z+ = z - rho g(z, x+), on all samples.
    solver = make_solver(
        "VRBO", quadratic, step_size=STEP, outer_ratio=RATIO, eval_freq=1,
        batch_size="full", period_frac=0.5, n_inner_steps=1,
        n_neumann_steps=K)
    result = run_solver(solver, 6)
    assert solver.period == 1
    G, F = quadratic.inner, quadratic.outer
    z, x = quadratic.inner_start, quadratic.outer_start
    for _ in range(6):
        v = series([G] * K, F, z, x, STEP)
        x = x - STEP / RATIO * hypergradient(G, F, z, x, v)
        z = z - STEP * G.grad_z(z, x)
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)


@pytest.mark.parametrize("batch_size, period_frac", [("full", 0.5), (8, 0.3)])
@pytest.mark.parametrize("n_neumann_steps", [2, 100])
def test_reaches_the_bias_floor(
        quadratic, batch_size, period_frac, n_neumann_steps):
    # The variance vanishes at the solution: small batches get there too.
    solver = make_solver(
        "VRBO", quadratic, step_size=0.3, outer_ratio=1.0,
        batch_size=batch_size, period_frac=period_frac, n_inner_steps=5,
        n_neumann_steps=n_neumann_steps, eval_freq=100)
    result = run_solver(solver, 1000)
    P = truncated_inverse(quadratic.inner.mean_A, 0.3, n_neumann_steps + 1)
    z, x = biased_solution(quadratic, P)
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
    gap = metrics(quadratic, result["inner_var"], result["outer_var"])[
        "value_gap"]
    if n_neumann_steps == 100:
        assert abs(gap) < 1e-8
    else:
        assert gap > 1e-4  # The floor is there to be seen.
