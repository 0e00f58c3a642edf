"""FMBO: the recursion, what is left of it without memory, and its ball."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    get_problem,
    numpy_block,
    numpy_directions,
    numpy_start,
    numpy_storm,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

STEPS = {"step_size": 0.5, "outer_ratio": 0.1, "eval_freq": 1}


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("radius", [None, 0.05])
def test_iterations_match_the_formula(request, name, batch_size, radius):
    problem = get_problem(request, name)
    solver = make_solver("FMBO", problem, batch_size=batch_size, eta=0.8,
                         radius=radius, **STEPS)
    z, v, x, calls = numpy_storm(solver, 12, numpy_directions, (3, 2))
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or radius or np.any(x == 0.0)
    np.testing.assert_allclose(solver.v, v, rtol=1e-10)
    # The ball is a constraint here, and none by default.
    norm = np.linalg.norm(solver.v)
    assert norm > 0.06 if radius is None else norm == pytest.approx(0.05)


def test_with_large_eta_it_is_soba_with_exponent_one_third(quadratic):
    solver = make_solver("FMBO", quadratic, batch_size=9, eta=1e6, **STEPS)
    result = run_solver(solver, 12)
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(quadratic)
    for t in range(12):
        G = numpy_block(quadratic.inner, 9, draw(inner_batches))
        F = numpy_block(quadratic.outer, 9, draw(outer_batches))
        D_z, D_v, D_x = numpy_directions(G, F, z, v, x)
        rho = 0.5 * (t + 1) ** (-1 / 3)
        z, v, x = z - rho * D_z, v - rho * D_v, x - rho / 0.1 * D_x
    assert_iterates(result, z, x)


def test_constant_without_memory_it_is_the_template(quadratic):
    # SOBA's directions with constant steps.
    solver = make_solver("FMBO", quadratic, batch_size=9, eta=1.0,
                         step_exponent=0.0, **STEPS)
    template = make_solver("Template", quadratic, batch_size=9, **STEPS)
    template._seed = solver._seed
    expected = run_solver(template, 12)
    assert_iterates(run_solver(solver, 12), expected["inner_var"],
                    expected["outer_var"])


def test_full_batch_does_not_depend_on_eta(logistic):
    # Without noise the recursion telescopes to the directions themselves.
    ends = [run_solver(make_solver(
        "FMBO", logistic, batch_size="full", eta=eta, **STEPS), 20)
        for eta in (1e-6, 0.5, 1e6)]
    for end in ends[:2]:
        assert_iterates(end, ends[2]["inner_var"], ends[2]["outer_var"])


def test_oracle_calls_by_hand(quadratic):
    # In batches of 8: 3 derivatives of G and 2 of F, at two points but for
    # the first iteration.
    solver = make_solver("FMBO", quadratic, batch_size=8, eval_freq=1)
    assert run_solver(solver, 10)["oracle_calls"] == 8 * 5 * (1 + 2 * 9)


def test_momentum_lowers_the_noise(quadratic):
    # Same steps and batches: the directions near the end are less noisy.
    gaps = []
    for eta in (0.5, 1e6):
        solver = make_solver("FMBO", quadratic, batch_size=4, eta=eta,
                             step_size=0.5, eval_freq=500)
        result = run_solver(solver, 4000)
        gaps.append(metrics(quadratic, result["inner_var"],
                            result["outer_var"])["value_gap"])
    assert gaps[0] < 0.2 * gaps[1]


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("FMBO", quadratic, step_size=1.0, outer_ratio=2.0,
                         batch_size="full", eval_freq=1000)
    result = run_solver(solver, 3000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-10
    assert judged["inner_distance"] < 1e-6


@pytest.mark.parametrize("parameter, value", [
    ("eta", 0.0), ("eta", np.nan), ("eta", "a"), ("step_exponent", -0.1),
    ("step_exponent", 1.0), ("step_exponent", "a"), ("radius", 0.0),
    ("radius", -1.0), ("radius", np.inf), ("radius", "a")])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("FMBO", quadratic, batch_size=8, **{parameter: value})
