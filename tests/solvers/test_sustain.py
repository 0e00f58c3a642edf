"""SUSTAIN: recursion, reduction to plain steps, and its random series."""
import itertools

import numpy as np
import pytest
from harness import from_python, make_solver, run_solver
from numpy_recursive import (
    biased_solution,
    cut,
    hypergradient,
    n_samples,
    one_term,
    replay_samplers,
    truncated_inverse,
)

from benchmark_utils.methods import hypergradients
from benchmark_utils.methods.sampling import draw, draw_below
from benchmark_utils.reference import metrics

compiled = from_python(hypergradients.hypergradient)
SIZE, STEP, RATIO, K = 7, 0.2, 2.0, 4  # Blocks of 7 leave short last ones.


@pytest.mark.parametrize("eta", [0.5, 1.2])
def test_steps_match_the_formula(quadratic, eta):
    solver = make_solver(
        "SUSTAIN", quadratic, step_size=STEP, outer_ratio=RATIO, eta=eta,
        batch_size=SIZE, n_neumann_steps=K, eval_freq=1)
    result = run_solver(solver, 6)

    G, F = cut(quadratic.inner, SIZE), cut(quadratic.outer, SIZE)
    inner, outer = replay_samplers(solver)
    z, x, calls = quadratic.inner_start, quadratic.outer_start, 0
    z_old, x_old = z, x
    lengths = set()
    for t in range(6):
        i, j = draw(inner), draw(outer)
        blocks = [draw(inner) for _ in range(draw_below(inner.rng, K))]
        k = draw(inner)
        lengths.add(len(blocks))

        def estimates(z, x, i=i, k=k, j=j, blocks=blocks):
            v = one_term([G[q] for q in blocks], F[j], z, x, STEP, K)
            return G[i].grad_z(z, x), hypergradient(G[k], F[j], z, x, v)

        g, E = estimates(z, x)
        if t == 0:
            d_z, d_x = g, E
        else:
            eta_t = min(1.0, eta * t ** (-2 / 3))
            g_old, E_old = estimates(z_old, x_old)
            d_z = g + (1 - eta_t) * (d_z - g_old)
            d_x = E + (1 - eta_t) * (d_x - E_old)
        b = sum(n_samples(quadratic.inner, SIZE, q) for q in [i, k, *blocks])
        b += 2 * n_samples(quadratic.outer, SIZE, j)
        calls += b if t == 0 else 2 * b
        z_old, x_old = z, x
        rho = STEP * (t + 1) ** (-1 / 3)
        z, x = z - rho * d_z, x - rho / RATIO * d_x
    assert len(lengths) > 1
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_without_memory_it_is_plain_stochastic_descent(quadratic):
    solver = make_solver(
        "SUSTAIN", quadratic, step_size=STEP, outer_ratio=RATIO, eta=1e6,
        batch_size=SIZE, n_neumann_steps=K, eval_freq=1)
    result = run_solver(solver, 5)
    G, F = cut(quadratic.inner, SIZE), cut(quadratic.outer, SIZE)
    inner, outer = replay_samplers(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    for t in range(5):
        i, j = draw(inner), draw(outer)
        factors = [G[draw(inner)] for _ in range(draw_below(inner.rng, K))]
        k = draw(inner)
        v = one_term(factors, F[j], z, x, STEP, K)
        rho = STEP * (t + 1) ** (-1 / 3)
        z, x = (z - rho * G[i].grad_z(z, x),
                x - rho / RATIO * hypergradient(G[k], F[j], z, x, v))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)


def test_one_term_reaches_its_biased_solution(quadratic):
    # With K = 1, q = 0 always: eta I stands for the inverse Hessian.
    solver = make_solver(
        "SUSTAIN", quadratic, step_size=0.8, outer_ratio=1.0,
        batch_size="full", n_neumann_steps=1, eval_freq=1000)
    result = run_solver(solver, 5000)
    z, x = biased_solution(quadratic, 0.8 * np.eye(quadratic.inner_dim))
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
    floor = metrics(quadratic, z, x)["value_gap"]
    gap = metrics(quadratic, result["inner_var"], result["outer_var"])[
        "value_gap"]
    assert floor > 1e-4 and abs(gap - floor) < 1e-8


def test_estimate_is_unbiased_for_the_truncated_series(quadratic):
    G, F = quadratic.batches(SIZE)
    z, x = quadratic.inner_start, quadratic.outer_start
    E, mean = np.empty_like(x), np.zeros_like(x)
    scratch = hypergradients.hypergradient_scratch(z, x)
    N, M, n_terms = range(G.n_batches), range(F.n_batches), 3
    for q in range(n_terms):
        every = list(itertools.product(N, M, *[N] * q))
        for k, j, *blocks in every:
            factors = np.array(blocks, dtype=np.int64)
            compiled(G, F, (k, j, q, n_terms), factors, z, x, 0.5, E,
                     scratch)
            mean += E / len(every) / n_terms
    P = truncated_inverse(quadratic.inner.mean_A, 0.5, n_terms)
    v = -P @ quadratic.outer.grad_z(z, x)
    full = hypergradient(quadratic.inner, quadratic.outer, z, x, v)
    np.testing.assert_allclose(mean, full, rtol=1e-12, atol=1e-12)
