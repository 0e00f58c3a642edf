"""Whatever a dataset raises is the reason of its skip, and of nothing else."""
import re

import numpy as np
import pandas as pd
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, OBJECTIVE, copy_suite, run
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.problems import handwritten, libsvm


def get_data(dataset):
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()


def template(get_problem):
    """The template, with another problem."""
    cls = DATASETS["template"]
    dataset = type("Mine", (cls,), {"get_problem": get_problem})()
    dataset.save_parameters()
    return dataset


def raising(error):
    def get_problem(*_):
        raise error
    return get_problem


@pytest.mark.parametrize("get_problem, reason", [
    (raising(KeyError("labels")), "KeyError: 'labels'"),
    (raising(IndexError()), "IndexError"),
    (raising(RuntimeError("two\nlines")), "RuntimeError: two lines"),
    (raising(ImportError("no h5py")), "ImportError: no h5py"),
    (raising(RecursionError("too deep")), "RecursionError: too deep"),
    (lambda self: {}["y"], "KeyError: 'y'"),
    (lambda self: np.zeros(3).reshape(2), "ValueError: cannot reshape"),
    (lambda self: np.linalg.cholesky(-np.eye(2)), "LinAlgError: "),
    (lambda self: None, "TypeError: get_problem returned NoneType"),
    (lambda self: (1, 2), "TypeError: get_problem returned tuple"),
])
def test_what_does_not_explain_itself_has_a_traceback_in_the_log(
        get_problem, reason, caplog):
    data = get_data(template(get_problem))
    assert data["problem"] is None
    assert data["reason"].startswith(f"template: {reason}")
    assert OBJECTIVE.get_instance().skip(**data) == (True, data["reason"])
    record, = caplog.records
    assert record.exc_info and "template" in record.getMessage()


def check_fails(self):
    checks.positive_int("n_samples", 0)


@pytest.mark.parametrize("get_problem, reason", [
    (check_fails, "n_samples=0 is not valid"),
    (lambda self: open("/no/such/file"), "[Errno 2]"),
    (raising(OSError("cannot be had")), "cannot be had"),
    (raising(MemoryError()), "not enough memory"),
])
def test_what_explains_itself_is_one_line(get_problem, reason, caplog):
    data = get_data(template(get_problem))
    assert data["problem"] is None
    assert data["reason"].startswith(f"template: {reason}")
    assert not caplog.records


def test_an_interrupt_is_not_a_reason():
    with pytest.raises(KeyboardInterrupt):
        get_data(template(raising(KeyboardInterrupt())))


@pytest.mark.parametrize("y, message", [
    ([0, None], "labels such as None"),
    ([0.0, float("nan")], "NaN or infinite labels"),
    (np.array([0, 1.5, np.nan], dtype=object)[[0, 2]], "labels such as nan"),
    (["no", None], "labels such as None"),
    (pd.Series(["no", None]), "labels such as nan"),
    (np.array([1, pd.NA], dtype=object), "labels such as <NA>"),
    (np.ma.array([0, 1], mask=[0, 1]), "labels such as None"),
    (np.array(["a", 1], dtype=object), "numbers and strings"),
    ([{}, []], "makes no array|labels such as {}"),
    ([1j, 2j], "labels of type complex"),
    (np.array(["2001", "NaT"], dtype="M8[D]"), "labels of type datetime"),
    (np.array([{}, []], dtype=object), "labels such as {}"),
])
def test_labels_that_are_missing_or_strange(y, message):
    X = np.array([[1.0], [2.0]])
    with pytest.raises(ValueError, match=f"training y=.*({message})"):
        LogisticRegression(X, y, name="training")
    with pytest.raises(ValueError, match="training y="):
        MultinomialLogistic(X, y, 2, name="training")


@pytest.mark.parametrize("X, message", [
    ([["a"], ["b"]], "no numbers"), ([[1], [1, 2]], "no array"),
    ([[None], [1]], "NaN"), ([[{}], [1]], "no numbers"),
    (np.array([[1j], [2]]), "complex"), ([[1j], [2]], "complex"),
    (np.ma.array([[1], [2]], mask=[[0], [1]]), "1 NaN"),
    (sparse.csr_array(np.array([[1j], [2]])), "complex"),
])
def test_features_that_are_missing_or_strange(X, message):
    with pytest.raises(ValueError, match=f"training X=.*{message}"):
        LogisticRegression(X, [0, 1], name="training")
    if not sparse.issparse(X):
        with pytest.raises(ValueError, match=f"training X=.*{message}"):
            MultinomialLogistic(X, [0, 1], 2, name="training")


def test_labels_in_an_array_of_objects():
    for labels in ([1, 2.5], ["no", "yes"], [True, False]):
        _, y = checks.samples(
            "", [[1.0], [2.0]], np.array(labels, dtype=object))
        assert sorted(y) == [-1.0, 1.0]


def test_scale_of_rows_that_sum_to_zero(monkeypatch):
    """A start of equal entries is then in the null space."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5)) * (rng.random((60, 5)) < 0.5)
    X[:, 0] -= X.sum(1)
    scale = DATASETS["libsvm"].get_problem.__globals__["_scale"]
    expected = np.linalg.norm(X, 2) / np.sqrt(60)
    np.testing.assert_allclose(scale(sparse.csr_array(X)), expected)
    # Zeros that are stored are zeros.
    assert scale(sparse.csr_array((np.zeros(60), (range(60), [0] * 60)),
                                  shape=(60, 5))) == 1.0


BROKEN = '''
from scipy.io import loadmat
from benchmark_utils.problems.dataset import BilevelDataset


class Dataset(BilevelDataset):
    name = "broken"

    def get_problem(self):
        return {"X": None}["y"]
'''


FOREIGN = '''
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "foreign"

    def get_data(self):
        return {"X": 1, "y": 2}
'''


def test_the_run_goes_on(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    (suite / "datasets" / "broken.py").write_text(BROKEN)
    (suite / "datasets" / "foreign.py").write_text(FOREIGN)
    code, text = run(
        ["-m", "benchopt", "run", ".", "-s", "SOBA", "-n", "2", "--no-plot",
         "-d", "broken", "-d", "foreign", "-d",
         "quadratic[n_inner=64,n_outer=64]"], suite)
    assert code == 0, text
    assert "Reason: get_data has X, y, and no problem" in text
    assert "Reason: broken: KeyError: 'y'" in text
    assert len(re.findall("Traceback", text)) == 1 and '{"X": None}' in text
    assert "done" in text.partition("quadratic")[2], text


def test_a_dataset_that_asks_for_workers_leaves_those_of_the_run(tmp_path):
    """As scikit-learn's cross-validation does, in the midst of a run."""
    suite = copy_suite(tmp_path / "suite")
    code = (suite / "datasets" / "template_dataset.py").read_text()
    for old, new in {
            'name = "template"': 'name = "forks"',
            "    def get_problem(self):\n": (
                "    def get_problem(self):\n"
                "        from joblib import Parallel, delayed\n"
                "        Parallel()(delayed(abs)(k) for k in range(3))\n")
            }.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    (suite / "datasets" / "forks.py").write_text(code)
    status, text = run(
        ["-m", "benchopt", "run", ".", "-d", "forks", "-s", "SOBA", "-s",
         "SABA", "-n", "2", "-j", "2", "--no-plot"], suite)
    assert status == 0, text
    table = pd.read_parquet(next((suite / "outputs").glob("*.parquet")))
    assert table["solver_name"].nunique() == 2


@pytest.mark.parametrize("dataset, fixed, parameter, value", [
    ("ijcnn1", {}, "penalty", "class"),
    ("ijcnn1", {}, "reg_parametrization", "square"),
    ("libsvm", {"name": "a9a"}, "penalty", "class"),
    ("libsvm", {"name": "a9a"}, "reg_parametrization", "square"),
    ("libsvm", {"name": "sector"}, "penalty", "samples"),
    ("libsvm", {"name": "sector"}, "reg_parametrization", "linear"),
    ("libsvm", {"name": "a9a"}, "ratio", 1.5),
    ("libsvm", {}, "name", "a10a"),
    ("mnist", {}, "ratio", 1.0), ("mnist", {}, "ridge", 0.0),
    ("covtype", {}, "penalty", "weights"), ("covtype", {}, "n_test", 0),
    ("hyper_representation", {"data": "mnist"}, "activation", "relu"),
    ("hyper_representation", {"data": "mnist"}, "n_hidden", 0),
    ("hyper_representation", {"data": "mnist"}, "decay", -1.0),
    ("hyper_representation", {"data": "mnist"}, "n_train", 0),
])
def test_parameters_are_checked_before_data_is_had(
        dataset, fixed, parameter, value, monkeypatch, tmp_path):
    """Nobody waits for a download to be told of a typing error."""
    for home in ("LIBSVMDATA_HOME", "SCIKIT_LEARN_DATA"):
        monkeypatch.setenv(home, str(tmp_path))
    for module, name in (handwritten, "load_mnist"), (libsvm, "stored"):
        monkeypatch.setattr(module, name, raising(OSError("there is none")))
    reason = get_data(DATASETS[dataset].get_instance(
        **fixed, **{parameter: value}))["reason"]
    assert reason.startswith(f"{dataset}: {parameter}={value!r} is not valid")
