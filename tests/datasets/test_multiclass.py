"""Sets of several classes: simulated ones, and stand-ins of LIBSVM's."""
import numpy as np
import pytest
from harness import DATASETS, make_problem
from libsvmdata.core import ALL_DATASETS
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.functions.derivatives import check_problem
from benchmark_utils.functions.multinomial import OUTER_VARIABLES
from benchmark_utils.problems import libsvm
from benchmark_utils.reference import metrics


def reason(name, /, **parameters):
    return DATASETS[name].get_instance(**parameters).get_data()["reason"]


def samples(n, classes=(1.0, 2.0, 3.0), kind=sparse.csc_array):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, 6)) * (rng.uniform(size=(n, 6)) < 0.4)
    y = np.argmax(X[:, :len(classes)] + rng.standard_normal(
        (n, len(classes))), axis=1)
    X[3], X[:, 4] = 0.0, 0.0  # An empty row, an empty column.
    return kind(X), np.array(classes)[y]


@pytest.fixture
def stored(monkeypatch):
    """What is stored of each name; tests may change it."""
    data = {"sector": samples(80), "sector_test": samples(40),
            "aloi": samples(100)}
    monkeypatch.setattr(libsvm, "stored", lambda name: [(name, 0), (name, 1)])
    monkeypatch.setattr(libsvm, "read", lambda file: data[file[0]][file[1]])
    monkeypatch.setattr(libsvm, "SHAPES", {
        "sector": (80, 6), "sector_test": (40, 6), "aloi": (100, 6)})
    return data


@pytest.mark.parametrize("penalty", OUTER_VARIABLES)
def test_with_its_own_test_set(stored, penalty):
    problem = make_problem("libsvm", name="sector", penalty=penalty)
    assert problem.inner.n_samples == 60 and problem.outer.n_samples == 20
    assert problem.test.n_samples == 40 and problem.inner_dim == 3 * 6
    assert problem.outer_dim == {
        "weights": 60, "class": 3, "feature": 6, "scalar": 1}[penalty]
    assert sparse.issparse(problem.inner.X)
    assert ("weights_auc" in problem.scores) == (penalty == "weights")
    check_problem(problem)
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert 0 < judged["test_error"] < 0.7


def test_scale_is_that_of_the_training_data(stored):
    f = make_problem("libsvm", name="sector").inner
    np.testing.assert_allclose(
        np.linalg.norm(f.X.toarray(), 2) ** 2 / f.n_samples, 1.0)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_dense_or_sparse(stored, kind):
    expected = make_problem("libsvm", name="aloi")
    X, y = stored["aloi"]
    stored["aloi"] = kind(X.toarray()), y
    problem = make_problem("libsvm", name="aloi")
    z = np.random.default_rng(0).standard_normal(18)
    np.testing.assert_allclose(
        problem.inner.value(z, problem.outer_start),
        expected.inner.value(z, expected.outer_start), rtol=1e-12)


@pytest.mark.parametrize("classes", [
    (0.0, 1.0, 2.0), (0, 1, 2), (-1, 5, 7), ("a", "b", "c"),
    np.array([1, 2, 3], np.uint8)])
def test_labels_of_any_kind(stored, classes):
    expected = make_problem("libsvm", name="aloi")
    stored["aloi"] = samples(100, classes)
    problem = make_problem("libsvm", name="aloi")
    assert np.array_equal(problem.inner.y, expected.inner.y)
    assert problem.inner.n_classes == 3


def test_ratio_and_ridge_are_for_weights_of_samples(stored):
    clean = make_problem("libsvm", name="aloi", penalty="class", ratio=0.9)
    dirty = make_problem("libsvm", name="aloi", penalty="weights", ratio=0.9,
                         ridge=0.2)
    assert clean.inner.ridge == 0.0 and dirty.inner.ridge == 0.2
    assert np.mean(clean.inner.y != dirty.inner.y) > 0.3
    assert np.array_equal(clean.outer.y, dirty.outer.y)


def test_classes_of_the_test_set_alone(stored):
    X, y = stored["sector_test"]
    stored["sector_test"] = X, np.where(np.arange(40) < 5, 9.0, y)
    problem = make_problem("libsvm", name="sector")
    assert problem.inner.n_classes == problem.test.n_classes == 4
    assert not np.any(problem.inner.y == 3)
    check_problem(problem)


def test_a_class_of_one_sample_is_for_training(stored):
    X, y = stored["aloi"]
    stored["aloi"] = X, np.where(np.arange(100) < 2, np.arange(100) + 8.0, y)
    problem = make_problem("libsvm", name="aloi")
    assert np.bincount(problem.inner.y, minlength=5)[3:].tolist() == [1, 1]
    assert problem.inner.n_classes == problem.outer.n_classes == 5
    check_problem(problem)


def test_one_sample_a_class(stored):
    stored["aloi"] = stored["aloi"][0], np.arange(100)
    with pytest.raises(ValueError, match="test_size=0.25.*name='aloi'"):
        make_problem("libsvm", name="aloi")


def test_more_classes_than_samples_set_aside(stored):
    stored["aloi"] = stored["aloi"][0], np.arange(100) // 2
    with pytest.raises(ValueError, match="test_size=0.25.*name='aloi'"):
        make_problem("libsvm", name="aloi")


def test_a_test_set_of_fewer_features(stored):
    X, y = stored["sector_test"]
    stored["sector_test"] = X[:, :4], y
    assert make_problem("libsvm", name="sector").test.n_features == 6
    stored["sector_test"] = X[:, :4].toarray(), y
    with pytest.raises(ValueError, match="name='sector_test'.*4 features"):
        make_problem("libsvm", name="sector")


def test_a_set_that_is_stored_too_wide(stored):
    """As libsvmdata has usps."""
    X, y = stored["aloi"]
    wide = sparse.hstack([X, sparse.csc_array((100, 50))], format="csc")
    stored["aloi"] = wide, y
    assert make_problem("libsvm", name="aloi").inner.n_features == 6
    wide = sparse.hstack([X, X], format="csc")
    stored["aloi"] = wide, y
    with pytest.raises(ValueError, match="name='aloi'.*12 features"):
        make_problem("libsvm", name="aloi")


@pytest.mark.parametrize("y, message", [
    (np.where(np.arange(100) == 7, 0.5, 1.0), r"=aloi\] y='labels such as 0.5"
     "'.*integers"),
    (np.full(100, np.nan), r"=aloi\] y=.*NaN"),
    (np.zeros(100), "n_classes=1"),
    (np.zeros(90), r"=aloi\] shapes"),
    (np.zeros((100, 2)), r"=aloi\] shapes"),
])
def test_bad_labels_are_named(stored, y, message):
    stored["aloi"] = stored["aloi"][0], y
    with pytest.raises(ValueError, match=message):
        make_problem("libsvm", name="aloi")


def test_labels_and_test_labels_of_two_kinds(stored):
    X, y = stored["sector_test"]
    stored["sector_test"] = X, y.astype(str)
    with pytest.raises(ValueError, match="name='sector'.*numbers and strings"):
        make_problem("libsvm", name="sector")


@pytest.mark.parametrize("parameter, value", [
    ("penalty", "row"), ("reg_parametrization", "linear"), ("ridge", 0.0),
    ("ratio", 1.0), ("ridge", "none"), ("validation_size", 0),
])
def test_bad_parameters(stored, parameter, value):
    parameters = {"penalty": "weights", parameter: value}
    with pytest.raises(ValueError, match=f"{parameter}={value!r}"):
        make_problem("libsvm", name="aloi", **parameters)


def test_more_classes_and_features_than_fit_in_memory(stored, monkeypatch):
    class Machine:
        total = 256 * 17

    monkeypatch.setattr(checks.psutil, "virtual_memory", Machine)
    assert "n_classes=3 is not valid for the 6 features of name='aloi'" in (
        reason("libsvm", name="aloi"))


def test_a_name_without_its_ending():
    assert "news20.multiclass" in reason("libsvm", name="news20")


def test_the_page_of_every_set():
    """libsvmdata agrees on features, but for usps, which it has wrong."""
    for name, entry in ALL_DATASETS.items():
        if entry.task_name == "multiclass":
            n, p = libsvm.SHAPES[name]
            assert n > 0 and (entry.n_features == p
                              or name.startswith("usps"))


@pytest.mark.parametrize("penalty, d", [
    ("feature", 4), ("class", 3), ("scalar", 1), ("weights", 60)])
@pytest.mark.parametrize("density", [1.0, 0.5])
def test_simulated(penalty, d, density):
    problem = make_problem(
        "simulated_multinomial", n_train=60, n_validation=50, n_features=4,
        n_classes=3, density=density, penalty=penalty, label_noise=0.3)
    assert problem.inner_dim == 12 and problem.outer_dim == d
    assert sparse.issparse(problem.inner.X) == (density < 1)
    check_problem(problem)
    judged = metrics(problem, problem.inner_start, problem.outer_start)
    assert np.all(np.isfinite(list(judged.values())))


def test_simulated_label_noise_is_in_training_labels():
    clean, dirty = (make_problem(
        "simulated_multinomial", n_train=1000, n_validation=100, n_classes=4,
        label_noise=noise) for noise in (0.0, 0.4))
    changed = np.mean(clean.inner.y != dirty.inner.y)
    assert abs(changed - 0.4 * 0.75) < 0.05
    assert np.array_equal(clean.outer.y, dirty.outer.y)
    assert np.array_equal(clean.inner.X, dirty.inner.X)


@pytest.mark.parametrize("parameter, value", [
    ("n_train", 0), ("n_features", 2.5), ("n_classes", 1), ("density", 0),
    ("density", 1.5), ("noise", -1.0), ("label_noise", 1.0),
    ("penalty", "row"), ("ridge", -1.0), ("n_classes", 10**8),
])
def test_bad_parameters_of_simulated(parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}={value!r}"):
        make_problem("simulated_multinomial", **{parameter: value})


def test_classes_without_samples():
    problem = make_problem(
        "simulated_multinomial", n_train=20, n_validation=10, n_features=3,
        n_classes=2000)
    assert len(np.unique(problem.inner.y)) <= 20
    check_problem(problem)
