"""BOME: the formula, the flat gap, and the floor set by the step size."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_fixed_points import inner_solution, penalised_minimiser

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics


def multiplier(f, q, eta):
    return max(eta * q @ q - f @ q, 0.0) / (q @ q)


def test_three_iterations_match_the_formula(logistic):
    solver = make_solver("BOME", logistic, step_size=0.2, outer_ratio=0.5,
                         inner_step_size=0.7, eta=0.9, n_inner_steps=3,
                         eval_freq=1)
    result = run_solver(solver, 3)

    G, F = logistic.inner, logistic.outer
    z, x = logistic.inner_start, logistic.outer_start
    lmbdas = []
    for _ in range(3):
        z_K = z
        for _ in range(3):
            z_K = z_K - 0.7 * G.grad_z(z_K, x)
        q1, q2 = G.grad_z(z, x), G.grad_x(z, x) - G.grad_x(z_K, x)
        f1, f2 = F.grad_z(z, x), F.grad_x(z, x)
        lmbda = multiplier(np.concatenate([f1, f2]),
                           np.concatenate([q1, q2]), 0.9)
        z, x = z - 0.2 * (f1 + lmbda * q1), x - 0.4 * (f2 + lmbda * q2)
        lmbdas.append(lmbda)
    assert max(lmbdas) > 0
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-10)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-10)
    # Three inner steps, then g, g2 twice, f1 and f2.
    assert result["oracle_calls"] == 3 * ((3 + 3) * 200 + 2 * 150)


def test_no_multiplier_where_the_gap_is_exactly_flat(quadratic):
    # G = |z|^2 / 2 from z = 0: grad q is 0, and the step is one of F alone.
    n, p, d = 5, quadratic.inner_dim, quadratic.outer_dim
    inner = Quadratic(
        np.tile(np.eye(p), (n, 1, 1)), np.zeros((n, d, d)),
        np.zeros((n, d, p)), np.zeros((n, p)), np.zeros((n, d)))
    z, x = np.zeros(p), quadratic.outer_start
    problem = BilevelProblem(inner, quadratic.outer, z, x)
    solver = make_solver("BOME", problem, step_size=0.1, outer_ratio=0.5,
                         eval_freq=1)
    result = run_solver(solver, 1)
    F = quadratic.outer
    np.testing.assert_allclose(
        result["inner_var"], -0.1 * F.grad_z(z, x), rtol=1e-12)
    np.testing.assert_allclose(
        result["outer_var"], x - 0.2 * F.grad_x(z, x), rtol=1e-12)


@pytest.mark.parametrize("rho, ratio", [(0.1, 1.0), (0.01, 1.0),
                                        (0.01, 0.5)])
def test_settles_at_the_penalised_minimiser(quadratic, rho, ratio):
    # No point with grad q != 0 is fixed, as lambda = eta + lambda would
    # follow: lambda grows until a gradient step on F + lambda q overshoots,
    # and the iterates then alternate about the minimiser of F + lambda q.
    solver = make_solver("BOME", quadratic, step_size=rho, outer_ratio=ratio,
                         inner_step_size=1.0, n_inner_steps=40, eval_freq=1)
    points = []

    def callback():
        points.append((solver.z.copy(), solver.x.copy()))
        return len(points) <= 20_000

    solver.run(callback)

    G, F = quadratic.inner, quadratic.outer
    J, z_0 = inner_solution(quadratic)
    lmbdas = []
    for z, x in points[-2:]:
        q = np.concatenate([
            G.grad_z(z, x), G.grad_x(z, x) - G.grad_x(J @ x + z_0, x)])
        f = np.concatenate([F.grad_z(z, x), F.grad_x(z, x)])
        lmbdas.append(multiplier(f, q, 0.5))
    # It cannot overshoot before lambda times the largest curvature of q, in
    # the metric of the two step sizes, is 2.
    B = np.hstack([np.eye(4), -J])
    step_sizes = rho * np.array([1.0] * 4 + [1.0 / ratio] * 3)
    curvature = np.linalg.eigvals(
        step_sizes[:, None] * (B.T @ G.mean_A @ B)).real.max()
    assert 2.0 / curvature < np.mean(lmbdas) < 4.0 / curvature

    middle_z, middle_x = np.mean([z for z, _ in points[-2:]], 0), np.mean(
        [x for _, x in points[-2:]], 0)
    y, x = penalised_minimiser(quadratic, np.mean(lmbdas))
    bias = np.linalg.norm(x - quadratic.minimum[0])
    assert np.linalg.norm(middle_x - x) < 0.02 * bias
    assert np.linalg.norm(middle_z - y) < 0.02 * bias
    floor = metrics(quadratic, *penalised_minimiser(
        quadratic, 2.0 / curvature))["value_gap"]
    gap = metrics(quadratic, middle_z, middle_x)["value_gap"]
    assert 0.1 * floor < gap < floor
