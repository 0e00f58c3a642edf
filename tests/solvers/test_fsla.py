"""FSLA: the formulas, with and without momentum, and convergence."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    batch_samples,
    get_problem,
    numpy_block,
    numpy_start,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

STEPS = {"step_size": 0.5, "outer_ratio": 0.1}


def transcription(solver, problem, n_iterations, eta):
    """z, x and the number of oracle calls; without momentum if eta = None."""
    b = solver.batch_size
    _, inner_batches, outer_batches = replay(solver)
    calls = 0

    def inner(n_derivatives):
        nonlocal calls
        k = draw(inner_batches)
        calls += n_derivatives * batch_samples(problem.inner, b, k)
        return numpy_block(problem.inner, b, k)

    def outer(n_derivatives):
        nonlocal calls
        k = draw(outer_batches)
        calls += n_derivatives * batch_samples(problem.outer, b, k)
        return numpy_block(problem.outer, b, k)

    z, v, x = numpy_start(problem)
    last = None
    for t in range(n_iterations):
        rho = 0.5 / np.sqrt(t + 1)
        z = z - rho * inner(1).grad_z(z, x)
        v = v - rho * (inner(1).hessian(z, x) @ v + outer(1).grad_z(z, x))
        # From the second iteration on, the same batches at the last point.
        n_points = 1 if t == 0 else 2
        G, F = inner(n_points), outer(n_points)
        e = G.cross(z, x, v) + F.grad_x(z, x)
        if t == 0 or eta is None:
            d = e
        else:
            z_old, v_old, x_old = last
            e_old = G.cross(z_old, x_old, v_old) + F.grad_x(z_old, x_old)
            d = e + (1 - min(1.0, eta / np.sqrt(t + 1))) * (d - e_old)
        last = z, v, x
        x = problem.inner.project(x - rho / 0.1 * d)
    return z, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver("FSLA", problem, batch_size=batch_size, eta=0.8,
                         eval_freq=1, **STEPS)
    z, x, calls = transcription(solver, problem, 12, eta=0.8)
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_with_large_eta_it_has_no_momentum(quadratic):
    # eta_t = 1 as long as t + 1 <= 16.
    solver = make_solver("FSLA", quadratic, batch_size=9, eta=4.0,
                         eval_freq=1, **STEPS)
    z, x, _ = transcription(solver, quadratic, 16, eta=None)
    assert_iterates(run_solver(solver, 16), z, x)


def test_oracle_calls_by_hand(quadratic):
    # In batches of 8: g, H v, C v of G and f1, f2 of F, then C v and f2
    # again at the last point, but for the first iteration.
    solver = make_solver("FSLA", quadratic, batch_size=8, eval_freq=1)
    assert run_solver(solver, 10)["oracle_calls"] == 8 * (10 * 5 + 9 * 2)


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("FSLA", quadratic, step_size=1.0, outer_ratio=2.0,
                         batch_size="full", eval_freq=1000)
    result = run_solver(solver, 10_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-4


@pytest.mark.parametrize("eta", [0.0, -1.0, np.nan, "a"])
def test_bad_eta_is_named(quadratic, eta):
    with pytest.raises(ValueError, match="eta"):
        make_solver("FSLA", quadratic, batch_size=8, eta=eta)
