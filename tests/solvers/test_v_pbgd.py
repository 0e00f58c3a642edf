"""V-PBGD and F2BA: formulas, schedule, and the bias that lambda leaves."""
from itertools import product

import numpy as np
import pytest
from harness import SOLVERS, make_solver, run_solver
from numpy_fixed_points import penalised_minimiser
from numpy_neumann import Replay
from numpy_single_loop import get_problem

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import Sampler
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics

v_pbgd = SOLVERS["V-PBGD"].advance.__globals__["v_pbgd"]
VARIANTS = ["V-PBGD", "F2BA"]


@pytest.mark.parametrize("name", ["quadratic", "logistic", "constrained"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_full_batch_matches_the_formula(request, name, variant):
    problem = get_problem(request, name)
    # lambda is 0.5, 1, 1.5, 2 and 2: below 1, nothing is divided by it.
    solver = make_solver(
        "V-PBGD", problem, step_size=0.4, outer_ratio=0.05,
        inner_step_size=0.3, lmbda=2.0, n_penalty_steps=4, n_inner_steps=2,
        variant=variant, batch_size="full", eval_freq=1)
    result = run_solver(solver, 5)

    G, F = problem.inner, problem.outer
    z = w = problem.inner_start
    x = problem.outer_start
    for lmbda in (0.5, 1.0, 1.5, 2.0, 2.0):
        s = min(1.0, 1.0 / lmbda)
        for _ in range(2):
            w = w - 0.3 * G.grad_z(w, x)
        y = z
        for _ in range(1 if variant == "V-PBGD" else 2):
            z = z - 0.4 * s * (F.grad_z(z, x) + lmbda * G.grad_z(z, x))
        if variant == "F2BA":
            y = z
        x = G.project(x - 8.0 * s * (
            F.grad_x(y, x) + lmbda * (G.grad_x(y, x) - G.grad_x(w, x))))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-11)
    np.testing.assert_allclose(solver.w, w, rtol=1e-11)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-10)
    assert name != "constrained" or np.any(x == 0.0)
    n, m = G.n_samples, F.n_samples
    # Twice g(w), then g(z), g2(z), g2(w), f1 and f2; or twice g(z) and f1.
    calls = 5 * n + 2 * m if variant == "V-PBGD" else 6 * n + 3 * m
    assert result["oracle_calls"] == 5 * calls


@pytest.mark.parametrize("name", ["V-PBGD", "BOME"])
def test_steps_on_g_alone_are_those_of_z_by_default(logistic, name):
    tied, own, other = (
        run_solver(make_solver(
            name, logistic, step_size=0.3, eval_freq=1, **inner), 4)
        for inner in ({}, {"inner_step_size": 0.3}, {"inner_step_size": 0.5}))
    for key in ("inner_var", "outer_var"):
        np.testing.assert_array_equal(tied[key], own[key])
    assert not np.array_equal(tied["outer_var"], other["outer_var"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_mini_batches_match_the_formula(quadratic, variant):
    solver = make_solver(
        "V-PBGD", quadratic, step_size=0.4, outer_ratio=0.5,
        inner_step_size=0.3, lmbda=2.0, n_inner_steps=2, variant=variant,
        batch_size=10, eval_freq=1)
    result = run_solver(solver, 4)

    blocks = Replay(solver)
    z = w = quadratic.inner_start
    x = quadratic.outer_start
    for _ in range(4):
        for _ in range(2):
            w = w - 0.3 * blocks.inner().grad_z(w, x)
        G, F = blocks.inner(), blocks.outer()
        if variant == "V-PBGD":
            y, z = z, z - 0.2 * (F.grad_z(z, x) + 2.0 * G.grad_z(z, x))
        else:
            for _ in range(2):
                g = blocks.inner().grad_z(z, x)
                z = z - 0.2 * (blocks.outer().grad_z(z, x) + 2.0 * g)
            y = z
        x = x - 0.4 * (
            F.grad_x(y, x) + 2.0 * (G.grad_x(y, x) - G.grad_x(w, x)))
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-11)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-11)


def one_iteration(problem, batch_size, inner_order, outer_order):
    """z, w and x after one iteration on the given batches."""
    G, F = problem.batches(batch_size)
    samplers = [Sampler(np.random.default_rng(0), np.array(order),
                        np.zeros(1, np.int64))
                for order in (inner_order, outer_order)]
    z, w = problem.inner_start.copy(), problem.inner_start.copy()
    x = problem.outer_start.copy()
    v_pbgd(G, F, *samplers, z, w, x, 0.5, 0.5, 0.5, 4.0, 1, 1, True, 0, 1)
    return np.concatenate([z, w, x])


def test_one_iteration_is_unbiased(quadratic):
    average = np.mean([
        one_iteration(quadratic, 16, i, [j])
        for i in product(range(2), repeat=2) for j in range(2)], axis=0)
    # All gradients are affine, and w and x have batches of their own.
    full = one_iteration(quadratic, "full", [0] * 2, [0])
    np.testing.assert_allclose(average, full, rtol=1e-12, atol=1e-12)


def settled(problem, lmbda, variant="V-PBGD", **parameters):
    """Solver and its result, at rest."""
    parameters = {"step_size": 1.0, "outer_ratio": 0.5, **parameters}
    solver = make_solver(
        "V-PBGD", problem, lmbda=lmbda, inner_step_size=1.0,
        batch_size="full", variant=variant, n_inner_steps=10,
        eval_freq=1000, **parameters)
    return solver, run_solver(solver, int(1000 * max(2, lmbda // 2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_bias_floor_is_of_order_1_over_lambda(quadratic, variant):
    biases, gaps = [], []
    for lmbda in (10.0, 20.0):
        solver, result = settled(quadratic, lmbda, variant)
        z, x = penalised_minimiser(quadratic, lmbda)
        np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
        np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
        biases.append(np.linalg.norm(x - quadratic.minimum[0]))
        gaps.append(np.linalg.norm(solver.w - result["inner_var"]))
        floor = metrics(quadratic, z, x)["value_gap"]
        judged = metrics(quadratic, result["inner_var"], result["outer_var"])
        assert judged["value_gap"] == pytest.approx(floor, rel=1e-3)
        assert floor > 1e-5
    assert biases[0] / biases[1] == pytest.approx(2.0, abs=0.2)
    # w is at the minimiser of G, and z 1 / lambda away from it.
    assert gaps[0] / gaps[1] == pytest.approx(2.0, abs=0.2)


def test_exact_for_every_lambda_where_f_is_linear_in_z(quadratic):
    F = quadratic.outer
    F = Quadratic(np.zeros_like(F.A), F.B, np.zeros_like(F.C), F.a, F.b)
    problem = BilevelProblem(quadratic.inner, F, quadratic.inner_start,
                             quadratic.outer_start)
    for lmbda in (0.5, 10.0):
        _, result = settled(problem, lmbda, step_size=0.5, outer_ratio=2.0)
        assert metrics(problem, result["inner_var"],
                       result["outer_var"])["grad_norm"] < 1e-8


def test_w_goes_on_from_where_it_was(quadratic):
    # Set to z, as in public code, one step on w would not do.
    z, x = penalised_minimiser(quadratic, 10.0)
    solver = make_solver(
        "V-PBGD", quadratic, step_size=1.0, outer_ratio=1.0, lmbda=10.0,
        batch_size="full", variant="F2BA", n_inner_steps=1, eval_freq=1000)
    result = run_solver(solver, 5000)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)


@pytest.mark.parametrize("parameter, value", [
    ("lmbda", 0.0), ("lmbda", np.inf), ("lmbda", "a"),
    ("n_penalty_steps", 0), ("n_penalty_steps", 1.5),
    ("inner_step_size", 0.0), ("n_inner_steps", 0), ("variant", "F2SA"),
    ("variant", 1)])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("V-PBGD", quadratic, batch_size=8, **{parameter: value})
