"""What libsvmdata stores: downloads, wrong files and files of others."""
import bz2

import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem
from libsvmdata import abstraction
from libsvmdata.core import ALL_DATASETS
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

from benchmark_utils.problems import libsvm

N_TRAIN, N_TEST, N_FEATURES = 80, 40, 123


def samples(n, n_features=N_FEATURES, density=0.1):
    """Sparse samples, none of which has the features that are left."""
    rng = np.random.default_rng(n)
    X = sparse.random_array((n, n_features), density=density, rng=rng,
                            format="csr")
    X.data = np.round(X.data, 3)  # As in a text, without loss.
    return X, np.resize([-1.0, 1.0], n)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder of libsvmdata, for sets that are smaller here."""
    for name, n in {"a9a": N_TRAIN, "a9a_test": N_TEST, "w3a": 12,
                    "w3a_test": 10}.items():
        p = libsvm.SHAPES[name][1]
        monkeypatch.setitem(libsvm.SHAPES, name, (n, p))
    for entry in ALL_DATASETS.values():
        monkeypatch.setattr(entry, "dataset_dir", tmp_path / "libsvm")
    return tmp_path / "libsvm"


def store(home, name, X, y):
    home.mkdir(exist_ok=True)
    if sparse.issparse(X):
        sparse.save_npz(home / f"{name}_X.npz", X.tocsc())
    else:
        np.save(home / f"{name}_X.npy", X)
    np.save(home / f"{name}_y.npy", y)


@pytest.fixture
def network(monkeypatch):
    """What each address gives; tests may add to it. Addresses are noted."""
    files, visited = {}, []

    def download(url, path, **options):
        visited.append(url.rpartition("/")[2])
        path.write_bytes(b"half of it")
        if visited[-1] not in files:
            raise OSError("name resolution failed")
        X, y = files[visited[-1]]
        dump_svmlight_file(sparse.csr_matrix(X), y, str(path),
                           zero_based=False)
        if path.suffix == ".bz2":
            path.write_bytes(bz2.compress(path.read_bytes()))

    monkeypatch.setattr(abstraction, "download", download)
    files["visited"] = visited
    return files


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def reason(dataset="libsvm", **parameters):
    dataset = DATASETS[dataset].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


def test_what_has_arrived_is_stored_once(home, network):
    network["a9a"], network["a9a.t"] = samples(N_TRAIN), samples(N_TEST)
    first = make_problem("libsvm", name="a9a")
    assert sorted(contents(home)) == [
        "a9a_X.npz", "a9a_test_X.npz", "a9a_test_y.npy", "a9a_y.npy"]
    again = make_problem("libsvm", name="a9a")
    assert network["visited"] == ["a9a", "a9a.t"]
    assert np.array_equal(first.inner.rows.data, again.inner.rows.data)


# Names that libsvmdata 0.5 takes for those of a9a, and its raw file.
NEIGHBOURS = ["old_a9a_X.npz", "a9a_XXnpy", "a9a_y.npy.orig", "a9a", "a9a.t",
              "a9a_notes.txt", "a9a_X"]


def test_a_download_that_fails_changes_nothing(home, network):
    store(home, "a9a", *samples(N_TRAIN))
    (home / "a9a_y.npy").unlink()
    for name in NEIGHBOURS:
        (home / name).write_text(f"a file of the user's: {name}")
    before = contents(home)
    said = reason(name="a9a")
    assert f"no a9a in {home}" in said and "name resolution failed" in said
    assert "LIBSVMDATA_HOME" in said and "benchopt prepare" in said
    with pytest.raises(OSError, match="the download failed"):
        DATASETS["libsvm"].get_instance(name="a9a").prepare()
    assert contents(home) == before


def test_a_download_adds_what_is_missing_alone(home, network):
    store(home, "a9a", *samples(N_TRAIN))
    (home / "a9a_y.npy").unlink()
    for name in NEIGHBOURS:
        (home / name).write_text(f"a file of the user's: {name}")
    before = contents(home)
    network["a9a"], network["a9a.t"] = samples(N_TRAIN), samples(N_TEST)
    make_problem("libsvm", name="a9a")
    after = contents(home)
    assert after.keys() - before.keys() == {
        "a9a_y.npy", "a9a_test_X.npz", "a9a_test_y.npy"}
    assert all(after[name] == before[name] for name in before)


@pytest.mark.parametrize("spoil", [
    lambda X, y: (2.0 * X, y), lambda X, y: (X[::-1], y),
    lambda X, y: (X[:70], y)])
def test_a_file_in_the_way_is_not_overwritten(home, network, spoil):
    store(home, "a9a", *spoil(*samples(N_TRAIN)))
    (home / "a9a_y.npy").unlink()
    before = contents(home)
    network["a9a"] = samples(N_TRAIN)
    assert "a9a_X.npz is not what LIBSVM distributes: move it away" in reason(
        name="a9a")
    assert contents(home) == before


def test_a_download_cut_short_leaves_nothing(home, network, monkeypatch):
    network["w1a"] = samples(12, 300)
    monkeypatch.setattr(
        libsvm.ALL_DATASETS["w3a"], "_load_file_and_save_data",
        lambda *paths: (_ for _ in ()).throw(EOFError("ended too early")))
    assert "ended too early" in reason(name="w3a")
    assert contents(home) == {}


def test_ijcnn1_keeps_its_features_where_labels_are_missing(
        home, network, monkeypatch):
    """Offline, libsvmdata would remove them."""
    module = DATASETS["ijcnn1"].get_problem.__globals__
    monkeypatch.setitem(module, "data_path", lambda key: home / "no")
    home.mkdir()
    np.save(home / "ijcnn1_X.npy", np.eye(3))
    before = contents(home)
    assert "name resolution failed" in reason("ijcnn1")
    assert contents(home) == before


@pytest.mark.parametrize("name", ["w3a", "w4a", "w5a", "w6a"])
def test_the_file_of_another_set_is_refused(home, network, name):
    """libsvmdata 0.5 has the address of w1a for these."""
    entry = ALL_DATASETS[name]
    network[entry.dataset_file] = samples(24, 300)
    said = reason(name=name)
    assert f"name='{name}' is not valid: {entry.dataset_url}" in said
    assert "has 24 samples of 300 features" in said
    assert f"says {libsvm.SHAPES[name][0]} of 300" in said
    assert contents(home) == {}
    # Stored by libsvmdata itself, before this suite looked at it.
    store(home, name, *samples(24, 300))
    assert f"{home}/{name}_X.npz has 24 samples" in reason(name=name)


@pytest.mark.parametrize("n, n_test", [(N_TRAIN, 39), (81, N_TEST)])
def test_numbers_of_samples_are_those_of_the_page(home, network, n, n_test):
    store(home, "a9a", *samples(n))
    store(home, "a9a_test", *samples(n_test))
    name = "a9a" if n != N_TRAIN else "a9a_test"
    assert f"name={name!r} is not valid" in reason(name="a9a")


@pytest.mark.parametrize("p, p_test", [(123, 122), (119, 123), (110, 100)])
def test_last_features_that_no_sample_has_are_zeros(
        home, network, p, p_test):
    """As LIBSVM's format loses them."""
    X, y = samples(N_TRAIN, p)
    X_test, y_test = samples(N_TEST, p_test)
    store(home, "a9a", X, y)
    store(home, "a9a_test", X_test, y_test)
    problem = make_problem("libsvm", name="a9a")
    assert problem.inner_dim == problem.test.inner_dim == N_FEATURES
    z = np.random.default_rng(0).standard_normal(N_FEATURES)
    expected = np.mean(y_test * (X_test @ z[:p_test]) <= 0)
    assert problem.scores["test_error"](z, None) == expected


@pytest.mark.parametrize("wrong", ["a9a", "a9a_test"])
def test_more_features_than_the_page_has(home, network, wrong):
    sizes = {"a9a": (N_TRAIN, 123), "a9a_test": (N_TEST, 123)}
    sizes[wrong] = (sizes[wrong][0], 124)
    for name, (n, p) in sizes.items():
        store(home, name, *samples(n, p))
    said = reason(name="a9a")
    assert f"name={wrong!r}" in said and "of 124 features" in said
    assert "of 123" in said


def test_fewer_features_of_dense_data_are_refused(home, network):
    """Dense data has no features that were left out."""
    for name, n, p in (("a9a", N_TRAIN, 123), ("a9a_test", N_TEST, 122)):
        X, y = samples(n, p)
        store(home, name, X.toarray(), y)
    assert "name='a9a_test'" in reason(name="a9a")


def test_a_damaged_file_is_named(home, network):
    store(home, "a9a", *samples(N_TRAIN))
    store(home, "a9a_test", *samples(N_TEST))
    file = home / "a9a_test_X.npz"
    file.write_bytes(file.read_bytes()[:200])
    assert f"{file} is damaged" in reason(name="a9a")
    assert network["visited"] == []


def test_every_set_has_a_page():
    known = {name for name, entry in ALL_DATASETS.items()
             if entry.task_name == "binary"}
    # LIBSVM has no w9a.
    assert known - set(libsvm.SHAPES) == {"w9a", "w9a_test"}
    for name in known & set(libsvm.SHAPES):
        assert libsvm.SHAPES[name][1] == ALL_DATASETS[name].n_features
    # Training and test sets of these are two parts of one set.
    for letter, whole, last in (("a", "a9a", 8), ("w", "w8a", 7)):
        for k in range(1, last + 1):
            n = libsvm.SHAPES[f"{letter}{k}a"][0]
            n_test = libsvm.SHAPES[f"{letter}{k}a_test"][0]
            assert n + n_test == libsvm.SHAPES[whole][0]
