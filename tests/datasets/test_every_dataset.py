"""What every dataset in ``datasets/`` must do, found without registration.

    pytest -n 0 tests/datasets/test_every_dataset.py -k MyDataset

checks one, by its name. The size is that of its ``test_config``, for each
combination of the lists in ``test_parameters``, if it has them. What cannot
be had here is skipped, with the reason.
"""
import json
import pickle
from functools import cache

import joblib
import numpy as np
import pytest
from benchopt.utils.parametrized_name_mixin import product_param
from benchopt.utils.run_context import RunContext
from harness import DATASETS, OBJECTIVE, ROOT, run

from benchmark_utils.functions.derivatives import check_problem
from benchmark_utils.problems.digest import digest
from benchmark_utils.problems.loading import load_problem, problem_of
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics

# Samples beyond which a test would take minutes.
MANY = 20_000


def variants():
    """Name and parameters of all that is tested, with an id for ``-k``."""
    for name, cls in sorted(DATASETS.items()):
        for extra in product_param(getattr(cls, "test_parameters", {})):
            parameters = {**(cls.test_config or {}), **extra}
            text = ",".join(f"{key}={value}" for key, value in extra.items())
            yield pytest.param(
                name, parameters, id=f"{name}-{text}" if text else name)


every_variant = pytest.mark.parametrize("name, parameters", list(variants()))
every_dataset = pytest.mark.parametrize("name", sorted(DATASETS))


def get_data(name, seed=0, solver="solver", repetition=0, **parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, solver, repetition=repetition, base_seed=seed)
    return dataset, dataset.get_data()


def problem_or_skip(name, **parameters):
    """The problem, of which tests change nothing; or a skip, which is said."""
    if not DATASETS[name].is_installed(quiet=True):
        pytest.skip(f"{name} is not installed")
    problem, reason, _ = _kept(name, tuple(parameters.items()))
    return problem or pytest.skip(reason)


@cache
def _kept(name, parameters):
    """A problem or a reason, and its digest as long as nothing uses it."""
    problem, reason = get_data(name, **dict(parameters))[1].values()
    return problem, reason, problem and digest(problem)


def digest_or_skip(name, **parameters):
    problem_or_skip(name, **parameters)
    return _kept(name, tuple(parameters.items()))[2]


def test_the_file_is_named_as_the_dataset():
    """Where else would one look for it?"""
    for name, cls in DATASETS.items():
        file = cls._module_filename
        assert file.stem in (name, f"{name}_dataset"), file


@every_dataset
def test_docstring_names_each_parameter(name):
    doc = DATASETS[name].__doc__ or ""
    for parameter in DATASETS[name].parameters:
        assert parameter in doc, f"the docstring of {name}: {parameter}"


@every_variant
def test_there_is_a_problem_or_a_reason(name, parameters, caplog):
    """Nothing is raised or logged, whatever is missing on this machine."""
    if not DATASETS[name].is_installed(quiet=True):
        pytest.skip(f"{name} is not installed")
    _, data = get_data(name, **parameters)
    skip, reason = OBJECTIVE.get_instance().skip(**data)
    assert skip == (data["problem"] is None)
    if skip:
        assert reason.startswith(f"{name}: ") and len(reason) > len(name) + 10
    else:
        assert reason is None and isinstance(data["problem"], BilevelProblem)
    assert not caplog.records


@every_variant
def test_derivatives(name, parameters):
    """In NumPy and compiled, on batches of any size and short last ones."""
    problem = problem_or_skip(name, **parameters)
    n = max(problem.inner.n_samples, problem.outer.n_samples)
    if n > MANY:
        pytest.skip(f"{n} samples: give {name} a smaller test_config")
    check_problem(problem)


@every_variant
def test_start(name, parameters):
    problem = problem_or_skip(name, **parameters)
    z, x = problem.inner_start, problem.outer_start
    for start, size in [(z, problem.inner_dim), (x, problem.outer_dim)]:
        assert start.shape == (size,) and start.dtype == np.float64
        assert np.all(np.isfinite(start))
    projected = problem.inner.project(x.copy())
    np.testing.assert_allclose(projected, x, rtol=1e-12, err_msg=(
        f"the start of {name} is not feasible"))
    judged = metrics(problem, z, x)
    assert np.all(np.isfinite(list(judged.values()))), judged
    if problem.minimum is not None:
        assert judged["value_gap"] >= 0
        x_min, _ = problem.minimum
        end = metrics(problem, z, x_min)
        assert end["value_gap"] <= 1e-9 * (
            judged["value_gap"] + abs(judged["value"]))


@every_variant
def test_data_and_start_depend_on_the_seed_alone(name, parameters):
    """Every solver, in every repetition, has the same problem."""
    here = digest_or_skip(name, **parameters)
    problem = problem_or_skip(name, **parameters)
    _, again = get_data(name, solver="another", repetition=3, **parameters)
    assert digest(again["problem"]) == here
    for one, other in zip(
            problem.orders(5), again["problem"].orders(5), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(np.sort(one), np.arange(len(one)))
    _, reseeded = get_data(name, seed=1, **parameters)
    assert digest(reseeded["problem"]) != here, (
        f"{name} does not draw from self.random_generator()")


@every_variant
def test_key_of_kept_results(name, parameters):
    """The same before and after a worker reads the data; another by seed."""
    problem_or_skip(name, **parameters)
    dataset, _ = get_data(name, **parameters)
    key = joblib.hash(dataset)
    assert joblib.hash(get_data(name, **parameters)[0]) == key
    copy = pickle.loads(pickle.dumps(dataset))
    assert joblib.hash(copy) == key
    RunContext().set_run_context(
        "objective", copy, "solver", repetition=0, base_seed=0)
    assert copy.get_data()["reason"] is None and joblib.hash(copy) == key
    assert joblib.hash(get_data(name, seed=1, **parameters)[0]) != key


DIGESTS = """
import json, sys
sys.path.insert(0, "tests")
from harness import DATASETS, make_problem
from benchmark_utils.problems.digest import digest
print("\\n" + json.dumps([
    digest(make_problem(name, in_order=False, **parameters))
    for name, parameters in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def digests_elsewhere(request):
    """Of all variants that are tested and can be had, by one process."""
    chosen = [
        (name, parameters) for name, parameters in (
            item.callspec.params.values() for item in request.session.items
            if item.originalname == "test_digest_in_another_process")
        if DATASETS[name].is_installed(quiet=True)
        and _kept(name, tuple(parameters.items()))[0]]
    code, text = run(["-c", DIGESTS, json.dumps(chosen)], PYTHONHASHSEED="7")
    assert code == 0, text
    return dict(zip(map(str, chosen), json.loads(
        text.strip().splitlines()[-1]), strict=True))


@pytest.mark.xdist_group("digests elsewhere")
@every_variant
def test_digest_in_another_process(name, parameters, request):
    here = digest_or_skip(name, **parameters)
    elsewhere = request.getfixturevalue("digests_elsewhere")
    assert elsewhere[str((name, parameters))] == here, (
        f"{name} depends on the process, for instance on the order of a set")


def bad_values(default):
    """Values that none may take, and some that a dataset may refuse."""
    if isinstance(default, bool):
        return ["yes", 2], []
    if isinstance(default, (int, float)):
        return [np.nan, "a"], [-1, 0, 1.5, np.inf]
    return (["no such value"], [0.5]) if isinstance(default, str) else ([], [])


@every_dataset
def test_bad_parameters_are_a_reason_to_skip(name, caplog):
    """That names the parameter, without a traceback, and nothing raised."""
    config = DATASETS[name].test_config or {}
    problem_or_skip(name, **config)
    for parameter, (default, *_) in DATASETS[name].parameters.items():
        wrong, doubtful = bad_values(default)
        for value in [*wrong, *doubtful]:
            _, data = get_data(name, **{**config, parameter: value})
            if data["problem"] is None:
                assert parameter in data["reason"], (value, data["reason"])
            else:
                assert value in doubtful, f"{name} takes {parameter}={value}"
                problem = data["problem"]
                judged = metrics(
                    problem, problem.inner_start, problem.outer_start)
                assert np.all(np.isfinite(list(judged.values())))
    assert not caplog.records


# How a user comes to a problem.

def test_a_problem_by_its_name_and_by_its_file():
    small = {"n_inner": 24, "n_outer": 30}
    problem = problem_of(DATASETS["quadratic"].get_instance(**small), 3)
    for typed, more in [("quadratic", small),
                        ("quadratic[n_inner=24]", {"n_outer": 30}),
                        ("quadratic[n_inner=24,n_outer=30]", {})]:
        again = load_problem(typed, seed=3, **more)
        assert digest(again) == digest(problem)
    file = ROOT / "datasets" / "template_dataset.py"
    assert load_problem(str(file), n_samples=20).inner.n_samples == 20


@pytest.mark.parametrize("typed, parameters, message", [
    ("quadratik", {}, "dataset='quadratik' is not valid: .*quadratic"),
    ("quadratic[n_iner=3]", {}, "'n_iner'.*n_inner"),
    ("quadratic", {"n_iner": 3}, "'n_iner' is not valid.*n_inner"),
    ("quadratic[n_inner=[3,4]]", {}, "means several"),
    ("quadratic", {"n_inner": 0}, "n_inner=0 is not valid")])
def test_a_problem_that_there_is_not(typed, parameters, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        load_problem(typed, **parameters)
