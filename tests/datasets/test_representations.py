"""The dataset: its parts, its start, and what it refuses."""
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from benchmark_utils.functions.derivatives import check_problem
from benchmark_utils.problems import handwritten
from benchmark_utils.reference import implicit_gradient, metrics, solve_inner

NAME = "hyper_representation"
SMALL = {"n_hidden": 3, "n_train": 60, "n_validation": 50}


def reason(**parameters):
    dataset = DATASETS[NAME].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


def test_default_is_digits():
    problem = make_problem(NAME)
    assert problem.inner.n_samples == problem.outer.n_samples == 600
    assert problem.inner_dim == 10 * 17 and problem.outer_dim == 16 * 65
    # No image is in two parts.
    images = np.vstack([problem.inner.X, problem.outer.X])
    assert len(np.unique(images, axis=0)) == 1200
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert 0.05 < judged["test_error"] < 0.3
    assert judged["value"] < np.log(10)


def test_start_is_glorots():
    problem = make_problem(NAME, n_hidden=200)
    assert not np.any(problem.inner_start)
    weights = problem.outer_start.reshape(200, 65)
    assert not np.any(weights[:, -1])
    bound = np.sqrt(6 / (64 + 200))
    assert 0.999 * bound < np.max(np.abs(weights)) <= bound
    assert abs(weights[:, :-1].std() / (bound / np.sqrt(3)) - 1) < 0.02


def test_features_have_mean_zero_and_mean_variance_one():
    X = make_problem(NAME, **SMALL).inner.X
    assert np.array_equal(X[:, -1], np.ones(60))
    assert_allclose(X[:, :-1].mean(0), 0.0, atol=1e-12)
    assert_allclose(np.mean(X[:, :-1] ** 2), 1.0)


def test_penalties_are_where_they_belong():
    problem = make_problem(NAME, ridge=0.3, decay=0.2, **SMALL)
    assert (problem.inner.ridge, problem.inner.decay) == (0.3, 0.0)
    assert (problem.outer.ridge, problem.outer.decay) == (0.0, 0.2)


@pytest.mark.parametrize("activation", ["tanh", "linear"])
def test_regression(activation):
    problem = make_problem(
        NAME, data="regression", activation=activation, n_hidden=5,
        n_train=80, n_validation=70)
    assert problem.inner.squared and problem.outer.squared
    assert problem.inner_dim == 6 and problem.outer_dim == 5 * 21
    check_problem(problem)
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert set(problem.scores) == {"test_loss"}
    assert 0 < judged["test_loss"] < np.inf


def test_teacher_of_the_regression_is_within_reach():
    """A descent on h comes near to the noise."""
    problem = make_problem(NAME, data="regression", ridge=1e-4, decay=0.0)

    def h(x):
        z, solve = solve_inner(problem.inner, x, problem.inner_start)
        return (problem.outer.value(z, x),
                implicit_gradient(problem, x, z, solve))

    x = minimize(h, problem.outer_start, jac=True, method="L-BFGS-B",
                 options={"maxiter": 40}).x
    start, end = (metrics(problem, problem.inner_start, where)
                  for where in (problem.outer_start, x))
    assert end["test_loss"] < 0.1 * start["test_loss"]


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A local copy with fewer images."""
    monkeypatch.setattr(handwritten, "MNIST_N_TEST", 20)
    monkeypatch.setattr(handwritten, "MNIST_SHAPE", (200, 784))
    rng = np.random.default_rng(0)
    file = tmp_path / "mnist.npz"
    np.savez(file, X=rng.integers(256, size=(200, 784), dtype=np.uint8),
             y=rng.integers(10, size=200))
    monkeypatch.setattr(handwritten, "data_path", lambda key: file)
    return file


def test_mnist_from_a_local_copy(mnist):
    problem = make_problem(NAME, data="mnist", **SMALL)
    assert problem.inner.X.shape == (60, 785)
    assert problem.outer_dim == 3 * 785
    check_problem(problem)
    assert "n_train + n_validation=20050" in reason(
        data="mnist", n_validation=50)


def test_mnist_that_cannot_be_had(mnist, monkeypatch):
    mnist.unlink()

    def fail(*_, **__):
        raise RuntimeError("name resolution failed")

    monkeypatch.setattr(handwritten, "fetch_openml", fail)
    given = {"data": "mnist", **SMALL}
    assert f"{NAME}[data=mnist,download=True]" in reason(**given)
    assert "name resolution failed" in reason(download=True, **given)
    with pytest.raises(OSError, match="the download.*failed"):
        DATASETS[NAME].get_instance(download=True, **given).prepare()
    # Nothing to be fetched for others.
    DATASETS[NAME].get_instance(download=True).prepare()


@pytest.mark.parametrize("parameters, message", [
    ({"n_hidden": 0}, "n_hidden=0"), ({"n_hidden": -3}, "n_hidden=-3"),
    ({"n_hidden": 2.5}, "n_hidden=2.5"),
    ({"data": "cifar"}, "data='cifar'.*'digits', 'mnist', 'regression'"),
    ({"data": None}, "data=None"),
    ({"activation": "relu"}, "activation='relu'"),
    ({"ridge": 0.0}, "ridge=0.0.*> 0"), ({"ridge": -1.0}, "ridge=-1.0"),
    ({"decay": -1.0}, "decay=-1.0"), ({"decay": np.inf}, "decay=inf"),
    ({"n_train": 0}, "n_train=0"), ({"n_train": 1.5}, "n_train=1.5"),
    ({"n_validation": 1197}, "n_train . n_validation=1797.*test set"),
    ({"n_train": 10**9}, "n_train . n_validation=1000000600"),
    ({"data": "regression", "n_train": 0}, "n_train=0"),
    ({"data": "mnist", "n_train": 60_000}, "n_validation=65000.*60000"),
    ({"download": "yes"}, "download='yes'"),
])
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_problem(NAME, **parameters)


@pytest.mark.filterwarnings("ignore:h.x. is not defined")
def test_a_start_that_overflows_is_judged_as_diverged():
    problem = make_problem(NAME, **SMALL)
    for x in (np.full(problem.outer_dim, 1e300),
              np.full(problem.outer_dim, np.inf)):
        judged = metrics(problem, problem.inner_start, x)
        assert np.all(np.isnan(list(judged.values())))
