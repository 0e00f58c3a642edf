"""MA-SOBA: the formulas, SOBA as a special case, convergence."""
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


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "MA-SOBA", problem, step_size=0.5, outer_ratio=0.02, theta=1.5,
        batch_size=batch_size, eval_freq=1)

    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    d, calls = np.zeros_like(x), 0
    for t in range(12):
        i, j = draw(inner_batches), draw(outer_batches)
        D_z, D_v, D_x = numpy_directions(
            numpy_block(G, batch_size, i), numpy_block(F, batch_size, j),
            z, v, x)
        theta = min(1.0, 1.5 / np.sqrt(t + 1))
        rho = 0.5 / np.sqrt(t + 1)
        z, v, x = z - rho * D_z, v - rho * D_v, x - rho / 0.02 * d
        x = G.project(x)
        d = (1 - theta) * d + theta * D_x  # After the step of x.
        calls += (3 * batch_samples(G, batch_size, i)
                  + 2 * batch_samples(F, batch_size, j))
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_x_moves_along_the_average_before_it_is_updated(quadratic):
    """With weights 1, along the direction of SOBA an iteration ago."""
    common = {"step_size": 0.3, "batch_size": 9, "eval_freq": 1}
    moving = make_solver("MA-SOBA", quadratic, theta=5.0, outer_ratio=2.0,
                         **common)
    plain = make_solver("SOBA", quadratic, outer_ratio=2.0, **common)
    plain._seed = moving._seed
    first = run_solver(moving, 1)
    assert np.array_equal(first["outer_var"], quadratic.outer_start)
    # z and v move as SOBA's where x has not: the second step of x is then
    # SOBA's first, with the second step size.
    soba = run_solver(plain, 1)
    np.testing.assert_allclose(
        first["inner_var"], soba["inner_var"], rtol=1e-12)
    second = run_solver(moving, 2)
    np.testing.assert_allclose(
        (second["outer_var"] - quadratic.outer_start) * np.sqrt(2),
        soba["outer_var"] - quadratic.outer_start, rtol=1e-12, atol=1e-14)


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("MA-SOBA", quadratic, step_size=1.0, outer_ratio=2.0,
                         theta=0.5, batch_size="full", eval_freq=1000)
    result = run_solver(solver, 10_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-4


@pytest.mark.parametrize("theta", [0.0, -1.0, np.nan, "a"])
def test_bad_theta_is_named(quadratic, theta):
    with pytest.raises(ValueError, match="theta"):
        make_solver("MA-SOBA", quadratic, batch_size=8, theta=theta)
