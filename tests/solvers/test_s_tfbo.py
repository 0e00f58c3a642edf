"""S-TFBO: the formulas, its bounds on steps, and any first step."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy.linalg import norm
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
    solver = make_solver("S-TFBO", problem, step_size=4.0, outer_ratio=0.05,
                         batch_size=batch_size, eval_freq=1)

    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    beta, c, alpha, calls = 0.25, 0.25, 0.05, 0
    for _ in range(12):
        i, j = draw(inner_batches), draw(outer_batches)
        D_z, D_v, D_x = numpy_directions(
            numpy_block(G, batch_size, i), numpy_block(F, batch_size, j),
            z, v, x)
        beta, c = np.hypot(beta, norm(D_z)), np.hypot(c, norm(D_v))
        alpha = np.hypot(alpha, norm(D_x))
        phi = max(beta, c)
        z, v = z - D_z / beta, v - D_v / phi
        x = G.project(x - D_x / (alpha * phi))
        calls += (3 * batch_samples(G, batch_size, i)
                  + 2 * batch_samples(F, batch_size, j))
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    np.testing.assert_allclose(solver.v, v, rtol=1e-10, atol=1e-13)
    assert result["oracle_calls"] == calls
    # Each of the two is the larger one somewhere.
    assert (beta > c) == (name != "quadratic")


@pytest.mark.parametrize("step_size", [0.1, 10.0, 1e6])
def test_steps_are_bounded_and_sums_grow(quadratic, step_size):
    solver = make_solver("S-TFBO", quadratic, step_size=step_size,
                         batch_size=8, eval_freq=1)
    points, sums = [], []

    def callback():
        points.append((solver.z.copy(), solver.v.copy(), solver.x.copy()))
        sums.append(solver.squares.copy())
        return len(points) <= 50

    solver.run(callback)
    sums = np.array(sums)
    assert np.all(np.diff(sums, axis=0) > 0)
    phi = np.sqrt(sums[1:, :2].max(1))
    z, v, x = (np.array(variable) for variable in zip(*points, strict=True))
    assert np.all(norm(np.diff(z, axis=0), axis=1) <= 1)
    assert np.all(norm(np.diff(v, axis=0), axis=1) <= 1)
    assert np.all(norm(np.diff(x, axis=0), axis=1) <= 1 / phi)


def test_with_small_first_steps_it_is_soba_with_constant_steps(quadratic):
    """Sums that start from 1e10 and 1e8 hardly change in 20 iterations."""
    common = {"step_size": 1e-5, "outer_ratio": 1e4, "batch_size": "full",
              "eval_freq": 1}
    ours = make_solver("S-TFBO", quadratic, **common)
    soba = make_solver("Template", quadratic, **common)
    run_solver(ours, 20), run_solver(soba, 20)
    start = {"z": quadratic.inner_start, "v": 0.0, "x": quadratic.outer_start}
    for name, first in start.items():
        moves = [getattr(solver, name) - first for solver in (ours, soba)]
        assert norm(moves[1]) > (1e-8 if name == "x" else 1e-4)
        np.testing.assert_allclose(
            *moves, rtol=0, atol=1e-5 * norm(moves[1]))


@pytest.mark.parametrize("outer_ratio", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("step_size", [0.1, 1.0, 10.0])
def test_any_first_step_reaches_the_minimiser(quadratic, step_size,
                                              outer_ratio):
    solver = make_solver("S-TFBO", quadratic, step_size=step_size,
                         outer_ratio=outer_ratio, batch_size="full",
                         eval_freq=10_000)
    result = run_solver(solver, 100_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    # A move of less than the rounding of the point is none: where that is
    # depends on the step sizes, which adapt.
    assert judged["grad_norm"] < 1e-10
    assert judged["inner_distance"] < 1e-10


def test_extreme_first_steps_do_not_crash(quadratic):
    for step_size in (1e-300, 1e300):
        solver = make_solver("S-TFBO", quadratic, step_size=step_size,
                             batch_size="full", eval_freq=10)
        assert np.all(np.isfinite(run_solver(solver, 10)["inner_var"]))


def test_mini_batches_bring_it_to_a_stop(quadratic):
    """alpha and phi grow like the root of t: the steps of x, like 1 / t."""
    solver = make_solver("S-TFBO", quadratic, batch_size=4, eval_freq=1000)
    run_solver(solver, 1000)
    early = solver.squares.copy()
    run_solver(solver, 16_000)
    growth = solver.squares / early
    assert np.all((8 < growth) & (growth < 32))
