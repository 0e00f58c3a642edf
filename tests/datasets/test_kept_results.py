"""What was read is part of the key of a result that benchopt keeps."""
import pickle
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, copy_suite, make_problem, run

from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.problems import handwritten, libsvm
from benchmark_utils.problems.digest import digest
from benchmark_utils.problems.problem import BilevelProblem


def read(dataset, seed=0):
    """Read the data; return the key of what benchopt would keep of it."""
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=seed)
    assert dataset.get_data()["reason"] is None
    return joblib.hash(dataset)


def key(dataset, **parameters):
    return read(DATASETS[dataset].get_instance(**parameters))


def logistic(seed=0):
    rng = np.random.default_rng(seed)
    return LogisticRegression(rng.standard_normal((9, 3)), np.arange(9) < 4)


def problem(seed=0, inner=None, outer=None, start=0.0, test=0, score=0.0):
    """A problem of which each argument changes something."""
    weights = np.full(3, score)
    return BilevelProblem(
        logistic(seed if inner is None else inner), outer or logistic(7),
        np.zeros(3), np.full(3, start), test=logistic(test),
        scores={"of a closure": lambda z, x: z @ weights})


def test_digest_sees_each_part_of_a_problem():
    reference = digest(problem())
    assert digest(problem()) == reference
    others = [problem(seed=1), problem(start=1.0), problem(test=1),
              problem(score=1.0), problem(inner=2)]
    outer = logistic(7)
    outer.rows[4, 1] = np.nextafter(outer.rows[4, 1], 9.0)
    others.append(problem(outer=outer))
    assert len({reference, *map(digest, others)}) == 7


def first_entry(z, x, weights=None):
    return weights[0]


def test_digest_sees_what_scores_refer_to():
    keys = set()
    for value in (0.0, 1.0):
        weights = np.full(3, value)
        for score in (
                partial(first_entry, weights=weights),
                lambda z, x, weights=weights: weights[0],
                pd.Series(weights).iloc.__getitem__):
            made = problem()
            made.scores["another"] = score
            assert digest(made) == digest(made)
            keys.add(digest(made))
    assert len(keys) == 6


def test_digest_sees_what_a_score_takes_from_the_dataset():
    keys = []
    for seed in (0, 0, 1):
        dataset = DATASETS["template"].get_instance()
        dataset.kept = logistic(seed)
        made = problem()
        made.scores["mine"] = (
            lambda z, x, dataset=dataset: dataset.kept.error(z))
        keys.append(digest(made))
    assert keys[0] == keys[1] != keys[2]


def test_what_has_no_digest_is_not_kept(caplog):
    dataset = DATASETS["template"].get_instance()
    made = make_problem("template")
    made.file = open(__file__)  # noqa: SIM115
    dataset.get_problem = lambda: made
    keys = {read(dataset), joblib.hash(dataset), joblib.hash(dataset)}
    made.file.close()
    assert len(keys) == 3
    assert "template[n_samples=300] will not be kept" in caplog.text


def test_a_worker_that_cannot_read_does_not_skip():
    """benchopt would keep the skip as the result of that run."""
    dataset = DATASETS["template"].get_instance()
    read(dataset)
    copy = pickle.loads(pickle.dumps(dataset))
    copy.get_problem = lambda: open("/no/such/file")
    with pytest.raises(FileNotFoundError):
        copy.get_data()


def test_another_file_is_another_key_of_libsvm(monkeypatch, tmp_path):
    def store(seed):
        rng = np.random.default_rng(seed)
        np.save(tmp_path / "phishing_X.npy", rng.standard_normal((40, 5)))
        np.save(tmp_path / "phishing_y.npy", np.resize([0, 1], 40))

    monkeypatch.setattr(
        libsvm, "stored", lambda name: libsvm.files_in(tmp_path, name))
    monkeypatch.setitem(libsvm.SHAPES, "phishing", (40, 5))
    keys = []
    for seed in (0, 1, 0):
        store(seed)
        keys.append(key("libsvm", name="phishing"))
    assert keys[0] == keys[2] != keys[1]


def test_another_file_is_another_key_of_mnist(monkeypatch, tmp_path):
    module = DATASETS["mnist"].get_problem.__globals__
    for size in ("N_TRAIN", "N_VALIDATION"):
        monkeypatch.setitem(module, size, 20)
    for name, value in [("data_path", lambda key: tmp_path / "m.npz"),
                        ("MNIST_SHAPE", (60, 4)), ("MNIST_N_TEST", 20)]:
        monkeypatch.setattr(handwritten, name, value)
    X = np.random.default_rng(0).integers(256, size=(60, 4))
    y = np.arange(60) % 10
    keys = []
    # The training set, and the test set.
    for change in (None, 3, 57, None):
        new = X.copy()
        if change:
            new[change] += 1
        np.savez(tmp_path / "m.npz", X=new, y=y)
        keys.append(key("mnist"))
    assert keys[0] == keys[3] and len(set(keys)) == 3


MINE = '''
from pathlib import Path

import numpy as np
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.problems.problem import BilevelProblem

FILE = Path(__file__).with_name("mine.npy")


class Dataset(BilevelDataset):
    name = "mine"

    def prepare(self):
        print("prepared indeed")

    def get_problem(self):
        X = np.load(FILE)
        y = np.arange(len(X)) % 2
        return BilevelProblem(
            LogisticRegression(X, y, "exponential"),
            LogisticRegression(X[::-1], y), np.zeros(3), np.zeros(3),
            test=LogisticRegression(X, y))
'''


def test_runs_on_files_that_are_replaced(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    (suite / "datasets" / "mine.py").write_text(MINE)

    def value(seed, *options):
        X = np.random.default_rng(seed).standard_normal((80, 3))
        np.save(suite / "datasets" / "mine.npy", X)
        code, text = run(["-m", "benchopt", "run", ".", "-s", "SOBA", "-n",
                          "3", "--no-plot", "-d", "mine", "--output", "table",
                          *options], suite)
        assert code == 0, text
        table = pd.read_parquet(suite / "outputs" / "table.parquet")
        (suite / "outputs" / "table.parquet").unlink()
        return sorted(table["objective_value"]), "(cached)" in text

    first, cached = value(0, "-j", "2", "-r", "2")
    assert not cached
    # What workers have kept is found by a run without any.
    assert value(0, "-r", "2") == (first, True)
    other, cached = value(1, "-r", "2")
    assert not cached and other != first
    assert value(0, "-r", "2") == (first, True)


def test_imports_that_are_edited_are_run_again(tmp_path):
    """A module beside the suite, and a package that is installed in place."""
    suite, beside = copy_suite(tmp_path / "suite"), tmp_path / "beside"
    (beside / "package" / "inner").mkdir(parents=True)
    for folder in ("package", "package/inner"):
        (beside / folder / "__init__.py").touch()
    files = {
        "solver": beside / "helper_of_mine.py",
        "what that imports": beside / "package" / "inner" / "deep.py",
        "dataset": beside / "sizes_of_mine.py"}
    files["solver"].write_text(
        "from package.inner import deep\nFACTOR = 1.0\n")
    files["what that imports"].write_text("FACTOR = 1.0\n")
    files["dataset"].write_text("SEED = 0\n")
    solver = (suite / "solvers" / "template_solver.py").read_text()
    assert solver.count('name = "Template"') == 1
    (suite / "solvers" / "mine.py").write_text(
        "from helper_of_mine import FACTOR, deep\n" + solver.replace(
            'name = "Template"', 'name = "mine"').replace(
            "def advance(", "def unit(self):\n        "
            "return FACTOR * deep.FACTOR\n\n    def advance("))
    (suite / "datasets" / "mine.py").write_text(
        "import sizes_of_mine as _sizes\n" + MINE)
    np.save(suite / "datasets" / "mine.npy",
            np.random.default_rng(0).standard_normal((80, 3)))

    def is_cached(*options):
        code, text = run(
            ["-m", "benchopt", "run", ".", "-s", "mine", "-n", "2",
             "--no-plot", "-d", "mine", *options], suite,
            PYTHONPATH=str(beside))
        assert code == 0 and "done" in text, text
        return "(cached)" in text

    assert not is_cached("-j", "2")
    assert is_cached()
    for what, file in files.items():
        file.write_text(file.read_text() + "\n# An edit.\n")
        assert not is_cached(), what
    assert is_cached()


def in_a_worker(dataset, front, seed=0, repetition=0):
    """The problem of a dataset, read as a run in another process does."""
    dataset.__setstate__(front._get_state())
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=repetition, base_seed=seed)
    return dataset.get_data()["problem"]


def test_a_worker_reads_the_same_data_once(tmp_path):
    """Each run comes with a dataset of its own, and compiles its loss."""
    size = {"n_inner": 20, "n_outer": 10}
    make = partial(DATASETS["quadratic"].get_instance, **size)
    front, other = make(), make()
    read(front), read(other, seed=1)
    first = in_a_worker(make(), front)
    assert in_a_worker(make(), front) is first
    # Of another repetition it is the same, of other data it is not.
    assert in_a_worker(make(), front, repetition=1) is first
    second = in_a_worker(make(), other, seed=1)
    assert digest(second) == other._digest != digest(first)
    again = in_a_worker(make(), front)
    assert again is not first and digest(again) == digest(first)
    # The file has changed.
    copy = tmp_path / "quadratic.py"
    copy.write_bytes(front._module_filename.read_bytes() + b"\n")
    edited = make()
    edited._module_filename = copy
    assert in_a_worker(edited, front) is not again
    # What has no digest may be anything.
    front._digest = None
    assert in_a_worker(make(), front) is not in_a_worker(make(), front)


def test_a_worker_reads_anew_what_depends_on_the_repetition():
    class Dataset(DATASETS["quadratic"]):
        def get_problem(self):
            problem = super().get_problem()
            self.get_seed(use_repetition=True)
            return problem

    make = partial(Dataset.get_instance, n_inner=20, n_outer=10)
    front = make()
    read(front)
    first = in_a_worker(make(), front)
    assert in_a_worker(make(), front) is first
    assert in_a_worker(make(), front, repetition=1) is not first


def test_prepare_is_done_each_time(tmp_path):
    """Files may have been removed since: that is how to get them anew."""
    suite = copy_suite(tmp_path / "suite")
    (suite / "datasets" / "mine.py").write_text(MINE)
    for _ in range(2):
        code, text = run(["-m", "benchopt", "prepare", ".", "-d", "mine"],
                         suite)
        assert code == 0 and "prepared indeed" in text, text
