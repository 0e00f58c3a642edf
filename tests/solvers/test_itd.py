"""ITD: its gradient, its biased fixed point, and its cost."""
import numpy as np
from harness import SOLVERS, make_solver, run_solver
from numpy_fixed_points import unrolled_fixed_point

from benchmark_utils.reference import (
    implicit_gradient,
    metrics,
    solve_inner,
)

unrolled_gradient = SOLVERS["ITD"].advance.__globals__["unrolled_gradient"]


def gradient(problem, z, x, step_size, n_steps):
    G, F = problem.batches("full")
    trajectory = np.empty((n_steps + 1, z.size))
    trajectory[0] = z
    out = np.empty_like(x)
    unrolled_gradient(G, F, trajectory, x, step_size, out)
    return out


def value_after_descent(problem, z, x, step_size, n_steps):
    for _ in range(n_steps):
        z = z - step_size * problem.inner.grad_z(z, x)
    return problem.outer.value(z, x)


def test_few_steps_give_the_derivative_of_the_unrolled_value(logistic, rng):
    z, x = rng.standard_normal(6), rng.standard_normal(6)
    numerical = [
        (value_after_descent(logistic, z, x + e, 0.3, 4)
         - value_after_descent(logistic, z, x - e, 0.3, 4)) / 2e-5
        for e in 1e-5 * np.eye(6)]
    computed = gradient(logistic, z, x, 0.3, 4)
    error = np.linalg.norm(computed - numerical)
    assert error < 1e-6 * np.linalg.norm(numerical)


def test_many_steps_give_the_implicit_gradient(quadratic, logistic, rng):
    for problem in (quadratic, logistic):
        z, x = problem.inner_start, problem.outer_start
        z_star, factor = solve_inner(problem.inner, x, z)
        exact = implicit_gradient(problem, x, z_star, factor)
        computed = gradient(problem, z, x, 0.5, 2000)
        np.testing.assert_allclose(computed, exact, rtol=0, atol=1e-8)


def test_converges_to_the_truncated_fixed_point(quadratic):
    for n_steps in (1, 4):
        solver = make_solver("ITD", quadratic, step_size=0.5,
                             outer_ratio=1.0, n_inner_steps=n_steps,
                             eval_freq=1000)
        result = run_solver(solver, 2000)
        expected = unrolled_fixed_point(quadratic, 0.5, n_steps)
        assert np.linalg.norm(expected - quadratic.minimum[0]) > 1e-2
        np.testing.assert_allclose(result["outer_var"], expected, atol=1e-10)
        judged = metrics(quadratic, *list(result.values())[:2])
        assert judged["inner_distance"] < 1e-10


def test_no_truncation_reaches_the_minimiser(quadratic):
    solver = make_solver("ITD", quadratic, step_size=1.0, outer_ratio=2.0,
                         n_inner_steps=60, eval_freq=500)
    result = run_solver(solver, 500)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8


def test_two_iterations_match_the_formula(logistic):
    solver = make_solver("ITD", logistic, step_size=0.4, outer_ratio=0.5,
                         n_inner_steps=3, eval_freq=1)
    result = run_solver(solver, 2)

    G, F = logistic.inner, logistic.outer
    z, x = logistic.inner_start, logistic.outer_start
    for _ in range(2):
        path = [z]
        for _ in range(3):
            path.append(path[-1] - 0.4 * G.grad_z(path[-1], x))
        z = path[-1]
        a, e = F.grad_z(z, x), F.grad_x(z, x)
        for z_k in path[-2::-1]:
            e = e - 0.4 * G.cross(z_k, x, a)
            a = a - 0.4 * G.hessian(z_k, x) @ a
        x = x - 0.8 * e
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-10)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-10)
    # Gradient, cross and Hessian product a step; two outer gradients.
    assert result["oracle_calls"] == 2 * (3 * 3 * 200 + 2 * 150)
