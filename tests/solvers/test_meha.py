"""MEHA: the formula, and the bias that its multiplier leaves."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_fixed_points import penalised_minimiser
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    batch_samples,
    get_problem,
    numpy_block,
    replay,
)

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import draw
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
def test_iterations_match_the_formula(request, name, batch_size):
    problem = get_problem(request, name)
    solver = make_solver(
        "MEHA", problem, step_size=0.4, outer_ratio=0.05, lmbda0=1.5,
        lmbda_exponent=0.3, tau=0.8, batch_size=batch_size, eval_freq=1)
    result = run_solver(solver, 6)

    _, inner_batches, outer_batches = replay(solver)
    z = w = problem.inner_start
    x = problem.outer_start
    calls = 0
    for t in range(6):
        i, j = draw(inner_batches), draw(outer_batches)
        G = numpy_block(problem.inner, batch_size, i)
        F = numpy_block(problem.outer, batch_size, j)
        c = 1.5 * (t + 1) ** 0.3
        w = w - 0.4 * (G.grad_z(w, x) + (w - z) / 0.8)
        x = problem.inner.project(x - 8.0 * (
            F.grad_x(z, x) / c + G.grad_x(z, x) - G.grad_x(w, x)))
        z = z - 0.4 * (
            F.grad_z(z, x) / c + G.grad_z(z, x) - (z - w) / 0.8)
        # g and g2 at w and at z; f1 and f2.
        calls += (4 * batch_samples(problem.inner, batch_size, i)
                  + 2 * batch_samples(problem.outer, batch_size, j))
    assert_iterates(result, z, x)
    np.testing.assert_allclose(solver.w, w, rtol=1e-10)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_oracle_calls_by_hand(quadratic):
    solver = make_solver("MEHA", quadratic, batch_size=8, eval_freq=1)
    assert run_solver(solver, 10)["oracle_calls"] == 10 * 6 * 8


def fixed_point(problem, c, tau):
    """(z, x) at rest, where c does not grow."""
    G, F = problem.inner, problem.outer
    p, d = problem.inner_dim, problem.outer_dim

    def residual(s):
        z, w, x = s[:p], s[p:2 * p], s[2 * p:]
        return np.concatenate([
            F.grad_z(z, x) / c + G.grad_z(z, x) - (z - w) / tau,
            G.grad_z(w, x) + (w - z) / tau,
            F.grad_x(z, x) / c + G.grad_x(z, x) - G.grad_x(w, x)])

    at_zero = residual(np.zeros(2 * p + d))
    matrix = np.column_stack([
        residual(e) - at_zero for e in np.eye(2 * p + d)])
    s = -np.linalg.solve(matrix, at_zero)
    return s[:p], s[2 * p:]


def settled(problem, c, tau):
    solver = make_solver(
        "MEHA", problem, step_size=0.8, outer_ratio=1.0, lmbda0=c,
        lmbda_exponent=0.0, tau=tau, batch_size="full", eval_freq=1000)
    return run_solver(solver, int(1000 * max(5, c)))


@pytest.mark.parametrize("tau", [2.0, 10.0, 1e300])
def test_bias_floor_halves_as_the_multiplier_doubles(quadratic, tau):
    # Multiplied by c instead of divided, F would drive it away.
    biases = []
    for c in (10.0, 20.0):
        z, x = fixed_point(quadratic, c, tau)
        result = settled(quadratic, c, tau)
        np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
        np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
        biases.append(np.linalg.norm(x - quadratic.minimum[0]))
    assert biases[1] > 1e-3
    assert biases[0] / biases[1] == pytest.approx(2.0, abs=0.25)


def test_without_proximal_term_its_floor_is_that_of_the_penalty(quadratic):
    # Of V-PBGD: the steps are others, the points at rest the same.
    z, x = fixed_point(quadratic, 10.0, np.inf)
    expected_z, expected_x = penalised_minimiser(quadratic, 10.0)
    np.testing.assert_allclose(z, expected_z, rtol=1e-10)
    np.testing.assert_allclose(x, expected_x, rtol=1e-10)


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_exact_for_every_multiplier_where_f_is_linear_in_z(quadratic, tau):
    F = quadratic.outer
    F = Quadratic(np.zeros_like(F.A), F.B, np.zeros_like(F.C), F.a, F.b)
    problem = BilevelProblem(quadratic.inner, F, quadratic.inner_start,
                             quadratic.outer_start)
    for c in (1.0, 5.0):
        solver = make_solver(
            "MEHA", problem, step_size=0.4, outer_ratio=1.0, lmbda0=c,
            lmbda_exponent=0.0, tau=tau, batch_size="full", eval_freq=1000)
        result = run_solver(solver, 10_000)
        assert metrics(problem, result["inner_var"],
                       result["outer_var"])["grad_norm"] < 1e-8


def test_a_growing_multiplier_goes_below_the_first_floor(quadratic):
    solver = make_solver(
        "MEHA", quadratic, step_size=0.8, outer_ratio=1.0, lmbda0=5.0,
        lmbda_exponent=0.25, tau=2.0, batch_size="full", eval_freq=1000)
    result = run_solver(solver, 10_000)
    # lambda has grown to 50.
    _, x = fixed_point(quadratic, 50.0, 2.0)
    np.testing.assert_allclose(result["outer_var"], x, atol=2e-3)
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2


@pytest.mark.parametrize("parameter, value", [
    ("lmbda0", 0.0), ("lmbda0", "a"), ("lmbda_exponent", -0.1),
    ("lmbda_exponent", 0.5), ("lmbda_exponent", "a"), ("tau", 0.0),
    ("tau", -1.0), ("tau", np.inf), ("tau", "a")])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("MEHA", quadratic, batch_size=8, **{parameter: value})
