"""Metrics of inner problems of many variables."""
import numpy as np
import pytest
from harness import make_problem
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits

from benchmark_utils import reference
from benchmark_utils.functions.logistic import (
    LogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.problems.images import cleaning_problem
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import (
    exact,
    metrics,
    solve_inner,
)


def images(rng, n=400, p=110, n_classes=10):
    """Data hyper-cleaning of p = 1 110.

    The variances of features fall off as those of images, and some features
    are 0 in all training samples.
    """
    X = rng.standard_normal((2 * n, p)) * np.linspace(1, 0.05, p)**3
    X = X @ np.linalg.qr(rng.standard_normal((p, p)))[0]
    X[:n, :7] = 0.0
    y = np.argmax(X @ rng.standard_normal((p, n_classes)), axis=1)
    train, validation, test = (
        (X[rows], y[rows]) for rows in (
            slice(0, n), slice(n, -50), slice(-50, None)))
    return cleaning_problem(
        train, validation, test, 0.5, 0.01, n_classes, rng)


def few_in_many(rng):
    """Sparse samples; some features occur in validation only."""
    problem = make_problem(
        "simulated_logistic", n_train=300, n_validation=200,
        n_features=1100, density=0.01)
    assert np.any(problem.inner.second_moments == 0)
    return problem


@pytest.mark.parametrize("make, scale", [
    (images, 0.0), (images, 1.0), (images, 20.0),
    (few_in_many, 0.0), (few_in_many, 3.0)])
def test_many_variables(make, scale, rng, monkeypatch):
    """As by the factor, from any start, and to the same bits again."""
    problem = make(rng)
    x = problem.outer_start + scale * rng.standard_normal(problem.outer_dim)
    zero = np.zeros(problem.inner_dim)
    right = metrics(problem, zero, x)
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 1000)
    for z in (zero, rng.standard_normal(problem.inner_dim)):
        judged = metrics(problem, z, x)
        with threadpool_limits(limits=2):
            assert metrics(problem, z, x) == judged
        for name in ("value", "grad_norm"):
            assert_allclose(judged[name], right[name], rtol=2e-9)
    z_star, solve = solve_inner(problem.inner, x, zero)
    slope = np.linalg.norm(problem.inner.grad_z(z_star, x))
    assert slope <= 1e-10 * np.linalg.norm(problem.inner.grad_z(zero, x))
    b = problem.outer.grad_z(z_star, x)
    residual = np.linalg.norm(problem.inner.hvp(z_star, x, solve(b)) - b)
    assert residual <= 1.1e-10 * np.linalg.norm(b)


def test_few_reads_of_the_samples(rng, monkeypatch):
    """What makes evaluations of images cheap, counted and not timed."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 1000)
    problem = images(rng)
    x = rng.standard_normal(problem.outer_dim)
    metrics(problem, problem.inner_start, x)
    reads = {"single": 0, "double": 0}
    combine = MultinomialLogistic._combine

    def count(self, v, change, rough=False):
        if self is problem.inner:
            reads["single" if rough else "double"] += 1
        return combine(self, v, change, rough)

    monkeypatch.setattr(MultinomialLogistic, "_combine", count)
    metrics(problem, problem.inner_start, x)
    # 81 to 95 products of double precision, by the diagonal alone.
    assert reads["double"] <= 5 and reads["single"] <= 35


def test_where_single_precision_is_not_enough(rng, monkeypatch):
    """Features that nearly depend on each other, with small penalties."""
    X = rng.standard_normal((200, 40))
    X[:, 20:] = X[:, :20] + 1e-5 * X[:, 20:]
    y = np.where(X[:, 0] + rng.standard_normal(200) > 0, 1, -1)
    inner = LogisticRegression(X[:120], y[:120], "exponential")
    outer = LogisticRegression(X[120:], y[120:])
    x = rng.uniform(-17.0, -14.0, size=40)
    problem = BilevelProblem(inner, outer, np.zeros(40), x)
    right = metrics(problem, np.zeros(40), x)
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 3)
    judged = metrics(problem, np.zeros(40), x)
    assert_allclose(judged["value"], right["value"], rtol=1e-6)


def test_a_long_step_that_increases_G_is_not_taken(rng):
    """Penalties from e^-36 to e^36: the decrement is small, the step is not.
    """
    problem = make_problem("simulated_logistic", n_train=200, density=0.01,
                           n_validation=50, n_features=1000)
    x = problem.outer_start + 12 * np.random.default_rng(1).standard_normal(
        1000)
    zero = np.zeros(1000)
    z, _ = solve_inner(problem.inner, x, zero)
    slope = np.linalg.norm(problem.inner.grad_z(z, x))
    assert slope <= 1e-12 * np.linalg.norm(problem.inner.grad_z(zero, x))


def test_a_kept_factor_changes_nothing(rng, monkeypatch):
    """Newton's steps by an earlier Hessian end at the same point."""
    problem = make_problem("digits", n_train=150, n_validation=100)
    x = rng.standard_normal(problem.outer_dim)
    z = rng.standard_normal(problem.inner_dim)
    kept = metrics(problem, z, x)
    monkeypatch.setattr(exact, "_MIN_KEPT_DIM", np.inf)
    for name, value in metrics(problem, z, x).items():
        assert_allclose(kept[name], value, rtol=1e-11)
