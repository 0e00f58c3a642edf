"""ALSET: steps on given blocks, its bias, and its random length."""
import numpy as np
from harness import make_solver, run_solver
from numpy_neumann import (
    Replay,
    biased_fixed_point,
    check_random_length,
    product_series,
    truncated_inverse,
)

from benchmark_utils.methods.sampling import draw_below


def test_iterations_match_the_formulas(quadratic):
    solver = make_solver("ALSET", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size=10, n_inner_steps=2, n_neumann_steps=5,
                         eval_freq=6)
    result = run_solver(solver, 6)

    blocks = Replay(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    calls, lengths = 0, set()
    for t in range(6):
        rho = 0.3 * (t + 1) ** -0.5
        for _ in range(2):
            G_i = blocks.inner()
            calls += G_i.n_samples
            z = z - rho * G_i.grad_z(z, x)
        F_j = blocks.outer()
        q = draw_below(blocks.rng, 5)
        factors = [blocks.inner() for _ in range(q)]
        G_i = blocks.inner()
        # The step size of the series does not decrease.
        v = product_series(
            [factor.mean_A for factor in factors], F_j.grad_z(z, x), 0.3, 5)
        x = x - rho / 2.0 * (F_j.grad_x(z, x) + G_i.cross(z, x, v))
        calls += (2 * F_j.n_samples + G_i.n_samples
                  + sum(factor.n_samples for factor in factors))
        lengths.add(int(q))
    assert len(lengths) > 2
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_without_noise_reaches_the_biased_fixed_point(quadratic):
    # With K = 1 the length is 0, and nothing is random in full batch.
    z, x, slope = biased_fixed_point(
        quadratic, truncated_inverse(quadratic, 1.0, 1))
    n = 4000
    solver = make_solver("ALSET", quadratic, step_size=1.0, outer_ratio=1.0,
                         batch_size="full", n_inner_steps=3,
                         n_neumann_steps=1, eval_freq=n)
    # The slowest mode decays as exp(-rate * sum of the steps on x).
    rate = np.linalg.eigvals(slope).real.min()
    assert np.exp(-rate * (np.arange(1, n + 1) ** -0.5).sum()) < 1e-12
    result = run_solver(solver, n)
    np.testing.assert_allclose(result["outer_var"], x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result["inner_var"], z, rtol=0, atol=1e-9)
    # The bias can be told from rounding: the minimiser is elsewhere.
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2
    assert result["oracle_calls"] == n * (4 * 24 + 2 * 32)


def test_random_length_has_the_right_moments(quadratic):
    solver_parameters = dict(
        step_size=0.8, outer_ratio=2.0, batch_size="full", n_inner_steps=2,
        n_neumann_steps=3, eval_freq=400)

    def end(repetition):
        result = run_solver(make_solver(
            "ALSET", quadratic, repetition=repetition, **solver_parameters),
            400)
        return np.concatenate([result["inner_var"], result["outer_var"]])

    steps = [(0.8 * (t + 1) ** -0.5, 0.4 * (t + 1) ** -0.5, 2)
             for t in range(400)]
    check_random_length(quadratic, end, 0.8, 3, steps)


def test_first_iteration_with_one_inner_step_is_that_of_ttsa(quadratic):
    # The two differ in their schedules, which start alike.
    results = [
        run_solver(make_solver(
            name, quadratic, step_size=0.5, batch_size="full", eval_freq=1,
            outer_ratio=1.5, n_neumann_steps=1, **own), 1)
        for name, own in (("ALSET", {"n_inner_steps": 1}), ("TTSA", {}))
    ]
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(
            results[0][key], results[1][key], rtol=1e-12)
    assert results[0]["oracle_calls"] == results[1]["oracle_calls"]
