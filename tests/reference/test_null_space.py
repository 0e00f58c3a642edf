"""Metrics where penalties decide what samples do not see."""
import numpy as np
import pytest
from mpmath_logistic import exact_logistic
from numpy.testing import assert_allclose

from benchmark_utils import reference
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import (
    metrics,
)
from benchmark_utils.stopping import BudgetCriterion


def dependent(rng, change, parametrization, kind=LogisticRegression):
    """35 and 25 samples of 5 features; ``change`` alters their columns."""
    X = rng.standard_normal((60, 5))
    y = np.where(X[:, 0] + 0.5 * X[:, 1] + rng.standard_normal(60) > 0, 1, -1)
    train, validation = X[:35], X[35:]
    change(train, validation)
    return (kind(train, y[:35], parametrization),
            kind(validation, y[35:], None))


def repeat(*sets):
    for X in sets:
        X[:, 3] = X[:, 1]


def repeat_in_training(train, validation):
    repeat(train)


def sum_of_two(*sets):
    for X in sets:
        # Exact sums: of small multiples of a power of 2.
        X[:] = np.round(X * 64) / 64
        X[:, 3] = X[:, 1] + X[:, 2]


def zero_in_training(train, validation):
    train[:, 2] = 0.0


def two_pairs_in_training(train, validation):
    train[:, 3], train[:, 4] = train[:, 1], train[:, 2]


@pytest.mark.parametrize("kind, largest_exact", [
    (LogisticRegression, 2000), (SparseLogisticRegression, 2000),
    (LogisticRegression, 3), (SparseLogisticRegression, 3)])
@pytest.mark.parametrize("change, parametrization, x", [
    (repeat, "linear", [0.1, 0, 0.2, 0, 0.05]),
    (repeat, "linear", [0.1, 0, 0, 0, 0]),
    (sum_of_two, "linear", [0.1, 0, 0, 0, 0.05]),
    (zero_in_training, "linear", [0.1, 0, 0, 0.1, 0.05]),
    (zero_in_training, "exponential", [-1, -2, -90, -3, -2]),
    (repeat, "exponential", [-1, -40, -1, -42, -0.5]),
    (repeat_in_training, "exponential", [-1, -40, -1, -42, -0.5]),
    (repeat_in_training, "exponential", [-1, -40, -1, 2, -0.5]),
    (repeat_in_training, "exponential", [-1, -80, -1, -81, -0.5]),
    (two_pairs_in_training, "exponential", [-1, -50, -70, -51, -71]),
])
def test_directions_without_a_penalty(kind, largest_exact, change,
                                      parametrization, x, rng, monkeypatch):
    """The limit for x + t, t -> 0, whatever z is; or the true effect of e^x.

    A singular Hessian, or one that is singular within rounding.
    """
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", largest_exact)
    inner, outer = dependent(rng, change, parametrization, kind)
    x = np.array(x, dtype=float)
    problem = BilevelProblem(inner, outer, np.zeros(5), x)
    h, grad_norm = exact_logistic(inner, outer, x, digits=80)
    for start in (np.zeros(5), rng.standard_normal(5), 100 * np.ones(5)):
        judged = metrics(problem, start, x)
        assert_allclose(judged["value"], h, rtol=1e-9)
        assert_allclose(judged["grad_norm"], grad_norm, rtol=1e-8)


@pytest.mark.parametrize("log_penalties, rtol", [
    # Here the factor has digits of them: its rounding, of entries of 1, by
    # the smaller penalty, e^-17.
    ([-1.0, -15.0, -1.0, -17.0, -0.5], 1e-8),
    ([-1.0, -25.0, -1.0, -27.0, -0.5], 1e-10),
    ([-1.0, -500.0, -1.0, -501.0, -0.5], 1e-10),
    ([-1.0, -40.0, -12.0, -42.0, -11.0], 1e-10),
])
def test_small_penalties_where_samples_do_not_decide(
        log_penalties, rtol, rng):
    """To all digits, where Cholesky's factor has few, and where it has none.
    """
    inner, outer = dependent(rng, two_pairs_in_training, "exponential")
    x = np.array(log_penalties)
    h, grad_norm = exact_logistic(inner, outer, x, digits=250)
    problem = BilevelProblem(inner, outer, np.zeros(5), x)
    judged = metrics(problem, rng.standard_normal(5), x)
    assert_allclose(judged["value"], h, rtol=1e-12)
    assert_allclose(judged["grad_norm"], grad_norm, rtol=rtol)


@pytest.mark.parametrize("largest_exact", [2000, 3])
def test_where_h_jumps(largest_exact, rng, monkeypatch):
    """Equal columns in training only: h depends on the ratio of penalties."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", largest_exact)
    inner, outer = dependent(rng, repeat_in_training, "linear")
    x = np.array([0.1, 0.0, 0.2, 0.0, 0.05])
    problem = BilevelProblem(inner, outer, np.zeros(5), x)
    judged = metrics(problem, rng.standard_normal(5), x)
    assert_allclose(judged["value"], exact_logistic(inner, outer, x)[0],
                    rtol=1e-9)
    assert judged["grad_norm"] == np.inf

    def run(norms):
        return BudgetCriterion().check_convergence([
            {"objective_grad_norm": norm, "objective_value": 1.0, "time": 0.0,
             "p_obj_max_seconds": 1}
            for norm in norms])[0]

    assert not run([np.inf, np.inf]) and not run([np.inf, 1.0])
    assert not run([1.0, np.inf]) and run([1.0, 1e-13])


def test_one_penalty_of_dependent_features(rng):
    """Its derivative has a limit, though that of each feature has none."""
    X = rng.standard_normal((60, 5))
    y = np.where(X[:, 0] + rng.standard_normal(60) > 0, 1, -1)
    repeat(X[:35])
    inner = LogisticRegression(X[:35], y[:35], "linear", penalty="scalar")
    outer = LogisticRegression(X[35:], y[35:], penalty="scalar")
    problem = BilevelProblem(inner, outer, np.zeros(5), np.zeros(1))
    limit, near = (metrics(problem, np.zeros(5), np.array([x]))
                   for x in (0.0, 1e-8))
    assert_allclose(limit["value"], near["value"], rtol=1e-4)
    assert_allclose(limit["grad_norm"], near["grad_norm"], rtol=1e-4)


@pytest.mark.parametrize("largest_exact", [2000, 3])
@pytest.mark.parametrize("outer_variable", ["weights", "class", "feature"])
def test_softmax_without_a_penalty(outer_variable, largest_exact, rng,
                                   monkeypatch):
    """What all classes have in common does not matter, nor does z there."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", largest_exact)
    X, y = rng.standard_normal((60, 4)), rng.integers(3, size=60)
    X[:35, 2] = 0.0
    d = {"weights": 35, "class": 3, "feature": 4}[outer_variable]
    x = rng.standard_normal(d)
    if outer_variable != "weights":
        x -= 40.0
    judged = []
    for ridge in (0.0, 1e-8):
        inner = MultinomialLogistic(
            X[:35], y[:35], 3, outer_variable, ridge)
        outer = MultinomialLogistic(X[35:], y[35:], 3, outer_dim=d)
        problem = BilevelProblem(inner, outer, np.zeros(12), x)
        judged += [metrics(problem, z, x)
                   for z in (np.zeros(12), rng.standard_normal(12))]
    assert_allclose([m["value"] for m in judged[:2]], judged[2]["value"],
                    rtol=1e-6)
    assert_allclose([m["grad_norm"] for m in judged[:2]],
                    judged[2]["grad_norm"], rtol=1e-6, atol=1e-12)
    if outer_variable == "weights":
        assert_allclose(judged[0]["inner_distance"],
                        judged[2]["inner_distance"], rtol=1e-6)


def test_dependent_within_rounding_is_said(rng):
    """Columns that agree to eight digits, without a penalty."""
    inner, outer = dependent(rng, repeat, "linear")
    inner.rows[:, 3] *= 1 + 1e-8 * rng.standard_normal(35)
    problem = BilevelProblem(inner, outer, np.zeros(5), np.zeros(5))
    with pytest.warns(RuntimeWarning, match="singular within rounding"):
        judged = metrics(problem, np.zeros(5), np.zeros(5))
    assert np.isnan(judged["value"])


@pytest.mark.parametrize("log_penalty", [-20.0, -60.0])
def test_separable_samples_with_a_small_penalty(log_penalty, rng):
    """z*(x) is far away, where samples weigh as little as the penalty."""
    X = rng.standard_normal((30, 3))
    y = np.where(X[:, 0] > 0, 1, -1)
    inner = LogisticRegression(X[:15], y[:15], "exponential")
    outer = LogisticRegression(X[15:], y[15:])
    x = np.full(3, log_penalty)
    h, grad_norm = exact_logistic(inner, outer, x, digits=90)
    judged = metrics(
        BilevelProblem(inner, outer, np.zeros(3), x), np.zeros(3), x)
    assert_allclose(judged["value"], h, rtol=1e-10)
    assert_allclose(judged["grad_norm"], grad_norm, rtol=1e-6)


@pytest.mark.parametrize("kind", [LogisticRegression,
                                  SparseLogisticRegression])
def test_no_minimiser_of_many_variables(kind, rng, monkeypatch):
    """A small gradient is no minimum where the curvature is small too."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 3)
    X = rng.standard_normal((60, 5))
    y = np.where(X[:, 0] > 0, 1, -1)
    inner = kind(X[:35], y[:35], "linear")
    problem = BilevelProblem(
        inner, kind(X[35:], y[35:]), np.zeros(5), np.zeros(5))
    for x in (np.zeros(5), np.array([0.0, 0.1, 0.1, 0.1, 0.1])):
        with pytest.warns(RuntimeWarning, match="separated by features"):
            assert np.isnan(metrics(problem, np.zeros(5), x)["value"])
