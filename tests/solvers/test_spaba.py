"""SPABA: the formulas, SRBA as a special case, linear convergence."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    get_problem,
    numpy_sarah,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "SPABA", problem, step_size=0.3, outer_ratio=0.1, prob=0.3,
        batch_size=batch_size, eval_freq=1)

    rng, inner_batches, outer_batches = replay(solver)
    choices, coins = [], []
    for t in range(14):
        i, j = draw(inner_batches), draw(outer_batches)
        coins.append(rng.random() < 0.3)
        choices.append((t == 0 or coins[t], i, j))
    # Both kinds of iteration are tested, and the rule of the first one.
    assert any(coins[1:]) and not all(coins[1:]) and not coins[0]
    z, x, calls = numpy_sarah(problem, batch_size, choices, 0.3, 3.0)
    result = run_solver(solver, 14)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_with_prob_1_it_is_srba_of_period_1(quadratic):
    common = {"step_size": 0.3, "outer_ratio": 2.0, "batch_size": 9,
              "eval_freq": 1}
    spaba = make_solver("SPABA", quadratic, prob=1, **common)
    srba = make_solver("SRBA", quadratic, period_frac=0.01, **common)
    ours, reference = run_solver(spaba, 15), run_solver(srba, 15)
    # Two loops, which a compiler may fuse in two ways.
    assert_iterates(ours, reference["inner_var"], reference["outer_var"])
    calls = 15 * (3 * 24 + 2 * 32)
    assert ours["oracle_calls"] == reference["oracle_calls"] == calls


@pytest.mark.parametrize("batch_size, prob", [
    (8, 8 / 56), (9, 9 / 56), ("full", 0.5)])
def test_default_prob_is_b_over_n_plus_m(quadratic, batch_size, prob):
    solver = make_solver("SPABA", quadratic, batch_size=batch_size)
    run_solver(solver, 0)
    assert solver.p_full == pytest.approx(prob, rel=1e-14)


@pytest.mark.parametrize("batch_size", [4, "full"])
def test_converges_to_the_minimiser(quadratic, batch_size):
    solver = make_solver("SPABA", quadratic, step_size=0.2, outer_ratio=1.0,
                         batch_size=batch_size, eval_freq=1000)
    result = run_solver(solver, 4000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-6


@pytest.mark.parametrize("prob", [0.0, -0.5, 1.5, np.nan, "a"])
def test_bad_prob_is_named(quadratic, prob):
    with pytest.raises(ValueError, match="prob"):
        make_solver("SPABA", quadratic, batch_size=8, prob=prob)
