"""Multinomial logistic functions, and the problems made of them."""
import mpmath
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem, make_solver, run_solver
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.differentiate import derivative
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.metrics import roc_auc_score

from benchmark_utils import reference
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.derivatives import check_function, check_problem
from benchmark_utils.functions.multinomial import (
    OUTER_VARIABLES,
    MultinomialLogistic,
)
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.images import scale_features
from benchmark_utils.problems.multiclass import corrupt
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


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.7, 0.9])
def test_corruption_has_the_promised_ratio(ratio):
    y = np.resize(np.arange(10), 20_000)
    changed = corrupt(y, ratio, 10, np.random.default_rng(0)) != y
    assert abs(changed.mean() - 0.9 * ratio) < 0.01


def test_digits_split_and_seeds():
    first, again, other = (
        make_problem("digits", seed=seed) for seed in (0, 0, 1))
    assert first.inner.X.shape == (600, 65) and first.inner_dim == 650
    assert first.outer_dim == 600 and first.outer.n_samples == 600
    assert np.array_equal(first.inner.y, again.inner.y)
    assert not np.array_equal(first.inner.y, other.inner.y)
    # No image is in two parts.
    images = np.vstack([first.inner.X, first.outer.X])
    assert len(np.unique(images, axis=0)) == 1200


def test_validation_labels_are_right_and_auc_is_that_of_wrong_ones():
    dirty, clean = (
        make_problem("digits", ratio=ratio) for ratio in (0.5, 0.0))
    assert np.array_equal(dirty.inner.X, clean.inner.X)
    assert np.array_equal(dirty.outer.y, clean.outer.y)
    x = np.random.default_rng(0).standard_normal(600)
    assert dirty.scores["weights_auc"](None, x) == roc_auc_score(
        dirty.inner.y == clean.inner.y, x)
    # Nothing to detect: there is no such curve.
    assert set(clean.scores) == {"test_error"}


def test_scale_of_features(rng):
    train, other = rng.standard_normal((2, 50, 4)) + 3.0
    train[:, 2] = 7.0
    X, Y = scale_features(train, other)
    assert_allclose(np.linalg.norm(X, 2) ** 2 / 50, 1.0)
    # One and the same map for all.
    assert_allclose((Y - X)[:, [0, 1, 3]] / (other - train)[:, [0, 1, 3]],
                    X[0, 0] / (train[0, 0] - train[:, 0].mean()))
    X, = scale_features(np.full((5, 2), 3.0))
    assert np.array_equal(X, np.resize([0.0, 0.0, 1.0], (5, 3)))


@pytest.mark.parametrize("parameter, value", [
    ("ratio", 1.0), ("ratio", -0.1), ("ratio", "half"), ("ridge", 0.0),
    ("ridge", np.nan), ("n_train", 0), ("n_validation", 2.5),
])
def test_bad_parameters_of_digits(parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}={value!r}.*"):
        make_problem("digits", **{parameter: value})


def test_digits_keeps_a_test_set():
    with pytest.raises(ValueError, match="n_train . n_validation=1797"):
        make_problem("digits", n_train=1000, n_validation=797)


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


# Data that cannot be had here: the datasets on stand-ins of their shape.
def reason(name, **parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A local copy with fewer images."""
    module = DATASETS["mnist"].get_problem.__globals__
    for size, n in {"N_TRAIN": 40, "N_VALIDATION": 30}.items():
        monkeypatch.setitem(module, size, n)
    monkeypatch.setattr(handwritten, "MNIST_N_TEST", 20)
    monkeypatch.setattr(handwritten, "MNIST_SHAPE", (100, 784))
    rng = np.random.default_rng(0)
    file = tmp_path / "mnist.npz"
    np.savez(file, X=rng.integers(256, size=(100, 784), dtype=np.uint8),
             y=rng.integers(10, size=100))
    monkeypatch.setattr(handwritten, "data_path", lambda key: file)
    return file


def test_mnist_from_a_local_copy(mnist):
    problem = make_problem("mnist")
    assert problem.inner.X.shape == (40, 785)
    assert problem.outer.n_samples == 30
    check_problem(problem)


def test_mnist_damaged_or_of_a_wrong_shape(mnist):
    mnist.write_bytes(mnist.read_bytes()[:1000])
    assert f"{mnist} is damaged" in reason("mnist")
    np.savez(mnist, X=np.zeros((100, 3)), y=np.zeros(100))
    assert "shapes (100, 3)" in reason("mnist")


def test_mnist_of_openml_has_labels_as_strings(mnist, monkeypatch):
    with np.load(mnist) as arrays:
        X, y = arrays["X"], arrays["y"].astype(str).astype(object)
    mnist.unlink()
    monkeypatch.setattr(handwritten, "fetch_openml", lambda *_, **__: (X, y))
    assert make_problem("mnist", download=True).inner.y.dtype == np.int64


@pytest.mark.parametrize("name, fetcher", [
    ("mnist", "fetch_openml"), ("covtype", "fetch_covtype")])
def test_no_data_and_no_network(name, fetcher, tmp_path, monkeypatch):
    """Skipped with a reason, and nothing raised."""
    def fail(*_, download_if_missing=True, **__):
        raise RuntimeError("name resolution failed" if download_if_missing
                           else "no data")

    if name == "mnist":
        monkeypatch.setattr(handwritten, fetcher, fail)
        monkeypatch.setattr(
            handwritten, "data_path", lambda key: tmp_path / "no")
    else:
        monkeypatch.setitem(
            DATASETS[name].get_problem.__globals__, fetcher, fail)
        monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    assert f"{name}[download=True]" in reason(name)
    assert "name resolution failed" in reason(name, download=True)
    with pytest.raises(OSError, match="the download.*failed"):
        DATASETS[name].get_instance(download=True).prepare()
    assert "download='yes'" in reason(name, download="yes")


@pytest.fixture
def covtype(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6)) * [1e3, 1.0, 0.01, 1.0, 1.0, 0.0]
    y = rng.integers(1, 8, size=200, dtype=np.int32)
    module = DATASETS["covtype"].get_problem.__globals__
    monkeypatch.setitem(module, "fetch_covtype", lambda **_: (X, y))


@pytest.mark.parametrize("penalty, d", [
    ("class", 7), ("feature", 7), ("scalar", 1)])
def test_covtype(covtype, penalty, d):
    problem = make_problem(
        "covtype", penalty=penalty, n_train=80, n_validation=60, n_test=50)
    assert problem.outer_dim == d and problem.inner_dim == 7 * 7
    check_problem(problem)
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert np.isfinite(judged["value"]) and 0 < judged["test_error"] < 1


@pytest.mark.parametrize("parameters, message", [
    ({"penalty": "sample"}, "penalty='sample'"), ({"n_test": 0}, "n_test=0"),
    ({"n_train": 190}, r"n_train \+ n_validation \+ n_test="),
])
def test_bad_parameters_of_covtype(covtype, parameters, message):
    sizes = {"n_train": 80, "n_validation": 60, "n_test": 50}
    with pytest.raises(ValueError, match=message):
        make_problem("covtype", **{**sizes, **parameters})
