"""MRBO: recursion, reduction to plain steps, and the bias of the series."""
import itertools

import numpy as np
import pytest
from harness import from_python, make_solver, run_solver
from numpy_recursive import (
    biased_solution,
    cut,
    hypergradient,
    n_samples,
    replay_samplers,
    series,
    truncated_inverse,
)

from benchmark_utils.functions.batches import FULL
from benchmark_utils.methods import hypergradients
from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

compiled = from_python(hypergradients.hypergradient)
SIZE, STEP, RATIO, K = 7, 0.2, 2.0, 3  # Blocks of 7 leave short last ones.


def transcription(solver, problem, n_iterations, eta):
    """MRBO in NumPy: z, x and the number of oracle calls."""
    G, F = cut(problem.inner, SIZE), cut(problem.outer, SIZE)
    inner, outer = replay_samplers(solver)
    z, x, calls = problem.inner_start, problem.outer_start, 0
    z_old, x_old = z, x
    for t in range(n_iterations):
        i, j = draw(inner), draw(outer)
        blocks = [draw(inner) for _ in range(K)]
        k = draw(inner)

        def estimates(z, x, i=i, k=k, j=j, blocks=blocks):
            v = series([G[q] for q in blocks], F[j], z, x, STEP)
            return G[i].grad_z(z, x), hypergradient(G[k], F[j], z, x, v)

        g, E = estimates(z, x)
        if t == 0:
            d_z, d_x = g, E
        else:
            eta_t = min(1.0, eta * t ** (-2 / 3))
            g_old, E_old = estimates(z_old, x_old)
            d_z = g + (1 - eta_t) * (d_z - g_old)
            d_x = E + (1 - eta_t) * (d_x - E_old)
        b = sum(n_samples(problem.inner, SIZE, q) for q in [i, k, *blocks])
        b += 2 * n_samples(problem.outer, SIZE, j)
        calls += b if t == 0 else 2 * b
        z_old, x_old = z, x
        rho = STEP * (t + 1) ** (-1 / 3)
        z, x = z - rho * d_z, x - rho / RATIO * d_x
    return z, x, calls


@pytest.mark.parametrize("eta", [0.5, 1e6])
def test_steps_match_the_formula(quadratic, eta):
    # With eta = 1e6, eta_t = 1: plain stochastic steps.
    solver = make_solver(
        "MRBO", quadratic, step_size=STEP, outer_ratio=RATIO, eta=eta,
        batch_size=SIZE, n_neumann_steps=K, eval_freq=1)
    result = run_solver(solver, 4)
    z, x, calls = transcription(solver, quadratic, 4, eta)
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_without_memory_it_is_plain_stochastic_descent(quadratic):
    solver = make_solver(
        "MRBO", quadratic, step_size=STEP, outer_ratio=RATIO, eta=1e6,
        batch_size=SIZE, n_neumann_steps=K, eval_freq=1)
    result = run_solver(solver, 5)
    G, F = cut(quadratic.inner, SIZE), cut(quadratic.outer, SIZE)
    inner, outer = replay_samplers(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    for t in range(5):
        i, j = draw(inner), draw(outer)
        factors = [G[draw(inner)] for _ in range(K)]
        k = draw(inner)
        v = series(factors, F[j], z, x, STEP)
        rho = STEP * (t + 1) ** (-1 / 3)
        z, x = (z - rho * G[i].grad_z(z, x),
                x - rho / RATIO * hypergradient(G[k], F[j], z, x, v))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)


@pytest.mark.parametrize("n_neumann_steps", [2, 100])
def test_full_batch_reaches_the_bias_floor(quadratic, n_neumann_steps):
    solver = make_solver(
        "MRBO", quadratic, step_size=0.8, outer_ratio=1.0, batch_size="full",
        n_neumann_steps=n_neumann_steps, eval_freq=1000)
    result = run_solver(solver, 5000)
    P = truncated_inverse(quadratic.inner.mean_A, 0.8, n_neumann_steps + 1)
    z, x = biased_solution(quadratic, P)
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
    gap = metrics(quadratic, result["inner_var"], result["outer_var"])[
        "value_gap"]
    if n_neumann_steps == 100:
        assert abs(gap) < 1e-8
    else:
        assert gap > 1e-4  # The floor is there to be seen.


def test_estimate_is_unbiased_for_the_truncated_series(quadratic):
    G, F = quadratic.batches(SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    E, mean, full = np.empty_like(x), np.zeros_like(x), np.empty_like(x)
    scratch = hypergradients.hypergradient_scratch(z, x)
    N, M = range(G.n_batches), range(F.n_batches)
    every = list(itertools.product(N, M, N, N))
    for k, j, q1, q2 in every:
        compiled(G, F, (k, j, 2, 0), np.array([q1, q2]), z, x, 0.5, E,
                 scratch)
        mean += E / len(every)
    compiled(G, F, (FULL, FULL, 2, 0), np.full(2, FULL), z, x, 0.5, full,
             scratch)
    np.testing.assert_allclose(mean, full, rtol=1e-12, atol=1e-12)
