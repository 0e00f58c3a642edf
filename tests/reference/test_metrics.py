"""Metrics: closed forms, and a slow independent solve in high precision."""
import numpy as np
import pytest
from harness import make_problem
from mpmath_logistic import exact_logistic
from numpy.testing import assert_allclose
from scipy.differentiate import derivative

from benchmark_utils.functions.logistic import (
    LogisticRegression,
)
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import (
    InnerProblemError,
    implicit_gradient,
    metrics,
    solve_inner,
)


def test_quadratic_closed_form(quadratic, rng):
    G, F = quadratic.inner, quadratic.outer
    x, z = rng.standard_normal(3), rng.standard_normal(4)
    z_star = -np.linalg.inv(G.mean_A) @ (G.mean_C.T @ x + G.mean_a)
    J = -np.linalg.inv(G.mean_A) @ G.mean_C.T
    gradient = J.T @ F.grad_z(z_star, x) + F.grad_x(z_star, x)
    judged = metrics(quadratic, z, x)
    h = np.mean([
        z_star @ (0.5 * A @ z_star + a) + x @ (0.5 * B @ x + C @ z_star + b)
        for A, B, C, a, b in zip(F.A, F.B, F.C, F.a, F.b, strict=True)])
    assert_allclose(judged["value"], h, rtol=1e-12)
    assert_allclose(judged["grad_norm"], np.linalg.norm(gradient), rtol=1e-12)
    assert_allclose(judged["inner_distance"], np.linalg.norm(z - z_star),
                    rtol=1e-12)
    assert_allclose(judged["value_gap"], h - quadratic.minimum[1], rtol=1e-10)


def test_quadratic_minimum_is_one(quadratic, rng):
    x_star, h_min = quadratic.minimum
    at_minimum = metrics(quadratic, np.zeros(4), x_star)
    assert at_minimum["grad_norm"] < 1e-12
    assert abs(at_minimum["value_gap"]) < 1e-13 and (
        abs(at_minimum["value"] - h_min) < 1e-13)
    for _ in range(20):
        elsewhere = metrics(
            quadratic, np.zeros(4), x_star + 0.1 * rng.standard_normal(3))
        assert elsewhere["value_gap"] > 0


@pytest.mark.parametrize("log_penalties", [
    [-1.0, 0.5, -0.3, 0.1], [np.log(1e-8)] * 4, [-40.0, 3.0, -18.0, 0.0],
    [30.0, -18.0, 0.0, 40.0],
])
def test_metrics_match_high_precision(log_penalties, rng):
    """Also where penalties are 1e-8 and features nearly dependent."""
    x = np.array(log_penalties)
    X = rng.standard_normal((60, 4))
    X[:, 3] = X[:, 0] + 1e-3 * X[:, 3]
    y = np.where(X[:, 0] + rng.standard_normal(60) > 0, 1.0, -1.0)
    inner = LogisticRegression(X[:35], y[:35], "exponential")
    outer = LogisticRegression(X[35:], y[35:])
    problem = BilevelProblem(inner, outer, np.zeros(4), x)
    h, grad_norm = exact_logistic(inner, outer, x)
    for start in (np.zeros(4), rng.standard_normal(4), 100 * np.ones(4)):
        judged = metrics(problem, start, x)
        assert_allclose(judged["value"], h, rtol=1e-10)
        assert_allclose(judged["grad_norm"], grad_norm, rtol=1e-8)


@pytest.mark.parametrize("penalty", ["feature", "scalar"])
@pytest.mark.parametrize("parametrization", ["exponential", "linear"])
def test_implicit_gradient_is_the_derivative_of_h(parametrization, penalty,
                                                  rng):
    problem = make_problem(
        "simulated_logistic", n_train=200, n_validation=150, n_features=6,
        reg_parametrization=parametrization, penalty=penalty)
    x = problem.outer_start
    direction = rng.standard_normal(x.size)

    def h(step):
        z, _ = solve_inner(problem.inner, x + step * direction, np.zeros(6))
        return problem.outer.value(z, x)

    z_star, factor = solve_inner(problem.inner, x, np.zeros(6))
    slope = implicit_gradient(problem, x, z_star, factor) @ direction
    numerical = derivative(np.vectorize(h), 0.0, initial_step=0.01)
    assert_allclose(slope, numerical.df, rtol=1e-7)


def test_metrics_are_a_function_of_the_pair_alone(logistic, rng):
    z, x = rng.standard_normal(6), rng.standard_normal(6)
    first = metrics(logistic, z, x)
    metrics(logistic, 5 * z, -x)
    assert metrics(logistic, z, x) == first


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_divergence_is_nan(logistic, spoilt):
    x = logistic.outer_start.copy()
    x[0] = spoilt
    assert np.isnan(metrics(logistic, logistic.inner_start, x)["value"])
    z = logistic.inner_start.copy()
    z[0] = spoilt
    assert np.isnan(metrics(logistic, z, logistic.outer_start)["value"])


@pytest.mark.parametrize("x_k", [-800.0, 705.0, 1e4])
def test_penalties_beyond_the_range_of_exp(logistic, x_k):
    """e^x_k is 0 or infinite: h is what it tends to."""
    x = logistic.outer_start.copy()
    x[2] = x_k
    judged = metrics(logistic, logistic.inner_start, x)
    x[2] = np.clip(x_k, -700.0, 600.0)
    limit = metrics(logistic, logistic.inner_start, x)
    assert_allclose(judged["value"], limit["value"], rtol=1e-12)
    assert_allclose(judged["grad_norm"], limit["grad_norm"], rtol=1e-10)


def test_far_start(logistic):
    near = metrics(logistic, np.zeros(6), logistic.outer_start)
    for scale in (1e3, 1e10, 1e200):
        far = metrics(logistic, scale * np.ones(6), logistic.outer_start)
        assert_allclose(far["value"], near["value"], rtol=1e-13)


def test_no_minimiser_is_said():
    """Separable data without a penalty: the infimum is not attained."""
    X = np.array([[1.0], [2.0], [-1.0]])
    inner = LogisticRegression(X, np.array([1.0, 1.0, -1.0]), "linear")
    with pytest.raises(InnerProblemError):
        solve_inner(inner, np.zeros(1), np.zeros(1))
    problem = BilevelProblem(inner, inner, np.zeros(1), np.zeros(1))
    for _ in range(2):  # In each run, not once a process.
        with pytest.warns(RuntimeWarning, match="G decreases on and on"):
            judged = metrics(problem, np.zeros(1), np.zeros(1))
        assert np.isnan(judged["value"])
