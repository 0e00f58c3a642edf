"""AmIGO: steps on given blocks, convergence, and AID-GD as its limit."""
import numpy as np
from harness import make_solver, run_solver
from numpy_neumann import Replay

from benchmark_utils.reference import metrics


def test_iterations_match_the_formulas(quadratic):
    solver = make_solver("AmIGO", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size=10, n_inner_steps=3, eval_freq=3)
    result = run_solver(solver, 3)

    blocks = Replay(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    v = np.zeros_like(z)
    calls = 0
    for _ in range(3):
        for _ in range(3):
            G_i = blocks.inner()
            calls += G_i.n_samples
            z = z - 0.3 * G_i.grad_z(z, x)
        F_j = blocks.outer()
        f1, f2 = F_j.grad_z(z, x), F_j.grad_x(z, x)
        calls += 2 * F_j.n_samples
        # Onwards from the last v.
        for _ in range(3):
            G_i = blocks.inner()
            calls += G_i.n_samples
            v = v - 0.3 * (G_i.mean_A @ v + f1)
        G_i = blocks.inner()
        calls += G_i.n_samples
        x = x - 0.15 * (f2 + G_i.cross(z, x, v))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("AmIGO", quadratic, step_size=1.0, outer_ratio=2.0,
                         batch_size="full", n_inner_steps=2, eval_freq=1000)
    result = run_solver(solver, 1000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-8
    # Two steps on z and on v, one cross derivative; two gradients of F.
    assert result["oracle_calls"] == 1000 * (5 * 24 + 2 * 32)


def test_many_steps_are_aid_with_exact_solutions(quadratic):
    # Both levels solved to rounding error: what is left is gradient descent
    # on h, the same for both.
    results = [
        run_solver(make_solver(
            name, quadratic, step_size=1.0, outer_ratio=2.0,
            n_inner_steps=200, eval_freq=1, **own), 5)
        for name, own in (("AmIGO", {"batch_size": "full"}),
                          ("AID-GD", {"n_cg_steps": 20}))
    ]
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(
            results[0][key], results[1][key], rtol=0, atol=1e-8)
    # Far from its end, where two methods would agree anyway.
    x = results[0]["outer_var"]
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2
