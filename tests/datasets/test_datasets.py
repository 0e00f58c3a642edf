"""Datasets: closed forms, checks of what is read, skips with a reason."""
import re
from pathlib import Path

import mpmath
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, OBJECTIVE, make_problem
from libsvmdata import abstraction
from libsvmdata.core import ALL_DATASETS
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.problems import dataset
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics


def get_data(name, **parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()


@pytest.mark.parametrize("p, d", [(5, 3), (2, 4), (1, 1)])
@pytest.mark.parametrize("coupling", [0.0, 0.9])
def test_quadratic_has_the_promised_hessians(p, d, coupling):
    problem = make_problem(
        "quadratic", n_inner=20, n_outer=15, inner_dim=p, outer_dim=d,
        conditioning=7.0, coupling=coupling)
    for f in (problem.inner, problem.outer):
        if p > 1:
            np.testing.assert_allclose(np.linalg.cond(f.mean_A), 7.0)
        assert np.isclose(np.linalg.eigvalsh(f.mean_A)[-1], 1.0)
        joint = np.block([[f.mean_A, f.mean_C.T], [f.mean_C, f.mean_B]])
        assert np.linalg.eigvalsh(joint)[0] > 0
        assert (np.linalg.norm(f.mean_C) > 1e-12) == (coupling > 0)
        np.testing.assert_array_equal(f.A, f.A.transpose(0, 2, 1))


@pytest.mark.parametrize("conditioning", [1, 1e3, 1e6])
@pytest.mark.parametrize("coupling", [0.0, 0.9, 0.9999])
@pytest.mark.parametrize("p, d", [(4, 3), (1, 1)])
def test_minimum_of_quadratic_is_exact(p, d, coupling, conditioning):
    """Within all bounds: against 40 digits, from the same samples."""
    problem = make_problem(
        "quadratic", n_inner=6, n_outer=7, inner_dim=p, outer_dim=d,
        conditioning=conditioning, coupling=coupling)

    def mean(coefficients):
        n = len(coefficients)
        if coefficients.ndim == 2:
            coefficients = coefficients[:, :, None]
        return mpmath.matrix([
            [mpmath.fsum(column) / n for column in row]
            for row in coefficients.transpose(1, 2, 0).tolist()])

    with mpmath.workdps(40):
        (A, B, C, a, b), (A2, B2, C2, a2, b2) = (
            [mean(getattr(f, name)) for name in "ABCab"]
            for f in (problem.inner, problem.outer))
        # (z, x) where the gradients of the Lagrangian vanish, with the
        # multiplier v of A z + C'x + a = 0.
        system = mpmath.zeros(2 * p + d)
        right = mpmath.zeros(2 * p + d, 1)
        z, x, v = slice(0, p), slice(p, p + d), slice(p + d, 2 * p + d)
        system[z, z], system[z, x], system[z, v] = A2, C2.T, A
        system[x, z], system[x, x], system[x, v] = C2, B2, C
        system[v, z], system[v, x] = A, C.T
        right[z, 0], right[x, 0], right[v, 0] = -a2, -b2, -a
        solution = mpmath.lu_solve(system, right)
        z, x = solution[z, 0], solution[x, 0]
        h = (z.T * (A2 * z / 2 + a2) + x.T * (B2 * x / 2 + C2 * z + b2))[0]
        error = abs(problem.minimum[1] - h) / abs(h)
    assert error < 1e-10
    gap = metrics(problem, problem.inner_start, problem.minimum[0])[
        "value_gap"]
    assert abs(gap) < 1e-10 * abs(h)


@pytest.mark.parametrize("noise", [1e100, 1e200, 1e300, 1.7e308])
def test_noise_of_which_h_cannot_be_computed(noise):
    """Every run would be said to have diverged, at its start."""
    data = get_data("quadratic", n_inner=6, n_outer=6, noise=noise)
    assert f"noise={noise!r} with conditioning" in data["reason"]


@pytest.mark.parametrize("parametrization", ["exponential", "linear"])
def test_start_of_the_penalties_is_uniform(parametrization):
    problem = make_problem(
        "simulated_logistic", n_train=50, n_validation=50, n_features=2000,
        reg_parametrization=parametrization)
    x = problem.outer_start
    penalties = np.exp(x) if parametrization == "exponential" else x
    assert 0 < penalties.min() < 0.01 and 0.99 < penalties.max() < 1
    assert abs(penalties.mean() - 0.5) < 0.03
    assert abs(problem.inner_start.std() - 1.0) < 0.05


def test_density_leaves_the_second_moments_as_they_are():
    sizes = {"n_train": 40_000, "n_validation": 10, "n_features": 5}
    full, kept = (
        make_problem("simulated_logistic", density=density, **sizes).inner
        for density in (1.0, 0.2))
    assert sparse.issparse(kept.rows)
    assert abs(kept.rows.nnz / (40_000 * 5) - 0.2) < 1e-4
    first, second = ((X.T @ X) / 40_000 for X in (
        full.rows, kept.rows.toarray()))
    np.testing.assert_allclose(first, second, atol=0.05)


@pytest.mark.parametrize("name, parameters", [
    ("quadratic", {"n_inner": 0}), ("quadratic", {"outer_dim": 2.5}),
    ("quadratic", {"conditioning": 0.5}), ("quadratic", {"coupling": 1.0}),
    ("quadratic", {"conditioning": 1e12}),
    ("quadratic", {"conditioning": 1e20}),
    ("quadratic", {"coupling": 1 - 2**-53}),
    ("quadratic", {"noise": -1.0}), ("quadratic", {"noise": np.nan}),
    ("simulated_logistic", {"n_features": -1}),
    ("simulated_logistic", {"reg_parametrization": "quadratic"}),
    ("simulated_logistic", {"noise": np.inf}),
    ("simulated_logistic", {"penalty": "class"}),
    ("simulated_logistic", {"density": 0.0}),
    ("simulated_logistic", {"density": 1.5}),
    ("ijcnn1", {"reg_parametrization": "none"}),
])
def test_bad_parameters_are_a_reason_to_skip(name, parameters, monkeypatch):
    if name == "ijcnn1":
        monkeypatch.setattr(
            DATASETS[name], "_load",
            lambda self, _: (np.eye(2), np.array([0, 1])))
    (parameter, value), = parameters.items()
    with pytest.raises(ValueError, match=re.escape(
            f"{parameter}={value!r} is not valid")):
        make_problem(name, **parameters)
    data = get_data(name, **parameters)
    assert data["problem"] is None and parameter in data["reason"]
    skip, reason = OBJECTIVE.get_instance().skip(**data)
    assert skip and parameter in reason


def test_numbers_of_yaml_are_numbers_in_problem_name_and_time():
    dataset = DATASETS["quadratic"].get_instance(
        n_inner="1e1", noise="1e-1", coupling="0.5")
    assert dataset.n_inner == 10 and "noise=1e-1" in str(dataset)
    assert make_problem("quadratic", n_inner="1e1").inner.n_samples == 10
    objective = OBJECTIVE.get_instance(max_seconds="1e-1", evaluations="4")
    assert objective._parameters == {"max_seconds": 0.1, "evaluations": 4}
    assert str(objective).endswith("[evaluations=4,max_seconds=1e-1]")
    assert not objective.skip(problem=0, reason=None)[0]
    # What is as usual is not in the name, which older tables have as well.
    assert str(OBJECTIVE.get_instance(max_seconds=1)).endswith(
        "[max_seconds=1]")
    skip, why = OBJECTIVE.get_instance(evaluations=0).skip(problem=0)
    assert skip and why.startswith("evaluations=0 is not valid")
    # Where no number is meant, a string is a string.
    assert DATASETS["covtype"].get_instance(penalty="1").penalty == "1"


@pytest.mark.parametrize("X, y, message", [
    ([[1.0], [np.nan]], [0, 1], "training X=.*1 NaN"),
    ([[1.0], [np.inf]], [0, 1], "training X=.*finite"),
    ([[1.0], [2.0]], [0.0, np.nan], "training y=.*finite"),
    ([[1.0], [2.0]], [1, 1], "training y=.*two classes"),
    ([[1.0], [2.0], [3.0]], [0, 1, 2], "training y=.*two classes"),
    ([[1.0], [2.0]], [0, 1, 0], "training shapes"),
    ([1.0, 2.0], [0, 1], "training shapes"),
])
def test_bad_data_is_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegression(np.array(X), np.array(y), name="training")


@pytest.mark.parametrize("labels", [(0, 1), (1, 2), ("no", "yes"), (-1, 1)])
def test_two_labels_of_any_kind(labels):
    _, y = checks.samples("", [[1.0], [2.0]], np.array(labels))
    assert y.tolist() == [-1.0, 1.0]


def test_numbers_of_features_must_agree():
    inner = LogisticRegression(np.eye(3), np.array([0, 1, 1]))
    outer = LogisticRegression(np.eye(2), np.array([0, 1]))
    with pytest.raises(ValueError, match="same number of features"):
        BilevelProblem(inner, outer, np.zeros(3), np.zeros(3))


# IJCNN1, without its data: a folder of the right names and other shapes.
@pytest.fixture
def local_ijcnn1(tmp_path, monkeypatch):
    monkeypatch.setattr(
        DATASETS["ijcnn1"], "shapes", {"ijcnn1": (20, 3),
                                       "ijcnn1_test": (30, 3)})
    rng = np.random.default_rng(0)
    for name, n in (("ijcnn1", 20), ("ijcnn1_test", 30)):
        np.save(tmp_path / f"{name}_X.npy", rng.standard_normal((n, 3)))
        np.save(tmp_path / f"{name}_y.npy", np.resize([-1.0, 1.0], n))
    module = DATASETS["ijcnn1"].get_problem.__globals__
    monkeypatch.setitem(module, "data_path", lambda key: tmp_path)
    monkeypatch.setattr(DATASETS["ijcnn1"], "digests", {
        name: module["_digest"](np.load(tmp_path / f"{name}_X.npy"),
                                np.load(tmp_path / f"{name}_y.npy"))
        for name in ("ijcnn1", "ijcnn1_test")})
    return tmp_path


def test_ijcnn1_from_a_local_folder(local_ijcnn1):
    problem = make_problem("ijcnn1")
    assert problem.inner.n_samples == 20 and problem.outer.n_samples == 30


def test_ijcnn1_cut_short(local_ijcnn1):
    file = local_ijcnn1 / "ijcnn1_test_X.npy"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match="ijcnn1_test_X.npy is damaged"):
        DATASETS["ijcnn1"].get_instance().prepare()
    data = get_data("ijcnn1")
    assert "ijcnn1_test_X.npy is damaged" in data["reason"]
    assert "benchopt prepare" in data["reason"]


def test_ijcnn1_empty_file(local_ijcnn1):
    (local_ijcnn1 / "ijcnn1_y.npy").write_bytes(b"")
    assert "ijcnn1_y.npy is damaged" in get_data("ijcnn1")["reason"]


def test_ijcnn1_pickled_file_is_refused(local_ijcnn1):
    np.save(local_ijcnn1 / "ijcnn1_y.npy", np.array([{}], dtype=object),
            allow_pickle=True)
    assert "ijcnn1_y.npy is damaged" in get_data("ijcnn1")["reason"]


def test_ijcnn1_of_a_wrong_shape(local_ijcnn1):
    np.save(local_ijcnn1 / "ijcnn1_X.npy", np.ones((20, 4)))
    reason = get_data("ijcnn1")["reason"]
    assert "ijcnn1_X.npy has shape (20, 4), not (20, 3)" in reason


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_ijcnn1_with_another_number(local_ijcnn1, value):
    X = np.load(local_ijcnn1 / "ijcnn1_test_X.npy")
    X[7, 1] = value
    np.save(local_ijcnn1 / "ijcnn1_test_X.npy", X)
    reason = get_data("ijcnn1")["reason"]
    assert "ijcnn1_test_X.npy and ijcnn1_test_y.npy do not hold" in reason


def test_ijcnn1_with_a_file_missing(local_ijcnn1):
    (local_ijcnn1 / "ijcnn1_test_y.npy").unlink()
    assert "ijcnn1_test_y.npy" in get_data("ijcnn1")["reason"]


def test_ijcnn1_through_libsvmdata_offline(tmp_path, monkeypatch):
    """No data and no network: a reason, and nothing raised."""
    module = DATASETS["ijcnn1"].get_problem.__globals__
    monkeypatch.setitem(module, "data_path", lambda key: tmp_path / "no")

    def download(*arguments, **options):
        raise RuntimeError("name resolution failed")

    monkeypatch.setattr(abstraction, "download", download)
    for name in ("ijcnn1", "ijcnn1_test"):
        monkeypatch.setattr(
            ALL_DATASETS[name], "dataset_dir", tmp_path / "libsvm")
    reason = get_data("ijcnn1")["reason"]
    assert "LIBSVMDATA_HOME" in reason and "name resolution failed" in reason
    with pytest.raises(OSError, match="the download failed"):
        DATASETS["ijcnn1"].get_instance().prepare()


def test_ijcnn1_itself():
    """The real data, on machines that have it."""
    data = get_data("ijcnn1")
    if data["problem"] is None:
        pytest.skip(data["reason"])
    problem = data["problem"]
    assert problem.inner.rows.shape == (49_990, 22)
    assert problem.outer.rows.shape == (91_701, 22)
    dataset = DATASETS["ijcnn1"].get_instance()
    positive = [np.sum(dataset._load(name)[1] > 0) for name in dataset.shapes]
    assert positive == [4853, 8712]


def test_data_path_waits_for_a_benchmark_that_is_half_made(monkeypatch):
    """As in a worker of Dask, which receives a run while another starts."""
    answers = [AttributeError("no name"), AttributeError("no name"), "/here"]

    def get_data_path(key):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return f"{answer}/{key}"

    monkeypatch.setattr(dataset, "get_data_path", get_data_path)
    assert dataset.data_path("ijcnn1") == Path("/here/ijcnn1")
