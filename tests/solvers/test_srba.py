"""SRBA: the formulas, its limits, and linear convergence."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    get_problem,
    numpy_directions,
    numpy_sarah,
    numpy_start,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "SRBA", problem, step_size=0.3, outer_ratio=0.1, period_frac=0.8,
        batch_size=batch_size, eval_freq=1)

    _, inner_batches, outer_batches = replay(solver)
    # 0.8 (n + m) / b is 4.98 for 56 / 9 and 4.38 for 350 / 64: q = 4.
    choices = [(t % 4 == 0, draw(inner_batches), draw(outer_batches))
               for t in range(11)]
    z, x, calls = numpy_sarah(problem, batch_size, choices, 0.3, 3.0)
    result = run_solver(solver, 11)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


@pytest.mark.parametrize("batch_size, period_frac", [
    (9, 0.01), ("full", 0.5), ("full", 10.0)])
def test_limits_are_full_batch_soba(quadratic, batch_size, period_frac):
    # All samples at every iteration (q = 1); or batches of all samples, for
    # which the recursion is exact (q = 20 too).
    solver = make_solver("SRBA", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size=batch_size, period_frac=period_frac,
                         eval_freq=1)
    z, v, x = numpy_start(quadratic)
    for _ in range(15):
        D_z, D_v, D_x = numpy_directions(
            quadratic.inner, quadratic.outer, z, v, x)
        z, v, x = z - 0.3 * D_z, v - 0.3 * D_v, x - 0.15 * D_x
    assert_iterates(run_solver(solver, 15), z, x)


@pytest.mark.parametrize("batch_size, period_frac, period", [
    (8, 1.0, 7), (8, 0.5, 3), (9, 1.0, 6), (9, 2.0, 12), (9, 1e-9, 1),
    ("full", 1.0, 2), ("full", 0.5, 1), ("full", 10.0, 20)])
def test_period_by_hand(quadratic, batch_size, period_frac, period):
    solver = make_solver("SRBA", quadratic, batch_size=batch_size,
                         period_frac=period_frac, eval_freq=1)
    run_solver(solver, 0)
    assert solver.period == period  # int(period_frac (24 + 32) / b)


@pytest.mark.parametrize("batch_size", [4, "full"])
def test_converges_to_the_minimiser(quadratic, batch_size):
    solver = make_solver("SRBA", quadratic, step_size=0.2, outer_ratio=1.0,
                         batch_size=batch_size, eval_freq=1000)
    result = run_solver(solver, 4000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-6


@pytest.mark.parametrize("period_frac", [0.0, -1.0, np.inf, np.nan, "a"])
def test_bad_period_frac_is_named(quadratic, period_frac):
    with pytest.raises(ValueError, match="period_frac"):
        make_solver("SRBA", quadratic, batch_size=8, period_frac=period_frac)
