"""Multinomial logistic functions, and the metrics of their problems."""
import mpmath
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.differentiate import derivative
from sklearn.linear_model import LogisticRegression as SklearnLogistic

from benchmark_utils import reference
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.derivatives import check_function
from benchmark_utils.functions.multinomial import (
    OUTER_VARIABLES,
    MultinomialLogistic,
)
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import implicit_gradient, metrics, solve_inner


def random_function(rng, outer, n=30, p=4, K=3, ridge=0.1):
    return MultinomialLogistic(
        rng.standard_normal((n, p)), rng.integers(K, size=n), K, outer,
        ridge, outer_dim=5)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([None, *OUTER_VARIABLES]), st.integers(1, 150),
       st.integers(1, 9), st.integers(2, 7), st.floats(0, 1),
       st.integers(0, 2**32 - 1), st.data())
def test_derivatives(outer, n, p, K, ridge, seed, data):
    rng = np.random.default_rng(seed)
    f = random_function(rng, outer, n, p, K, ridge)
    batch_size = data.draw(st.integers(max(1, n // 20), n) | st.just("full"))
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("batch_size", [1, 7, 63, 64, 65, 128, 130, 200])
def test_batches_larger_than_a_chunk(batch_size, rng):
    f = random_function(rng, "weights", n=517)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 50.0, 1e3, 1e5])
@pytest.mark.parametrize("outer", ["weights", "class"])
def test_extreme_scores_and_weights(scale, outer, rng):
    """Derivatives stay finite and right where exp overflows."""
    f = random_function(rng, outer)
    z, v = scale * rng.standard_normal((2, f.inner_dim))
    x = rng.standard_normal(f.outer_dim) * min(scale, 200.0)
    G = f.batches(7)
    g, Hv = np.empty_like(z), np.empty_like(z)
    Cv, g2 = np.empty_like(x), np.empty_like(x)
    oracles.directions(G, FULL, z, x, v, g, Hv, Cv)
    oracles.grad_x(G, FULL, z, x, g2)
    for actual, expected in [
            (g, f.grad_z(z, x)), (Hv, f.hvp(z, x, v)),
            (Cv, f.cross(z, x, v)), (g2, f.grad_x(z, x)),
            (oracles.value(G, FULL, z, x), f.value(z, x))]:
        assert np.all(np.isfinite(expected))
        size = np.max(np.abs(expected))
        assert_allclose(actual, expected, rtol=1e-9, atol=1e-12 * size)


def test_nan_is_not_hidden(rng):
    f = random_function(rng, "weights")
    z, x = np.zeros(f.inner_dim), np.zeros(f.outer_dim)
    z[0], out = np.nan, np.zeros(f.inner_dim)
    oracles.grad_z(f.batches(7), FULL, z, x, out)
    assert np.all(np.isnan(out[:4]))


def test_a_batch_touches_the_weights_of_its_samples_only(rng):
    f = random_function(rng, "weights", n=30)
    z, v = rng.standard_normal((2, f.inner_dim))
    out = np.full(30, np.nan)
    oracles.cross(f.batches(8), 2, z, np.zeros(30), v, out)
    assert np.all(out[16:24] != 0)
    assert np.all(out[:16] == 0) and np.all(out[24:] == 0)


@pytest.mark.parametrize("ridge", [1.0, 0.01])
def test_scalar_penalty_against_scikit_learn(ridge, rng):
    """Another library's minimiser of the same inner problem."""
    f = random_function(rng, "scalar", n=80, p=5, K=4, ridge=0.0)
    z, _ = solve_inner(f, np.array([np.log(ridge)]), np.zeros(f.inner_dim))
    other = SklearnLogistic(
        C=1 / (ridge * f.n_samples), fit_intercept=False, tol=1e-12,
        max_iter=10_000).fit(f.X, f.y)
    assert_allclose(z.reshape(4, 5), other.coef_, atol=1e-5)


def exact(inner, outer, x, digits=40):
    """h(x) and |grad h(x)| for weights of samples, in mpmath.

    Shares no code with the suite: full Newton steps from 0, which converge
    for the small scores of this test, and derivatives written out.
    """
    with mpmath.workdps(digits):
        mp, exp = mpmath.mpf, mpmath.exp
        K, p, n = inner.n_classes, inner.n_features, inner.n_samples
        X = [[mp(float(a)) for a in row] for row in inner.X]
        w = [1 / (1 + exp(-mp(float(a)))) for a in x]

        def probabilities(row, z):
            e = [exp(mpmath.fdot(row, z[k * p:(k + 1) * p]))
                 for k in range(K)]
            return [a / sum(e) for a in e]

        def residual(row, label, z):
            """Gradient of a loss in z."""
            s = probabilities(row, z)
            return [(s[k] - (k == label)) * row[j]
                    for k in range(K) for j in range(p)]

        z = [mp(0)] * (K * p)
        for _ in range(60):
            g = mpmath.matrix([mp(inner.ridge) * a for a in z])
            H = mpmath.diag([mp(inner.ridge)] * (K * p))
            for i in range(n):
                s = probabilities(X[i], z)
                r = residual(X[i], inner.y[i], z)
                for a in range(K * p):
                    g[a] += w[i] * r[a] / n
                    for b in range(K * p):
                        k, c = a // p, b // p
                        H[a, b] += (w[i] / n * s[k] * ((k == c) - s[c])
                                    * X[i][a % p] * X[i][b % p])
            step = mpmath.lu_solve(H, g)
            z = [z[a] - step[a] for a in range(K * p)]
            if mpmath.norm(step) < mp(10) ** (5 - digits):
                break
        h, f1 = mp(0), mpmath.matrix([mp(0)] * (K * p))
        for row, label in zip(outer.X, outer.y, strict=True):
            row = [mp(float(a)) for a in row]
            h -= mpmath.log(probabilities(row, z)[label]) / len(outer.y)
            for a, r in enumerate(residual(row, label, z)):
                f1[a] += r / len(outer.y)
        v = mpmath.lu_solve(H, -f1)
        gradient = [
            w[i] * (1 - w[i]) / n
            * mpmath.fdot(residual(X[i], inner.y[i], z), v)
            for i in range(n)]
        return float(h), float(mpmath.norm(gradient))


def small_cleaning(rng, ridge=0.05):
    inner = MultinomialLogistic(
        rng.standard_normal((12, 2)), rng.integers(3, size=12), 3, "weights",
        ridge)
    outer = MultinomialLogistic(
        rng.standard_normal((9, 2)), rng.integers(3, size=9), 3,
        outer_dim=12)
    return BilevelProblem(inner, outer, np.zeros(6), rng.standard_normal(12))


@pytest.mark.parametrize("largest_exact", [reference.MAX_EXACT_DIM, 0])
def test_metrics_match_high_precision(largest_exact, rng, monkeypatch):
    """By the Cholesky factor, and by truncated Newton steps."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", largest_exact)
    problem = small_cleaning(rng)
    x = problem.outer_start
    h, grad_norm = exact(problem.inner, problem.outer, x)
    for start in (np.zeros(6), 10 * rng.standard_normal(6)):
        judged = metrics(problem, start, x)
        assert_allclose(judged["value"], h, rtol=1e-10)
        assert_allclose(judged["grad_norm"], grad_norm, rtol=1e-8)


def test_truncated_newton_agrees_with_the_factorisation(cleaning, rng,
                                                        monkeypatch):
    z = rng.standard_normal(cleaning.inner_dim)
    for x in (cleaning.outer_start, 5 * rng.standard_normal(50)):
        factorised = metrics(cleaning, z, x)
        with monkeypatch.context() as patch:
            patch.setattr(reference, "MAX_EXACT_DIM", 0)
            truncated = metrics(cleaning, z, x)
        for name, value in factorised.items():
            assert_allclose(truncated[name], value, rtol=1e-8, atol=1e-12)


def test_truncated_newton_without_a_minimiser(monkeypatch, rng):
    """No penalty: the Hessian is singular, and that is said."""
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 0)
    f = random_function(rng, "weights", n=3, ridge=0.0)
    problem = BilevelProblem(f, f, np.zeros(f.inner_dim), np.zeros(3))
    assert np.isnan(metrics(problem, problem.inner_start,
                            np.full(3, 3.0))["value"])


@pytest.mark.parametrize("outer", OUTER_VARIABLES)
def test_implicit_gradient_is_the_derivative_of_h(outer, rng):
    G = random_function(rng, outer, n=30)
    F = MultinomialLogistic(rng.standard_normal((20, 4)),
                            rng.integers(3, size=20), 3,
                            outer_dim=G.outer_dim)
    x, direction = rng.standard_normal((2, G.outer_dim))
    problem = BilevelProblem(G, F, np.zeros(12), x)

    def h(step):
        z, _ = solve_inner(G, x + step * direction, np.zeros(12))
        return F.value(z, x)

    slope = implicit_gradient(
        problem, x, *solve_inner(G, x, np.zeros(12))) @ direction
    numerical = derivative(np.vectorize(h), 0.0, initial_step=0.1)
    assert_allclose(slope, numerical.df, rtol=1e-7)


def test_scores_of_hyper_cleaning(cleaning):
    judged = metrics(cleaning, cleaning.inner_start, cleaning.outer_start)
    assert 0 < judged["test_error"] < 0.5 and judged["weights_auc"] == 0.5
    x = cleaning.outer_start.copy()
    x[0] = np.nan
    assert np.isnan(metrics(cleaning, cleaning.inner_start, x)["test_error"])


def test_learning_finds_the_wrong_labels():
    problem = make_problem("digits", n_train=200, n_validation=400)
    solver = make_solver("SABA", problem)
    result = run_solver(solver, 20 * solver.eval_freq)
    pair = result["inner_var"], result["outer_var"]
    end = metrics(problem, *pair)
    start = metrics(problem, problem.inner_start, problem.outer_start)
    assert end["weights_auc"] > 0.9
    assert end["test_error"] < start["test_error"]


@pytest.mark.parametrize("X, y, n_classes, message", [
    ([[1.0], [np.nan]], [0, 1], 2, "training X=.*1 NaN"),
    ([[1.0], [2.0]], [0, 2], 2, r"training y=.*\[0, 2\].*from 0 to 1"),
    ([[1.0], [2.0]], [-1, 1], 2, "training y=.*-1"),
    ([[1.0], [2.0]], [0.0, 1.0], 2, "training y"),
    ([[1.0], [2.0]], ["a", "b"], 2, "training y"),
    ([[1.0], [2.0]], [0, 0], 1, "n_classes=1"),
    ([[1.0]], [0, 1], 2, "training shapes"),
])
def test_bad_data_is_named(X, y, n_classes, message):
    with pytest.raises(ValueError, match=message):
        MultinomialLogistic(np.array(X), np.array(y), n_classes,
                            name="training")


def test_unknown_outer_variable():
    with pytest.raises(ValueError, match="outer='rows'"):
        MultinomialLogistic(np.eye(2), np.arange(2), 2, "rows")


def test_a_class_without_samples_is_allowed(rng):
    f = MultinomialLogistic(rng.standard_normal((9, 2)), np.zeros(9, int), 3,
                            "class", 0.1)
    check_function(f, np.zeros(6), np.zeros(3), 4, rng)
