"""SLIP: the formulas, steps of fixed length, where they end."""
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

STEPS = {"step_size": 0.3, "outer_ratio": 3.0}


def transcription(solver, problem, n_iterations):
    """z, x and the number of oracle calls, in plain NumPy."""
    G, F, b = problem.inner, problem.outer, solver.batch_size
    rho, gamma = solver.step_size, solver.step_size / solver.outer_ratio
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    d, calls = np.zeros_like(x), 0
    for _ in range(solver.n_warm_up_steps):
        i = draw(inner_batches)
        z = z - rho * numpy_block(G, b, i).grad_z(z, x)
        calls += batch_samples(G, b, i)
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        D_z, D_v, D_x = numpy_directions(
            numpy_block(G, b, i), numpy_block(F, b, j), z, v, x)
        d = (1 - solver.theta) * d + solver.theta * D_x
        z, v = z - rho * D_z, v - rho * D_v
        if d.any():  # Where F does not depend on x, it is 0 until v is not.
            x = x - gamma * d / np.linalg.norm(d)
        x = G.project(x)
        calls += 3 * batch_samples(G, b, i) + 2 * batch_samples(F, b, j)
    return z, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "SLIP", problem, theta=0.4, n_warm_up_steps=2, batch_size=batch_size,
        eval_freq=1, **STEPS)
    z, x, calls = transcription(solver, problem, 12)
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_oracle_calls_by_hand(quadratic):
    # In batches of 8: three steps of z, then 3 derivatives of G and 2 of F.
    solver = make_solver("SLIP", quadratic, batch_size=8, eval_freq=5)
    assert run_solver(solver, 10)["oracle_calls"] == 8 * (3 + 10 * (3 + 2))


def test_each_step_of_x_has_the_same_length(quadratic):
    solver = make_solver("SLIP", quadratic, theta=0.3, batch_size=8,
                         eval_freq=1, **STEPS)
    points = []

    def callback():
        points.append(solver.get_result()["outer_var"])
        return len(points) <= 50

    solver.run(callback)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(lengths, 0.1)


def test_first_step_is_sobas_but_for_its_length(quadratic):
    slip = make_solver("SLIP", quadratic, theta=0.3, batch_size="full",
                       eval_freq=1, **STEPS)
    result = run_solver(slip, 1)
    z, x = quadratic.inner_start, quadratic.outer_start
    for _ in range(slip.n_warm_up_steps):
        z = z - 0.3 * quadratic.inner.grad_z(z, x)
    quadratic.inner_start = z
    soba = run_solver(make_solver(
        "SOBA", quadratic, batch_size="full", eval_freq=1, **STEPS), 1)
    step = soba["outer_var"] - x
    assert_iterates(
        result, soba["inner_var"], x + 0.1 * step / np.linalg.norm(step))


def test_flat_h_moves_nothing(quadratic):
    # With F = 0 and v = 0 the direction is 0, and has no length.
    for name in "ABCab":
        setattr(quadratic.outer, name, 0.0 * getattr(quadratic.outer, name))
    solver = make_solver("SLIP", quadratic, batch_size=8, eval_freq=1)
    result = run_solver(solver, 5)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)
    assert np.all(np.isfinite(result["inner_var"]))


def test_ends_within_the_length_of_a_step(quadratic):
    """In full batch without average: x circles the minimiser, at a distance
    of the order of its steps."""
    distances = []
    for ratio in (50.0, 500.0):
        solver = make_solver(
            "SLIP", quadratic, step_size=0.5, outer_ratio=ratio, theta=1.0,
            batch_size="full", eval_freq=1000)
        result = run_solver(solver, 20_000)
        distance = np.linalg.norm(
            result["outer_var"] - quadratic.minimum[0])
        distances.append(distance * ratio / 0.5)
        judged = metrics(
            quadratic, result["inner_var"], result["outer_var"])
        assert judged["value_gap"] < 10 * (0.5 / ratio) ** 2
    assert 0.1 < distances[0] < 5 and 0.1 < distances[1] < 5


@pytest.mark.parametrize("bad", [
    {"theta": 0.0}, {"theta": 1.5}, {"theta": np.nan},
    {"n_warm_up_steps": 0}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("SLIP", quadratic, batch_size=8, **bad)
