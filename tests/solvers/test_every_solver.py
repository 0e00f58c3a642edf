"""What every solver in ``solvers/`` must do, found without registration."""
import sys

import numpy as np
import pytest
from harness import SOLVERS, make_solver, run_solver, set_solver
from numba.core.dispatcher import Dispatcher
from scipy import sparse

from benchmark_utils.reference import metrics

PROBLEMS = ["quadratic", "logistic", "sparse_logistic", "cleaning",
            "hyper_representation"]
# step_size is where these start, and they find the others themselves.
FIRST_STEP_ONLY = ["D-TFBO", "S-TFBO"]
SMALL = {"batch_size": 8, "eval_freq": 4}


def small(name, **parameters):
    """Parameters of a solver for a small problem, where it has them."""
    known = SOLVERS[name].parameters
    wanted = {**SMALL, **parameters}
    return {key: wanted[key] for key in wanted if key in known}


def same(a, b):
    return (np.array_equal(a["inner_var"], b["inner_var"])
            and np.array_equal(a["outer_var"], b["outer_var"])
            and a["oracle_calls"] == b["oracle_calls"])


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=sorted(SOLVERS))
def name(request):
    if not SOLVERS[request.param].is_installed(quiet=True):
        pytest.skip(f"{request.param} is not installed")
    return request.param


def test_docstring_cites_the_paper(name):
    doc = SOLVERS[name].__doc__
    assert doc and any(str(year) in doc for year in range(1950, 2030)), (
        f"the docstring of {name} must give its paper, with the year")


def test_starts_where_the_problem_says(name, problem):
    result = run_solver(make_solver(name, problem, **small(name)), 0)
    assert np.array_equal(result["outer_var"], problem.outer_start), (
        f"{name} must start from problem.outer_start")


def test_same_seed_gives_the_same_bits(name, problem):
    results = [
        run_solver(make_solver(name, problem, seed=3, **small(name)), 12)
        for _ in range(2)
    ]
    assert same(*results), f"two runs of {name} with one seed differ"


def test_a_second_run_starts_afresh(name, problem):
    solver = make_solver(name, problem, **small(name))
    first = run_solver(solver, 12)
    assert same(first, run_solver(solver, 12)), (
        f"the second run of the same {name} is not the first again: "
        "something is left of the first run")


def test_warm_up_leaves_no_trace(name, problem):
    cold = make_solver(name, problem, **small(name))
    warm = make_solver(name, problem, **small(name))
    warm.warm_up()
    assert same(run_solver(cold, 12), run_solver(warm, 12))


def test_nothing_is_compiled_while_timed(
        name, quadratic, logistic, sparse_logistic, cleaning,
        hyper_representation):
    """One solver on one dataset after the other, as in a benchopt run."""
    solver = make_solver(name, quadratic, **small(name))
    compiled = [
        function for function in vars(sys.modules[type(solver).__module__])
        .values() if isinstance(function, Dispatcher)
    ]
    for problem in (quadratic, logistic, sparse_logistic, cleaning,
                    hyper_representation):
        set_solver(solver, problem)
        solver.warm_up()
        solver.pre_run_hook(None)
        before = [len(function.signatures) for function in compiled]
        run_solver(solver, 8)
        assert before == [len(f.signatures) for f in compiled], (
            f"{name} compiles in run, where it is timed")


def test_eval_freq_does_not_change_the_iterates(name, problem):
    if "eval_freq" not in SOLVERS[name].parameters:
        pytest.skip(f"{name} is evaluated at its own iterations")
    results = [
        run_solver(
            make_solver(name, problem, **small(name, eval_freq=freq)), 12)
        for freq in (1, 3, 12)
    ]
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_repetitions_and_seeds_sample_differently(name, problem):
    if "batch_size" not in SOLVERS[name].parameters:
        pytest.skip(f"{name} uses all samples")
    first, repeated, reseeded = (
        run_solver(make_solver(name, problem, **small(name), **where), 12)
        for where in ({}, {"repetition": 1}, {"seed": 1})
    )
    assert not same(first, repeated), f"repetitions of {name} are the same"
    assert not same(first, reseeded), f"seeds of {name} give the same run"


def test_problem_is_left_as_it_was(name, problem):
    def arrays():
        for owner in (problem, problem.inner, problem.outer):
            for key, value in vars(owner).items():
                if isinstance(value, np.ndarray):
                    yield key, value
                elif sparse.issparse(value):
                    yield from ((key, part) for part in (
                        value.data, value.indices, value.indptr))

    before = [(key, array.copy()) for key, array in arrays()]
    run_solver(make_solver(name, problem, **small(name)), 12)
    for (key, old), (_, new) in zip(before, arrays(), strict=True):
        assert np.array_equal(old, new), f"{name} changes {key}"


def test_results_are_copies(name, problem):
    solver = make_solver(name, problem, **small(name))
    results = []

    def callback():
        results.append(solver.get_result())
        return len(results) < 4

    solver.run(callback)
    assert np.array_equal(results[0]["outer_var"], problem.outer_start), (
        f"get_result of {name} hands out arrays that it changes later")


def test_oracle_calls_grow(name, problem):
    solver = make_solver(name, problem, **small(name))
    calls = []

    def callback():
        calls.append(solver.get_result()["oracle_calls"])
        return len(calls) < 4

    solver.run(callback)
    assert all(isinstance(n, int) for n in calls)
    assert calls == sorted(calls) and calls[-1] > calls[0]


def test_defaults_decrease_h(name, problem):
    # The default batch is larger than these problems.
    parameters = {
        key: 24 for key in SOLVERS[name].parameters if key == "batch_size"}
    solver = make_solver(name, problem, **parameters)
    freq = getattr(solver, "eval_freq", 1)
    n = max(freq, 200 // freq * freq)
    result = run_solver(solver, n)
    start = metrics(problem, problem.inner_start, problem.outer_start)
    end = metrics(problem, result["inner_var"], result["outer_var"])
    assert end["value"] < start["value"], (
        f"{name} with its default parameters ends at h = {end['value']:.4g}, "
        f"above the start, {start['value']:.4g}")


def test_a_batch_of_more_samples_than_there_are_is_one_of_all(name, problem):
    if "batch_size" not in SOLVERS[name].parameters:
        pytest.skip(f"{name} uses all samples")
    n = max(problem.inner.n_samples, problem.outer.n_samples)
    results = [
        run_solver(make_solver(name, problem, **small(name, batch_size=b)), 12)
        for b in (n, n + 1, 10**6)]
    assert same(results[0], results[1]) and same(results[0], results[2])


def test_bad_parameters_are_named(name, problem):
    bad = {
        "step_size": [0.0, -1.0, np.inf, np.nan, "a"],
        "outer_ratio": [0.0, -1.0, np.nan],
        "batch_size": [0, -1, 10**9, 1.5, "half"],
        "eval_freq": [0, -3, 0.5],
    }
    for parameter in set(bad) & set(SOLVERS[name].parameters):
        for value in bad[parameter]:
            chosen = small(name, **{parameter: value})
            with pytest.raises(ValueError, match=parameter):
                make_solver(name, problem, **chosen)


def test_divergence_is_seen(name, problem):
    if "step_size" not in SOLVERS[name].parameters:
        pytest.skip(f"{name} has no step size")
    if name in FIRST_STEP_ONLY:
        pytest.skip(f"{name} converges from any first step, see its tests")
    solver = make_solver(name, problem, **small(name, step_size=1e6))
    result = run_solver(solver, 4000)
    judged = metrics(problem, result["inner_var"], result["outer_var"])
    start = metrics(problem, problem.inner_start, problem.outer_start)
    assert np.isnan(judged["value"]) or judged["value"] > 0.1 * start["value"]
