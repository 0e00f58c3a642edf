"""Datasets with a multinomial model: digits, MNIST and covtype."""
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from benchmark_utils.functions.derivatives import check_problem
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.images import scale_features
from benchmark_utils.problems.multiclass import corrupt
from benchmark_utils.reference import metrics


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
