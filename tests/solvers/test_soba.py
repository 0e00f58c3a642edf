"""SOBA: one step against the formula, and convergence in full batch."""
import numpy as np
from harness import make_solver, run_solver

from benchmark_utils.reference import metrics


def test_two_steps_match_the_formula(quadratic):
    solver = make_solver("SOBA", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size="full", eval_freq=1)
    result = run_solver(solver, 2)

    G, F = quadratic.inner, quadratic.outer
    z, x = quadratic.inner_start, quadratic.outer_start
    v = np.zeros_like(z)
    for t in range(2):
        rho = 0.3 / np.sqrt(t + 1)
        D_z = G.grad_z(z, x)
        D_v = G.hessian(z, x) @ v + F.grad_z(z, x)
        D_x = G.cross(z, x, v) + F.grad_x(z, x)
        z, v, x = z - rho * D_z, v - rho * D_v, x - rho / 2.0 * D_x
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    # Three inner and two outer derivatives of 24 and 32 samples, twice.
    assert result["oracle_calls"] == 2 * (3 * 24 + 2 * 32)


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("SOBA", quadratic, step_size=1.0, outer_ratio=2.0,
                         batch_size="full", eval_freq=1000)
    result = run_solver(solver, 10_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-4
