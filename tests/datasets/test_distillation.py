"""Dataset distillation: its start, its metrics, and what it refuses."""
import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem, make_solver, run_solver
from scipy.differentiate import derivative
from scipy.special import logsumexp

pytest.importorskip("jax")
from benchmark_utils.functions.derivatives import check_problem  # noqa: E402
from benchmark_utils.reference import (  # noqa: E402
    implicit_gradient,
    metrics,
    solve_inner,
)

SMALL = {"n_images": 12, "n_train": 70}


def reason(**parameters):
    dataset = DATASETS["distillation"].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


@pytest.fixture(scope="module")
def problem():
    return make_problem("distillation", **SMALL)


def test_derivatives(problem):
    check_problem(problem)


def test_inner_function_is_that_of_the_docstring(problem, rng):
    z, x = rng.standard_normal(640), rng.standard_normal(12 * 64)
    scores = x.reshape(12, 64) @ z.reshape(10, 64).T
    expected = np.mean(logsumexp(scores, axis=1)
                       - scores[range(12), np.arange(12) % 10])
    np.testing.assert_allclose(
        problem.inner.value(z, x), expected + 0.025 * z @ z, rtol=1e-13)


def test_the_gradient_of_h_is_exact_and_not_zero_at_the_start(problem, rng):
    x = problem.outer_start
    along = rng.standard_normal(x.size)
    z, solve = solve_inner(problem.inner, x, problem.inner_start)
    gradient = implicit_gradient(problem, x, z, solve)
    assert np.linalg.norm(gradient) > 1e-3

    def h(t):
        point = x + t * along
        z, _ = solve_inner(problem.inner, point, problem.inner_start)
        return problem.outer.value(z, point)

    slope = derivative(np.vectorize(h), 0.0, initial_step=0.05).df
    assert abs(slope - gradient @ along) < 1e-7 * np.linalg.norm(gradient)


def test_images_that_are_learned_teach_more(problem):
    start = metrics(problem, problem.inner_start, problem.outer_start)
    result = run_solver(make_solver(
        "SOBA", problem, batch_size=8, eval_freq=500, step_size=0.1), 3000)
    end = metrics(problem, result["inner_var"], result["outer_var"])
    assert end["value"] < 0.8 * start["value"]
    assert end["test_error"] < start["test_error"]


@pytest.mark.parametrize("parameters, named", [
    ({"n_images": 0}, "n_images=0"), ({"n_images": 1}, "n_images=1"),
    ({"n_images": 9}, "n_images=9"), ({"n_train": 0}, "n_train=0"),
    ({"n_train": 1}, "n_train=1"), ({"n_train": 1797}, "n_train=1797"),
    ({"n_train": 10}, "classes"), ({"ridge": 0}, "ridge=0"),
    ({"ridge": "a"}, "ridge='a'"), ({"way": "fast"}, "way='fast'")])
def test_bad_input(parameters, named):
    assert named in reason(**parameters)


def test_seeds():
    first, again, other = (
        make_problem("distillation", seed=seed, **SMALL)
        for seed in (0, 0, 1))
    assert np.array_equal(first.outer_start, again.outer_start)
    assert np.array_equal(first.outer.data[1], again.outer.data[1])
    assert not np.array_equal(first.outer_start, other.outer_start)
