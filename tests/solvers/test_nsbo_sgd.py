"""NSBO-SGD: the formulas, SOBA and Newton's method as its two ends."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    batch_samples,
    get_problem,
    numpy_block,
    numpy_directions,
    numpy_start,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

STILL = 1e300  # An outer_ratio with which x does not move.


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("n_newton_steps", [1, 3])
def test_iterations_match_the_formula(request, name, batch_size,
                                      n_newton_steps):
    problem = get_problem(request, name)
    solver = make_solver(
        "NSBO-SGD", problem, step_size=0.3, outer_ratio=0.05,
        n_newton_steps=n_newton_steps, batch_size=batch_size, eval_freq=1)

    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    calls = 0

    def inner(cost):
        nonlocal calls
        i = draw(inner_batches)
        calls += cost * batch_samples(G, batch_size, i)
        return numpy_block(G, batch_size, i)

    def outer():
        nonlocal calls
        j = draw(outer_batches)
        calls += batch_samples(F, batch_size, j)
        return numpy_block(F, batch_size, j)

    z, v, x = numpy_start(problem)
    for _ in range(6):
        # g and H v cost one each; then two products a step; then C v.
        D_z, D_v, _ = numpy_directions(inner(2), outer(), z, v, x)
        s, w = 0.3 * D_z, 0.3 * D_v
        for _ in range(n_newton_steps):
            H = inner(2).hessian(z, x)
            s, w = s - 0.3 * (H @ s - D_z), w - 0.3 * (H @ w - D_v)
        z, v = z - s, v - w
        # At the new z and v.
        _, _, D_x = numpy_directions(inner(1), outer(), z, v, x)
        x = G.project(x - 6.0 * D_x)
    result = run_solver(solver, 6)
    assert_iterates(result, z, x)
    np.testing.assert_allclose(solver.v, v, rtol=1e-10, atol=1e-13)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_oracle_calls(quadratic):
    """(5 + 2T) b: on batches of 8 all are equal."""
    for n_newton_steps in (0, 1, 4):
        solver = make_solver("NSBO-SGD", quadratic, batch_size=8,
                             n_newton_steps=n_newton_steps, eval_freq=1)
        assert run_solver(solver, 10)["oracle_calls"] == 10 * 8 * (
            5 + 2 * n_newton_steps)


def test_without_further_steps_z_and_v_are_those_of_soba(quadratic):
    """With x at rest, and constant steps, as the template takes them."""
    common = {"step_size": 0.3, "outer_ratio": STILL, "batch_size": "full",
              "eval_freq": 1}
    ours = make_solver("NSBO-SGD", quadratic, n_newton_steps=0, **common)
    soba = make_solver("Template", quadratic, **common)
    results = run_solver(ours, 20), run_solver(soba, 20)
    # 20 steps, each of sums of some 30 terms: 1e-13 of the largest entry.
    np.testing.assert_allclose(
        results[0]["inner_var"], results[1]["inner_var"], rtol=1e-11)
    np.testing.assert_allclose(ours.v, soba.v, rtol=1e-11)
    assert np.linalg.norm(ours.v) > 0.1


def test_with_many_steps_it_is_newtons_method(quadratic):
    """On a quadratic, z is exact after one step and v after two."""
    G, F = quadratic.inner, quadratic.outer
    solver = make_solver(
        "NSBO-SGD", quadratic, step_size=0.5, outer_ratio=STILL,
        batch_size="full", n_newton_steps=400, eval_freq=1)
    z, x = run_solver(solver, 1)["inner_var"], quadratic.outer_start
    z_star = -np.linalg.solve(G.mean_A, G.mean_C.T @ x + G.mean_a)
    v_star = -np.linalg.solve(G.mean_A, F.grad_z(z_star, x))
    np.testing.assert_allclose(z, z_star, rtol=1e-12, atol=1e-13)
    # r is taken before z moves.
    assert np.linalg.norm(solver.v - v_star) > 0.1

    z = run_solver(solver, 2)["inner_var"]
    np.testing.assert_allclose(solver.v, v_star, rtol=1e-12, atol=1e-12)
    estimate = G.cross(z, x, solver.v) + F.grad_x(z, x)
    exact = metrics(quadratic, z, x)["grad_norm"]
    assert abs(np.linalg.norm(estimate) - exact) < 1e-10


@pytest.mark.parametrize("n_newton_steps", [0, 1, 5])
def test_full_batch_reaches_the_minimiser(quadratic, n_newton_steps):
    solver = make_solver("NSBO-SGD", quadratic, step_size=0.3,
                         outer_ratio=1.0, batch_size="full",
                         n_newton_steps=n_newton_steps, eval_freq=1000)
    result = run_solver(solver, 4000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-12
    assert judged["inner_distance"] < 1e-10


@pytest.mark.parametrize("n_newton_steps", [-1, 1.5, "a", 10**7])
def test_bad_number_of_steps_is_named(quadratic, n_newton_steps):
    with pytest.raises(ValueError, match="n_newton_steps"):
        make_solver("NSBO-SGD", quadratic, batch_size=8,
                    n_newton_steps=n_newton_steps)
