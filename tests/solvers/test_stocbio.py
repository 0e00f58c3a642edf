"""StocBiO: steps on given blocks, its bias, and what it reduces to."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_neumann import (
    Replay,
    biased_fixed_point,
    sum_series,
    truncated_inverse,
)


def test_iterations_match_the_formulas(quadratic):
    solver = make_solver("StocBiO", quadratic, step_size=0.3,
                         outer_ratio=2.0, batch_size=10, n_inner_steps=2,
                         n_neumann_steps=4, eval_freq=3)
    result = run_solver(solver, 3)

    blocks = Replay(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    calls = 0
    for _ in range(3):
        for _ in range(2):
            G_i = blocks.inner()
            calls += G_i.n_samples
            z = z - 0.3 * G_i.grad_z(z, x)
        F_j = blocks.outer()
        factors = [blocks.inner() for _ in range(4)]
        G_i = blocks.inner()
        v = sum_series(
            [factor.mean_A for factor in factors], F_j.grad_z(z, x), 0.3)
        x = x - 0.15 * (F_j.grad_x(z, x) + G_i.cross(z, x, v))
        calls += (2 * F_j.n_samples + G_i.n_samples
                  + sum(factor.n_samples for factor in factors))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


@pytest.mark.parametrize("K", [1, 5])
def test_full_batch_reaches_the_biased_fixed_point(quadratic, K):
    # K products are the first K + 1 terms of the series.
    z, x, _ = biased_fixed_point(
        quadratic, truncated_inverse(quadratic, 0.5, K + 1))
    solver = make_solver("StocBiO", quadratic, step_size=0.5,
                         outer_ratio=1.0, batch_size="full",
                         n_inner_steps=3, n_neumann_steps=K, eval_freq=1000)
    result = run_solver(solver, 1000)
    np.testing.assert_allclose(result["outer_var"], x, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result["inner_var"], z, rtol=0, atol=1e-10)
    # The bias can be told from rounding: the minimiser is elsewhere.
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2
    assert result["oracle_calls"] == 1000 * ((3 + K + 1) * 24 + 2 * 32)


def test_long_series_reaches_the_minimiser(quadratic):
    solver = make_solver("StocBiO", quadratic, step_size=1.0,
                         outer_ratio=2.0, batch_size="full",
                         n_inner_steps=10, n_neumann_steps=60, eval_freq=500)
    result = run_solver(solver, 500)
    np.testing.assert_allclose(
        result["outer_var"], quadratic.minimum[0], rtol=0, atol=1e-9)


def test_first_iteration_is_that_of_amigo(quadratic):
    # From v = 0, K + 1 gradient steps on v give the series of K products.
    results = [
        run_solver(make_solver(
            name, quadratic, step_size=0.4, outer_ratio=1.5,
            batch_size="full", n_inner_steps=6, eval_freq=1, **own), 1)
        for name, own in (("StocBiO", {"n_neumann_steps": 5}), ("AmIGO", {}))
    ]
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(
            results[0][key], results[1][key], rtol=1e-12)
