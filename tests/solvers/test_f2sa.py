"""F2SA: the formula on mini-batches, unbiasedness, and its penalty bias."""
from itertools import product

import numpy as np
import pytest
from harness import SOLVERS, make_solver, run_solver
from numpy_fixed_points import Blocks, inner_solution, penalised_minimiser

from benchmark_utils.methods.sampling import Sampler, draw, make_sampler
from benchmark_utils.reference import metrics

f2sa = SOLVERS["F2SA"].advance.__globals__["f2sa"]


# Exponents of lambda and of the step of x: the paper's, and the others.
@pytest.mark.parametrize("exponents", [(1 / 7, 5 / 7), (6 / 7, 4 / 7)])
def test_iterations_match_the_formula(quadratic, exponents):
    # Batches of 10 of 24 and 32 samples: the last have 4 and 2.
    solver = make_solver("F2SA", quadratic, step_size=0.3, outer_ratio=0.5,
                         batch_size=10, lmbda0=2.0, n_inner_steps=2,
                         lmbda_exponent=exponents[0],
                         outer_exponent=exponents[1], eval_freq=1)
    result = run_solver(solver, 3)

    G, F = Blocks(quadratic.inner, 10), Blocks(quadratic.outer, 10)
    rng = np.random.default_rng(solver._seed)
    inner = make_sampler(G.n_batches, rng)
    outer = make_sampler(F.n_batches, rng)
    calls = 0

    def inner_batch():
        nonlocal calls
        batch = draw(inner)
        calls += G.size(batch)
        return batch

    def outer_batch():
        nonlocal calls
        batch = draw(outer)
        calls += F.size(batch)
        return batch

    w = y = quadratic.inner_start
    x = quadratic.outer_start
    for t in range(3):
        lmbda = 2.0 * (t + 1) ** exponents[0]
        rho = 0.3 * (t + 1) ** (-4 / 7)
        alpha = rho / (2 * lmbda)
        # The first alpha, 0.075, decreases for x by an exponent of its own.
        gamma = 0.075 / 0.5 * (t + 1) ** -exponents[1]
        if exponents == (1 / 7, 5 / 7):
            assert gamma == pytest.approx(alpha / 0.5, rel=1e-12)
        for _ in range(2):
            w = w - rho * G.grad_z(inner_batch(), w, x)
        for _ in range(2):
            g = G.grad_z(inner_batch(), y, x)
            y = y - alpha * (F.grad_z(outer_batch(), y, x) + lmbda * g)
        g2_y = G.grad_x(inner_batch(), y, x)
        g2_w = G.grad_x(inner_batch(), w, x)
        f2 = F.grad_x(outer_batch(), y, x)
        x = x - gamma * (f2 + lmbda * (g2_y - g2_w))
    np.testing.assert_allclose(result["inner_var"], w, rtol=1e-11)
    np.testing.assert_allclose(solver.y, y, rtol=1e-11)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-11)
    assert result["oracle_calls"] == calls


def one_iteration(problem, batch_size, inner_order, outer_order):
    """w, y and x after one iteration on the given batches."""
    G, F = problem.batches(batch_size)
    samplers = [Sampler(np.random.default_rng(0), np.array(order),
                        np.zeros(1, np.int64))
                for order in (inner_order, outer_order)]
    w, y = problem.inner_start.copy(), problem.inner_start.copy()
    x = problem.outer_start.copy()
    f2sa(G, F, *samplers, w, y, x, 0.5, 0.5, 2.0, 1 / 7, 5 / 7, 1, 0, 1)
    return np.concatenate([w, y, x])


def test_one_iteration_is_unbiased(quadratic):
    # The gradients are affine and every batch is fresh, so that the average
    # over all choices (a short last batch included) is the full iteration.
    average = np.mean([
        one_iteration(quadratic, 16, i, j)
        for i in product(range(2), repeat=4)
        for j in product(range(2), repeat=2)], axis=0)
    full = one_iteration(quadratic, "full", [0] * 4, [0] * 2)
    np.testing.assert_allclose(average, full, rtol=1e-12, atol=1e-12)


def test_full_batch_follows_the_penalised_minimiser(quadratic):
    n_iterations = 10_000
    solver = make_solver("F2SA", quadratic, step_size=1.0, outer_ratio=0.2,
                         batch_size="full", lmbda0=5.0, n_inner_steps=5,
                         eval_freq=1000)
    result = run_solver(solver, n_iterations)
    y, x = penalised_minimiser(quadratic, 5.0 * n_iterations ** (1 / 7))
    # The bias of the multiplier is well above what the iterates lag behind.
    assert np.linalg.norm(x - quadratic.minimum[0]) > 3e-2
    np.testing.assert_allclose(result["outer_var"], x, atol=2e-3)
    np.testing.assert_allclose(solver.y, y, atol=2e-3)
    gap = metrics(
        quadratic, result["inner_var"], result["outer_var"])["value_gap"]
    floor = metrics(quadratic, y, x)["value_gap"]
    assert 0.5 * floor < gap < floor + 5e-5


def test_below_its_bound_the_multiplier_gives_no_gradient_of_h(quadratic):
    # lmbda0 >= 2 L_F / mu_G is 6 here; D_x at exact w and y, by one step.
    G, F = quadratic.inner, quadratic.outer
    mu = np.linalg.eigvalsh(G.mean_A)[0]
    bound = 2 * np.linalg.eigvalsh(F.mean_A)[-1] / mu
    J, z_0 = inner_solution(quadratic)
    x = quadratic.outer_start
    z = J @ x + z_0
    implicit = J.T @ F.grad_z(z, x)

    def error(lmbda):
        # Steps of 1 on x, and of at most 1 / 2 on y.
        rho = min(1.0, lmbda)
        solver = make_solver(
            "F2SA", quadratic, step_size=rho, outer_ratio=rho / (2 * lmbda),
            batch_size="full", lmbda0=lmbda, n_inner_steps=5000, eval_freq=1)
        D_x = x - run_solver(solver, 1)["outer_var"]
        error = D_x - F.grad_x(z, x) - implicit
        return np.linalg.norm(error) / np.linalg.norm(implicit)

    # Worse than leaving out what z*(x) adds to the gradient; then good.
    assert error(0.01 * bound) > 1
    assert error(bound) < 0.3
    assert error(4 * bound) == pytest.approx(error(2 * bound) / 2, rel=0.1)


@pytest.mark.parametrize("parameter, value", [
    ("lmbda0", 0.0), ("lmbda0", "a"), ("lmbda_exponent", 1.0),
    ("lmbda_exponent", -0.1), ("outer_exponent", 1.1),
    ("outer_exponent", "a"), ("n_inner_steps", 0)])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("F2SA", quadratic, batch_size=8, **{parameter: value})
