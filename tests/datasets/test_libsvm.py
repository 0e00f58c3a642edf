"""Any binary set of LIBSVM, on stand-ins: no data and no network needed."""
import numpy as np
import pytest
from harness import DATASETS, InOrder, make_problem, make_solver, run_solver
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmark_utils import reference
from benchmark_utils.functions.derivatives import check_function, check_problem
from benchmark_utils.functions.logistic import (
    PENALTIES,
    SparseLogisticRegression,
)
from benchmark_utils.functions.logistic.dense import REG_PARAMETRIZATIONS
from benchmark_utils.problems import libsvm
from benchmark_utils.reference import metrics


def samples(n, labels=(-1.0, 1.0)):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, 5))
    y = np.where(X[:, 0] + rng.standard_normal(n) > 0, labels[1], labels[0])
    X[3], X[:, 2] = 0.0, 1.0  # An empty row, a constant column.
    X[:, 4] = 0.0
    return X, y


@pytest.fixture
def fetched(monkeypatch):
    """What is stored of each name; tests may change it."""
    data = {"a9a": samples(80), "a9a_test": samples(40),
            "phishing": samples(100)}
    monkeypatch.setattr(libsvm, "stored", lambda name: [(name, 0), (name, 1)])
    monkeypatch.setattr(libsvm, "read", lambda file: data[file[0]][file[1]])

    class Pages:
        get = staticmethod(lambda name: data[name][0].shape)

    monkeypatch.setattr(libsvm, "SHAPES", Pages)
    return data


def reason(**parameters):
    return DATASETS["libsvm"].get_instance(**parameters).get_data()["reason"]


def test_with_its_own_test_set(fetched):
    problem = make_problem("libsvm", name="a9a")
    assert problem.inner.n_samples == 60 and problem.outer.n_samples == 20
    np.testing.assert_allclose(
        np.linalg.norm(problem.inner.rows, 2) ** 2 / 60, 1.0)
    check_problem(problem)


def test_without_a_test_set(fetched):
    problem = make_problem("libsvm", name="phishing", penalty="scalar")
    sizes = problem.inner.n_samples, problem.outer.n_samples
    assert sizes == (56, 19) and problem.outer_dim == 1
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert 0 < judged["test_error"] < 0.5
    again, other = (make_problem("libsvm", seed=seed, name="phishing")
                    for seed in (0, 1))
    assert np.array_equal(problem.inner.rows, again.inner.rows)
    assert not np.array_equal(problem.inner.rows, other.inner.rows)


@pytest.mark.parametrize("labels", [(0, 1), (1, 2), ("no", "yes")])
def test_labels_of_any_kind(fetched, labels):
    expected = make_problem("libsvm", name="phishing").inner.rows
    fetched["phishing"] = samples(100, labels)
    rows = make_problem("libsvm", name="phishing").inner.rows
    assert np.array_equal(rows, expected)


def test_sparse_data_stays_sparse(fetched):
    expected = make_problem("libsvm", name="phishing")
    X, y = fetched["phishing"]
    fetched["phishing"] = sparse.csc_matrix(X), y
    problem = make_problem("libsvm", name="phishing")
    assert sparse.issparse(problem.inner.rows)
    np.testing.assert_allclose(
        problem.inner.rows.toarray(), expected.inner.rows, rtol=1e-12)
    pair = expected.inner_start, expected.outer_start
    judged, dense = metrics(problem, *pair), metrics(expected, *pair)
    for name, value in dense.items():
        np.testing.assert_allclose(judged[name], value, rtol=1e-9)
    check_problem(problem)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([None, *REG_PARAMETRIZATIONS]),
       st.sampled_from(PENALTIES), st.integers(2, 60), st.integers(1, 8),
       st.integers(0, 2**32 - 1), st.data())
def test_sparse_derivatives(parametrization, penalty, n, p, seed, data):
    """Empty rows and columns among them."""
    rng = np.random.default_rng(seed)
    X = sparse.random(n, p, density=0.3, rng=rng, format="csr")
    f = SparseLogisticRegression(
        X, np.resize([-1, 1], n), parametrization, penalty=penalty)
    z, x = rng.standard_normal(p), rng.uniform(size=f.outer_dim)
    batch_size = data.draw(st.integers(max(1, n // 20), n) | st.just("full"))
    check_function(f, z, x, batch_size, rng)


def test_truncated_newton_with_penalties_far_apart(monkeypatch):
    """From e^-10 to e^20, as in runs that are about to diverge."""
    problem = make_problem("simulated_logistic", n_train=300, density=0.1,
                           n_validation=200, n_features=150)
    z, x = np.zeros(150), np.linspace(-10.0, 20.0, 150)
    exact = metrics(problem, z, x)
    _, hessian = problem.inner.grad_hessian(problem.inner_start, x)
    here = problem.inner.expand(problem.inner_start, x)
    np.testing.assert_allclose(
        here.diagonal(), np.diag(hessian), rtol=1e-12)

    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 0)
    # Without preconditioning it takes thousands.
    monkeypatch.setattr(reference.linear_systems, "MAX_STEPS", 150)
    truncated = metrics(problem, z, x)
    for name, value in exact.items():
        np.testing.assert_allclose(truncated[name], value, rtol=1e-7)


@pytest.mark.parametrize("solver, small", [
    ("SOBA", {"batch_size": 8, "eval_freq": 4}),
    # On batches it estimates less than on dense data: see
    # test_saba_linear_models.py.
    ("SABA", {"batch_size": "full", "eval_freq": 4}), ("L-BFGS", {})])
def test_solvers_on_sparse_data(solver, small):
    """The iterates are those on the same data, stored densely."""
    problem = make_problem(
        "simulated_logistic", n_train=60, n_validation=50, n_features=6)
    G, F = map(sparse_copy, (problem.inner, problem.outer))
    same = InOrder(G, F, problem.inner_start, problem.outer_start)
    dense, kept = (run_solver(make_solver(solver, p, **small), 8)
                   for p in (problem, same))
    np.testing.assert_allclose(
        kept["outer_var"], dense["outer_var"], rtol=1e-7)
    assert solver == "L-BFGS" or (
        kept["oracle_calls"] == dense["oracle_calls"])


def sparse_copy(f):
    """The same function, of sparse samples."""
    y = np.resize([-1.0, 1.0], f.n_samples)
    return SparseLogisticRegression(
        sparse.csr_array(f.rows * y[:, None]), y, f.reg_parametrization)


def test_test_error_is_that_of_the_test_set(fetched):
    problem = make_problem("libsvm", name="a9a")
    X, y = fetched["a9a_test"]
    for z in (np.eye(5)[0], -np.eye(5)[0]):
        assert problem.scores["test_error"](z, None) == np.mean(
            y * (X @ z) <= 0)


def test_no_name_is_a_reason_to_skip():
    assert "libsvm[name=a9a]" in reason()
    DATASETS["libsvm"].get_instance().prepare()


@pytest.mark.parametrize("name, message", [
    ("a9b", "name='a9b' is not valid.*a9a"), ("abalone", "name='abalone'"),
    (3, "name=3"),
])
def test_names_that_are_not_allowed(name, message):
    with pytest.raises(ValueError, match=message):
        make_problem("libsvm", name=name)


@pytest.mark.parametrize("parameter, value", [
    ("validation_size", 0), ("validation_size", 1.0), ("test_size", -0.1),
    ("test_size", "half"), ("test_size", 0.001), ("penalty", "row"),
    ("reg_parametrization", "none"),
])
def test_bad_parameters(fetched, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}={value!r}"):
        make_problem("libsvm", name="phishing", **{parameter: value})


def test_a_class_too_rare_to_be_split(fetched):
    X, y = fetched["phishing"]
    fetched["phishing"] = X, np.where(np.arange(100) < 1, 1.0, -1.0)
    with pytest.raises(ValueError, match="test_size=0.25.*'phishing'"):
        make_problem("libsvm", name="phishing")


@pytest.mark.parametrize("spoil, message", [
    (lambda X, y: (np.where(X == 0, np.nan, X), y), r"=phishing\] X=.*NaN"),
    (lambda X, y: (X, np.ones(100)), r"=phishing\] y=.*two classes"),
    (lambda X, y: (X, np.arange(100)), r"=phishing\] y=.*two classes"),
    (lambda X, y: (X[:9], y), r"=phishing\] shapes"),
])
def test_bad_data_is_named(fetched, spoil, message):
    fetched["phishing"] = spoil(*fetched["phishing"])
    with pytest.raises(ValueError, match=message):
        make_problem("libsvm", name="phishing")


def test_dense_sets_of_too_many_features(fetched):
    fetched["phishing"] = np.ones((100, 2001)), np.resize([0, 1], 100)
    with pytest.raises(ValueError, match="2001 features.*at most 2000"):
        make_problem("libsvm", name="phishing")
