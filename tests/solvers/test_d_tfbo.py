"""D-TFBO: the formulas, AmIGO as a special case, and any first step."""
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
    numpy_start,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "D-TFBO", problem, step_size=4.0, outer_ratio=0.2, n_inner_steps=3,
        batch_size=batch_size, eval_freq=1)

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
    beta, c, alpha = 0.25, 0.25, 0.05
    for _ in range(4):
        for _ in range(3):
            D_z = inner(1).grad_z(z, x)
            beta = np.hypot(beta, norm(D_z))
            z = z - D_z / beta
        # Three products and one cross derivative with one batch.
        G_i = inner(4)
        for _ in range(3):
            # H v at the present v, not at the first.
            D_v = G_i.hessian(z, x) @ v + outer().grad_z(z, x)
            c = np.hypot(c, norm(D_v))
            v = v - D_v / c
        D_x = G_i.cross(z, x, v) + outer().grad_x(z, x)
        alpha = np.hypot(alpha, norm(D_x))
        x = G.project(x - D_x / alpha)
    result = run_solver(solver, 4)
    assert_iterates(result, z, x)
    np.testing.assert_allclose(solver.v, v, rtol=1e-10, atol=1e-13)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_oracle_calls(quadratic):
    """(2 + 3T) b: on batches of 8 all are equal."""
    for n_inner_steps in (1, 10):
        solver = make_solver("D-TFBO", quadratic, batch_size=8,
                             n_inner_steps=n_inner_steps, eval_freq=1)
        assert run_solver(solver, 6)["oracle_calls"] == 6 * 8 * (
            2 + 3 * n_inner_steps)


@pytest.mark.parametrize("step_size", [0.1, 10.0, 1e6])
def test_steps_are_bounded_and_sums_grow(quadratic, step_size):
    """Of x at every step; of z and v, T steps are no longer than T."""
    solver = make_solver("D-TFBO", quadratic, step_size=step_size, eval_freq=1,
                         batch_size=8, n_inner_steps=4)
    points, sums = [], []

    def callback():
        points.append((solver.z.copy(), solver.v.copy(), solver.x.copy()))
        sums.append(solver.squares.copy())
        return len(points) <= 50

    solver.run(callback)
    assert np.all(np.diff(np.array(sums), axis=0) > 0)
    for variable, most in zip(zip(*points, strict=True), (4, 4, 1),
                              strict=True):
        assert np.all(norm(np.diff(np.array(variable), axis=0), axis=1)
                      <= most)


def test_with_small_first_steps_it_is_amigo(quadratic):
    """Sums that start from 1e10 hardly change; one batch serves H and C."""
    common = {"step_size": 1e-5, "outer_ratio": 0.5, "batch_size": "full",
              "n_inner_steps": 3, "eval_freq": 1}
    ours = make_solver("D-TFBO", quadratic, **common)
    amigo = make_solver("AmIGO", quadratic, **common)
    run_solver(ours, 8), run_solver(amigo, 8)
    start = {"z": quadratic.inner_start, "v": 0.0, "x": quadratic.outer_start}
    for name, first in start.items():
        moves = [getattr(solver, name) - first for solver in (ours, amigo)]
        assert norm(moves[1]) > 1e-5
        np.testing.assert_allclose(
            *moves, rtol=0, atol=1e-5 * norm(moves[1]))


def test_the_product_with_the_hessian_is_not_stale(quadratic):
    """With H v left at the first v, steps on v would go on along f1."""
    solver = make_solver("D-TFBO", quadratic, batch_size="full",
                         n_inner_steps=2000, eval_freq=1)
    z, x = run_solver(solver, 1)["inner_var"], quadratic.outer_start
    G, F = quadratic.inner, quadratic.outer
    v_star = -np.linalg.solve(G.mean_A, F.grad_z(z, x))
    np.testing.assert_allclose(solver.v, v_star, rtol=1e-10)


@pytest.mark.parametrize("outer_ratio", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("step_size", [0.1, 1.0, 10.0])
def test_any_first_step_reaches_the_minimiser(quadratic, step_size,
                                              outer_ratio):
    solver = make_solver("D-TFBO", quadratic, step_size=step_size,
                         outer_ratio=outer_ratio, batch_size="full",
                         eval_freq=1000)
    result = run_solver(solver, 10_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    # A move of less than the rounding of the point is none: where that is
    # depends on the step sizes, which adapt.
    assert judged["grad_norm"] < 1e-10
    assert judged["inner_distance"] < 1e-10
