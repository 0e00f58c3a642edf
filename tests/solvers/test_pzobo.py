"""PZOBO: difference quotients, cost, and the floor set by its noise."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_fixed_points import inner_solution, unrolled_fixed_point

from benchmark_utils.methods.sampling import make_sampler


def directions(solver, problem, shape):
    """The directions u that a run of ``solver`` draws."""
    rng = np.random.default_rng(solver._seed)
    make_sampler(1, rng), make_sampler(1, rng)
    return rng.standard_normal(shape)


def descended(problem, z, x, step_size, n_steps):
    for _ in range(n_steps):
        z = z - step_size * problem.inner.grad_z(z, x)
    return z


@pytest.mark.parametrize("mu", [1e-3, 1.0])
def test_quotients_are_exact_on_a_quadratic(quadratic, mu):
    # z_N(x) is affine: delta = J_N u whatever mu is.
    solver = make_solver("PZOBO", quadratic, step_size=0.6, outer_ratio=2.0,
                         mu=mu, n_directions=2, n_inner_steps=3, eval_freq=1)
    result = run_solver(solver, 1)

    J, _ = inner_solution(quadratic)
    shrink = np.eye(4) - 0.6 * quadratic.inner.mean_A
    J_N = J - np.linalg.matrix_power(shrink, 3) @ J
    x = quadratic.outer_start
    z = descended(quadratic, quadratic.inner_start, x, 0.6, 3)
    f1 = quadratic.outer.grad_z(z, x)
    u = directions(solver, quadratic, (2, 3))
    e = quadratic.outer.grad_x(z, x) + u.T @ (u @ J_N.T @ f1) / 2
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x - 0.3 * e, rtol=1e-9)


def test_two_iterations_match_the_formula(logistic):
    solver = make_solver("PZOBO", logistic, step_size=0.4, outer_ratio=0.5,
                         mu=0.1, n_directions=2, n_inner_steps=3,
                         eval_freq=1)
    result = run_solver(solver, 2)

    z, x = logistic.inner_start, logistic.outer_start
    for u in directions(solver, logistic, (2, 2, 6)):
        z_N = descended(logistic, z, x, 0.4, 3)
        f1 = logistic.outer.grad_z(z_N, x)
        e = logistic.outer.grad_x(z_N, x)
        for u_j in u:
            delta = descended(logistic, z, x + 0.1 * u_j, 0.4, 3) - z_N
            e = e + delta @ f1 / 0.1 * u_j / 2
        z, x = z_N, x - 0.8 * e
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-10)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-10)
    # Three steps from the last z at x and at two perturbed points.
    assert result["oracle_calls"] == 2 * (3 * 3 * 200 + 2 * 150)


def stationary_moments(problem, step_size, gamma, n_directions, n_steps):
    """Mean of x, and covariance of (z, x), where the iteration settles.

    One iteration maps s = (z, x, 1) to (P - gamma E M R) s, linear with
    M = (1/Q) sum u u' independent of s, E the embedding of x. From
    E[M B M] = B + (B + tr(B) I) / Q follow the second moments.
    """
    G, F = problem.inner, problem.outer
    p, d = problem.inner_dim, problem.outer_dim
    J, z_0 = inner_solution(problem)
    shrink = np.linalg.matrix_power(
        np.eye(p) - step_size * G.mean_A, n_steps)
    J_N = J - shrink @ J
    Z = np.hstack([shrink, J_N, (z_0 - shrink @ z_0)[:, None]])
    X = np.hstack([np.zeros((d, p)), np.eye(d), np.zeros((d, 1))])
    f1 = F.mean_A @ Z + F.mean_C.T @ X
    f1[:, -1] += F.mean_a
    f2 = F.mean_C @ Z + F.mean_B @ X
    f2[:, -1] += F.mean_b
    R = J_N.T @ f1
    mean_map = np.vstack([Z, X - gamma * (f2 + R), np.eye(p + d + 1)[-1:]])

    x = unrolled_fixed_point(problem, step_size, n_steps)
    s = np.concatenate([J @ x + z_0, x, [1.0]])
    second = np.outer(s, s)
    for _ in range(5000):
        B = R @ second @ R.T
        second = mean_map @ second @ mean_map.T
        second[p:p + d, p:p + d] += (
            gamma**2 * (B + np.trace(B) * np.eye(d)) / n_directions)
    return x, (second - np.outer(s, s))[:p + d, :p + d]


def test_settles_around_the_truncated_fixed_point(quadratic):
    p = quadratic.inner_dim
    solver = make_solver("PZOBO", quadratic, step_size=0.5, outer_ratio=2.0,
                         mu=1e-3, n_directions=4, n_inner_steps=3,
                         eval_freq=1)
    path = []

    def callback():
        path.append(solver.x.copy())
        return len(path) <= 40_000

    solver.run(callback)
    path = np.array(path[1000:])
    mean, covariance = stationary_moments(quadratic, 0.5, 0.25, 4, 3)
    # Standard errors from the means of long stretches.
    stretches = path[:39_000].reshape(39, 1000, -1).mean(1)
    error = stretches.std(0, ddof=1) / np.sqrt(len(stretches))
    assert np.all(np.abs(path.mean(0) - mean) < 4 * error)
    assert np.all(np.abs(mean - quadratic.minimum[0]).max() > 10 * error)
    np.testing.assert_allclose(
        path.var(0), np.diag(covariance)[p:], rtol=0.1)
