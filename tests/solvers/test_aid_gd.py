"""AID-GD: one iteration by hand, and convergence."""
import numpy as np
from harness import make_solver, run_solver
from numpy.testing import assert_allclose

from benchmark_utils.reference import metrics


def test_iterations_match_the_formula(quadratic):
    """Two inner steps; the exact adjoint, which p steps of CG reach."""
    solver = make_solver(
        "AID-GD", quadratic, step_size=0.5, outer_ratio=2.0,
        n_inner_steps=2, n_cg_steps=8, eval_freq=1)
    result = run_solver(solver, 3)
    G, F = quadratic.inner, quadratic.outer
    z, x = quadratic.inner_start, quadratic.outer_start
    for _ in range(3):
        for _ in range(2):
            z = z - 0.5 * G.grad_z(z, x)
        v = -np.linalg.solve(G.mean_A, F.grad_z(z, x))
        x = x - 0.25 * (G.cross(z, x, v) + F.grad_x(z, x))
    assert_allclose(result["inner_var"], z, rtol=1e-9)
    assert_allclose(result["outer_var"], x, rtol=1e-9)


def test_oracle_calls(quadratic):
    """CG: one product for the residual of the warm start, one a step."""
    solver = make_solver("AID-GD", quadratic, n_inner_steps=3, n_cg_steps=2,
                         eval_freq=1)
    result = run_solver(solver, 4)
    inner, outer = (3 + (1 + 2) + 1) * 24, 2 * 32
    assert result["oracle_calls"] == 4 * (inner + outer)


def test_reaches_the_minimiser(quadratic):
    solver = make_solver("AID-GD", quadratic, n_inner_steps=5, n_cg_steps=3,
                         outer_ratio=2.0, eval_freq=100)
    result = run_solver(solver, 1000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-12
    assert judged["inner_distance"] < 1e-7
