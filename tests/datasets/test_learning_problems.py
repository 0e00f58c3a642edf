"""Problems of learning whose losses are written in JAX: what is particular."""
import re

import numpy as np
import pytest
from benchopt.utils.run_context import RunContext
from harness import DATASETS, make_problem, make_solver, run_solver
from scipy.differentiate import derivative
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

pytest.importorskip("jax")
from benchmark_utils.reference import (  # noqa: E402
    implicit_gradient,
    metrics,
    solve_inner,
)

SMALL = {
    name: {**DATASETS[name].test_config} for name in (
        "meta_learning", "coreset", "loss_weighting", "denoising")}
VARIANTS = [
    ("meta_learning", {}), ("meta_learning", {"data": "digits"}),
    ("coreset", {}), ("coreset", {"data": "simulated"}),
    ("coreset", {"budget": 1}), ("loss_weighting", {}),
    ("loss_weighting", {"inputs": "image"}), ("denoising", {}),
    ("denoising", {"regulariser": "tv"}),
    # Beyond 2000 pixels: truncated Newton.
    ("denoising", {"n_images": 32})]
every_variant = pytest.mark.parametrize("name, parameters", VARIANTS)


def reason(name, **parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


@pytest.fixture(scope="module")
def problem_of():
    """Problems by name and parameters, each made once."""
    made = {}

    def get(name, **parameters):
        key = name, str(parameters)
        if key not in made:
            made[key] = make_problem(name, **{**SMALL[name], **parameters})
        return made[key]

    return get


def near_start(problem, rng):
    """A feasible point inside the set, and a direction that stays there."""
    x = problem.outer_start
    along = rng.standard_normal(x.size)
    if not np.array_equal(problem.inner.project(x + along), x + along):
        along -= along.mean()
        along *= 0.2 * min(x.min(), 1 - x.max()) / np.abs(along).max()
    return x, along


@every_variant
def test_the_gradient_of_h_is_exact_and_not_zero(
        name, parameters, problem_of, rng):
    problem = problem_of(name, **parameters)
    x, along = near_start(problem, rng)
    z, solve = solve_inner(problem.inner, x, problem.inner_start)
    gradient = implicit_gradient(problem, x, z, solve)

    def h(t):
        point = x + t * along
        z, _ = solve_inner(problem.inner, point, problem.inner_start)
        return problem.outer.value(z, point)

    slope = derivative(np.vectorize(h), 0.0, initial_step=0.05,
                       tolerances={"rtol": 1e-8}).df
    size = np.linalg.norm(gradient) * np.linalg.norm(along)
    assert abs(slope - gradient @ along) < 1e-6 * size
    judged = metrics(problem, problem.inner_start, x)
    assert judged["grad_norm"] > 1e-4


@every_variant
def test_g_is_strongly_convex(name, parameters, problem_of, rng):
    """Along random directions, at random points, as its penalty says."""
    problem = problem_of(name, **parameters)
    modulus = {"meta_learning": 0.5e-3, "coreset": 0.01,
               "loss_weighting": 0.01, "denoising": 0.25}[name]
    for _ in range(5):
        z, v = rng.standard_normal((2, problem.inner_dim))
        x = problem.inner.project(
            problem.outer_start + rng.standard_normal(problem.outer_dim))
        assert v @ problem.inner.hvp(z, x, v) >= modulus * (v @ v)


# z*(x) beside a solution of its own, written in NumPy.

@pytest.mark.parametrize("data", ["sinusoids", "digits"])
def test_heads_are_ridge_regressions(data, problem_of, rng):
    problem = problem_of("meta_learning", data=data)
    _, X, Y = problem.inner.data
    x = rng.standard_normal((3, X.shape[2]))
    z, _ = solve_inner(problem.inner, x.ravel(), problem.inner_start)
    heads = z.reshape(20, 4, -1)
    for head, A, target in zip(heads, X, Y, strict=True):
        units = np.column_stack([np.tanh(A @ x.T), np.ones(len(A))]) / 2
        expected = np.linalg.lstsq(
            np.vstack([units / np.sqrt(len(A)), np.sqrt(1e-3) * np.eye(4)]),
            np.vstack([target / np.sqrt(len(A)), np.zeros((4, len(head.T)))]),
            rcond=None)[0]
        np.testing.assert_allclose(head, expected, atol=1e-9)


def multinomial(weights, X, y, ridge, n_classes):
    """The minimiser of weights @ losses + ridge/2 |Z|^2, by SciPy."""
    def value(z):
        Z = z.reshape(n_classes, -1)
        scores = X @ Z.T
        normaliser = logsumexp(scores, axis=1)
        P = np.exp(scores - normaliser[:, None]) - np.eye(n_classes)[y]
        losses = normaliser - scores[np.arange(len(y)), y]
        return (weights @ losses + ridge / 2 * z @ z,
                ((weights[:, None] * P).T @ X).ravel() + ridge * z)

    return minimize(value, np.zeros(n_classes * X.shape[1]), jac=True,
                    method="L-BFGS-B", options={
                        "ftol": 0, "gtol": 1e-9, "maxiter": 10**4}).x


@pytest.mark.parametrize("data, n_classes", [
    ("digits", 10), ("simulated", 4)])
def test_model_of_a_coreset(data, n_classes, problem_of, rng):
    problem = problem_of("coreset", data=data)
    x = problem.inner.project(rng.uniform(size=60))
    _, X, y = problem.inner.data
    z, _ = solve_inner(problem.inner, x, problem.inner_start)
    np.testing.assert_allclose(
        z, multinomial(x / 5, X, y, 0.01, n_classes), atol=1e-5)


@pytest.mark.parametrize("inputs", ["loss", "image"])
def test_model_of_weighted_losses(inputs, problem_of, rng):
    problem = problem_of("loss_weighting", inputs=inputs)
    x = rng.standard_normal(problem.outer_dim)
    A, X, y = problem.inner.data
    rows = x.reshape(3, -1)
    weights = expit(np.tanh(A @ rows[:, :-1].T) @ rows[:, -1])
    z, _ = solve_inner(problem.inner, x, problem.inner_start)
    np.testing.assert_allclose(
        z, multinomial(weights / len(y), X, y, 0.01, 10), atol=1e-5)


@pytest.mark.parametrize("regulariser", ["experts", "tv"])
def test_denoised_images(regulariser, problem_of, rng):
    problem = problem_of("denoising", regulariser=regulariser)
    x = problem.outer_start + 0.3 * rng.standard_normal(problem.outer_dim)
    weights, smoothing = np.exp(x.reshape(2, -1))
    noisy = problem.inner.data[1]
    differences = np.array([[[-1, 1], [0, 0]], [[-1, 0], [1, 0]]]) / 2
    # The transform of S. Ahmed, T. Natarajan, K. R. Rao, written out.
    angle = np.pi * np.outer(np.arange(3), np.arange(3) + 0.5) / 3
    C = np.cos(angle) * np.sqrt(2 / 3)
    C[0] = np.sqrt(1 / 3)
    filters = np.einsum("ia,jb->ijab", C, C).reshape(9, 3, 3)[1:] / 3
    if regulariser == "tv":
        filters = differences
    side = 8 - len(filters[0]) + 1

    def energy(z):
        images = z.reshape(-1, 8, 8)
        out = [sum(K[a, b] * images[:, a:a + side, b:b + side]
                   for a in range(len(K)) for b in range(len(K)))
               for K in filters]
        squares = np.square(out)
        if regulariser == "tv":
            squares = squares.sum(0)[None]
        e = smoothing[:, None, None, None]
        edges = (np.sqrt(squares + e**2) - e).sum((1, 2, 3))
        return 0.5 * np.sum((images - noisy)**2) + weights @ edges

    z, _ = solve_inner(problem.inner, x, problem.inner_start)
    np.testing.assert_allclose(
        energy(z) / 4, problem.inner.value(z, x), rtol=1e-12)
    # The modulus of strong convexity is 1.
    best = minimize(energy, z, method="L-BFGS-B", options={
        "maxfun": 10**5}).fun
    assert energy(z) <= best + 1e-12 * abs(best)
    assert energy(z) < energy(noisy.ravel())


def test_the_denoised_are_nearer(problem_of):
    problem = problem_of("denoising", n_images=32)
    x = problem.outer_start
    judged = metrics(problem, problem.inner_start, x)
    assert judged["value"] < problem.outer.value(problem.inner_start, x)
    assert problem.inner_dim > 2000


def test_score_of_new_tasks_is_that_of_their_heads(problem_of):
    """Heads of the training tasks, judged as test tasks are, have h."""
    module = DATASETS["meta_learning"].get_problem.__globals__
    problem = problem_of("meta_learning")
    x = problem.outer_start
    z, _ = solve_inner(problem.inner, x, problem.inner_start)
    own = module["score"](x.reshape(3, -1), 1e-3, *problem.inner.data[1:],
                          *problem.outer.data[1:])
    np.testing.assert_allclose(own, problem.outer.value(z, x), rtol=1e-9)


# The set of x of a coreset.

@pytest.mark.parametrize("budget", [1, 5, 59])
def test_projection_onto_the_budget(budget, problem_of, rng):
    problem = problem_of("coreset", budget=budget)
    for size in (1e-3, 1.0, 1e3):
        y = size * rng.standard_normal(60)
        x = problem.inner.project(y)
        assert np.all((x >= 0) & (x <= 1))
        np.testing.assert_allclose(x.sum(), budget, rtol=1e-12)
        # Optimality: one shift for all entries that are at no bound.
        shift = (y - x)[(x > 0) & (x < 1)]
        if shift.size:
            t = shift.mean()
            np.testing.assert_allclose(shift, t, atol=1e-12 * (1 + size))
            assert np.all(y[x == 0] <= t + 1e-9 * size)
            assert np.all(y[x == 1] >= 1 + t - 1e-9 * size)


def test_soba_keeps_to_the_budget(problem_of):
    problem = problem_of("coreset")
    result = run_solver(make_solver(
        "SOBA", problem, batch_size=16, eval_freq=500, outer_ratio=0.1), 1000)
    x = result["outer_var"]
    assert np.all((x >= 0) & (x <= 1)) and np.any(x == 0)
    np.testing.assert_allclose(x.sum(), 5, rtol=1e-12)


@pytest.mark.parametrize("name, solver, parameters, n", [
    ("meta_learning", "SOBA", {"batch_size": 10, "step_size": 0.3}, 3000),
    ("meta_learning", "AID-GD", {"step_size": 1.0}, 300),
    ("coreset", "SOBA", {"batch_size": 32, "outer_ratio": 30.0}, 3000),
    ("coreset", "MAID", {}, 100),
    ("loss_weighting", "SOBA", {"batch_size": 16, "outer_ratio": 0.1}, 3000),
    ("loss_weighting", "L-BFGS", {}, 20),
    ("denoising", "SOBA", {"batch_size": 3, "step_size": 0.5}, 1000),
    ("denoising", "HOAG", {}, 20)])
def test_solvers_decrease_h(name, solver, parameters, n, problem_of):
    problem = problem_of(name)
    if solver in ("SOBA", "AID-GD"):
        parameters = {**parameters, "eval_freq": n // 2}
    start = metrics(problem, problem.inner_start, problem.outer_start)
    result = run_solver(make_solver(solver, problem, **parameters), n)
    end = metrics(problem, result["inner_var"], result["outer_var"])
    assert end["value"] < 0.98 * start["value"]


@pytest.mark.parametrize("name, parameters, named", [
    ("meta_learning", {"n_tasks": 0}, "n_tasks=0"),
    ("meta_learning", {"n_tasks": 1}, "n_tasks=1"),
    ("meta_learning", {"n_tasks": 1084, "data": "digits"}, "n_tasks=1084"),
    ("meta_learning", {"n_shots": 0}, "n_shots=0"),
    ("meta_learning", {"n_shots": 170, "data": "digits"}, "n_shots=170"),
    ("meta_learning", {"n_hidden": 0}, "n_hidden=0"),
    ("meta_learning", {"ridge": 0}, "ridge=0"),
    ("coreset", {"n_train": 1}, "n_train=1"),
    ("coreset", {"n_candidates": 1}, "n_candidates=1"),
    ("coreset", {"n_candidates": 81}, "n_candidates=81"),
    ("coreset", {"n_candidates": 9}, "n_candidates=9.*classes"),
    ("coreset", {"budget": 0}, "budget=0"),
    ("coreset", {"budget": 60}, "budget=60"),
    ("coreset", {"n_components": 65}, "n_components=65"),
    ("coreset", {"ridge": 0}, "ridge=0"),
    ("loss_weighting", {"n_train": 1}, "n_train=1|n_components"),
    ("loss_weighting", {"n_train": 20}, "n_train=20.*classes"),
    ("loss_weighting", {"n_validation": 0}, "n_validation=0"),
    ("loss_weighting", {"n_hidden": 0}, "n_hidden=0"),
    ("loss_weighting", {"ratio": 1}, "ratio=1"),
    ("loss_weighting", {"ridge": 0}, "ridge=0"),
    ("denoising", {"n_images": 1}, "n_images=1"),
    ("denoising", {"n_images": 1778}, "n_images=1778"),
    ("denoising", {"filter_size": 1}, "filter_size=1"),
    ("denoising", {"filter_size": 9}, "filter_size=9"),
    ("denoising", {"noise": 0}, "noise=0")])
def test_bad_input(name, parameters, named):
    text = reason(name, **{**SMALL[name], **parameters})
    assert re.search(named, text or ""), text
