"""Metrics: closed forms, and a slow independent solve in high precision."""
import mpmath
import numpy as np
import pytest
from harness import make_problem
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.differentiate import derivative
from threadpoolctl import threadpool_limits

from benchmark_utils import reference
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.problems.images import cleaning_problem
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import (
    InnerProblemError,
    exact,
    implicit_gradient,
    metrics,
    solve_inner,
)
from benchmark_utils.stopping import BudgetCriterion


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


def exact_logistic(inner, outer, x, digits=40, floor="1e-12"):
    """h(x) and the norm of its gradient by Newton's method in mpmath.

    Shares no code with the suite: samples, sums and the linear solves are
    written out. Linear penalties are x + floor; their slopes count as far as
    x may go down to 0.
    """
    with mpmath.workdps(digits):
        mp = mpmath.mpf
        n, p = inner.rows.shape
        rows, out_rows = (
            [[mp(float(a)) for a in row] for row in np.asarray(
                f.rows.toarray() if sparse.issparse(f.rows) else f.rows)]
            for f in (inner, outer))
        if inner.reg_parametrization == "exponential":
            r = slopes = [mpmath.exp(mp(float(x_k))) for x_k in x]
        else:
            r = [mp(float(x_k)) + mp(floor) for x_k in x]
            slopes = [mp(1)] * p

        def sigma(row, z):
            return 1 / (1 + mpmath.exp(mpmath.fdot(row, z)))

        z = [mp(0)] * p
        for _ in range(400):
            gradient = mpmath.matrix([r[k] * z[k] for k in range(p)])
            H = mpmath.diag(r)
            for row in rows:
                s = sigma(row, z)
                for k in range(p):
                    gradient[k] -= s * row[k] / n
                    for c in range(p):
                        H[k, c] += s * (1 - s) * row[k] * row[c] / n
            step = mpmath.lu_solve(H, gradient)
            decrement = mpmath.fdot(step, gradient)
            # Damped as for self-concordant functions; full at the end.
            length = 1 if decrement < mp("1e-3") else 1 / (
                1 + 3 * mpmath.sqrt(decrement))
            z = [z[k] - length * step[k] for k in range(p)]
            if decrement < mp(10) ** (-digits):
                break
        h, f1 = mp(0), mpmath.matrix([mp(0)] * p)
        for row in out_rows:
            s = sigma(row, z)
            h -= mpmath.log(1 - s) / len(out_rows)
            for k in range(p):
                f1[k] -= s * row[k] / len(out_rows)
        v = mpmath.lu_solve(H, -f1)
        gradient = [slopes[k] * z[k] * v[k] for k in range(p)]
        if inner.reg_parametrization == "linear":
            gradient = [min(gradient[k], mp(float(x[k]))) for k in range(p)]
        return float(h), float(mpmath.norm(gradient))


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


# What samples do not see, and penalties decide.

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


# Many variables.

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
