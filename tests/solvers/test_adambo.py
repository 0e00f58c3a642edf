"""AdamBO: the formulas, SOBA and StocBiO as special cases, scales of F."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_neumann import biased_fixed_point, sum_series, truncated_inverse
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

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import draw
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics

ADJOINTS = ["neumann", "linear"]
STEPS = {"step_size": 0.3, "outer_ratio": 6.0}


def transcription(solver, n_iterations):
    """z, x and the number of oracle calls, in plain NumPy."""
    problem, b, K = solver.problem, solver.batch_size, solver.n_neumann_steps
    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    m = s = np.zeros_like(x)
    theta, theta_2, calls = solver.theta, solver.theta_2, 0

    def inner():
        nonlocal calls
        i = draw(inner_batches)
        calls += batch_samples(G, b, i)
        return numpy_block(G, b, i)

    def outer():
        nonlocal calls
        j = draw(outer_batches)
        calls += 2 * batch_samples(F, b, j)
        return numpy_block(F, b, j)

    for _ in range(solver.n_warm_up_steps):
        z = z - solver.step_size * inner().grad_z(z, x)
    for t in range(1, n_iterations + 1):
        rho = solver.step_size * t ** -solver.step_exponent
        if solver.adjoint == "linear":
            i, j = draw(inner_batches), draw(outer_batches)
            D_z, D_v, D = numpy_directions(
                numpy_block(G, b, i), numpy_block(F, b, j), z, v, x)
            calls += 3 * batch_samples(G, b, i) + 2 * batch_samples(F, b, j)
            z, v = z - rho * D_z, v - rho * D_v
        else:
            z = z - rho * inner().grad_z(z, x)
            F_j, factors = outer(), [inner() for _ in range(K)]
            v = sum_series([factor.hessian(z, x) for factor in factors],
                           F_j.grad_z(z, x), 0.2)
            D = F_j.grad_x(z, x) + inner().cross(z, x, v)
        m = (1 - theta) * m + theta * D
        s = (1 - theta_2) * s + theta_2 * D**2
        first, second = m / (1 - (1 - theta)**t), s / (1 - (1 - theta_2)**t)
        x = G.project(x - rho / solver.outer_ratio * first / (
            np.sqrt(second) + solver.epsilon))
    return z, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("step_exponent", [0.0, 0.5])
def test_iterations_match_the_formula(request, name, batch_size, adjoint,
                                      step_exponent):
    problem = get_problem(request, name)
    outer_ratio = 0.5 if name == "constrained" else 6.0
    solver = make_solver(
        "AdamBO", problem, step_size=0.3, outer_ratio=outer_ratio,
        theta=0.3, theta_2=0.05, epsilon=1e-3, step_exponent=step_exponent,
        n_warm_up_steps=2, adjoint=adjoint, n_neumann_steps=3,
        neumann_step_size=0.2, batch_size=batch_size, eval_freq=1)
    z, x, calls = transcription(solver, 10)
    result = run_solver(solver, 10)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


@pytest.mark.parametrize("adjoint, calls", [
    # After three steps of z: z, ten factors, f1, f2 and the cross derivative.
    ("neumann", 8 * (3 + 5 * (1 + 10 + 3))), ("linear", 8 * (3 + 5 * 5))])
def test_oracle_calls_by_hand(quadratic, adjoint, calls):
    solver = make_solver("AdamBO", quadratic, batch_size=8, adjoint=adjoint,
                         eval_freq=5)
    assert run_solver(solver, 5)["oracle_calls"] == calls


def test_scale_of_f_is_of_no_consequence(quadratic):
    """With epsilon = 0, to the last bit; a power of two rounds nothing."""
    F, results = quadratic.outer, []
    for scale in (1.0, 2.0**10):
        outer = Quadratic(*(scale * c for c in (F.A, F.B, F.C, F.a, F.b)))
        problem = BilevelProblem(
            quadratic.inner, outer, quadratic.inner_start,
            quadratic.outer_start)
        results.append(run_solver(make_solver(
            "AdamBO", problem, adjoint="linear", epsilon=0.0, batch_size=8,
            eval_freq=10, **STEPS), 50))
    for key in ("inner_var", "outer_var"):
        assert np.array_equal(results[0][key], results[1][key])


@pytest.mark.parametrize("adjoint, other, own", [
    ("linear", "Template", {}),
    ("neumann", "StocBiO", {"n_inner_steps": 1, "n_neumann_steps": 4})])
def test_with_a_large_epsilon_it_is_a_method_without_adam(
        quadratic, adjoint, other, own):
    """(D / (|D| + epsilon)) epsilon tends to D."""
    epsilon, common = 1e9, {"batch_size": 8, "eval_freq": 1}
    ours = make_solver(
        "AdamBO", quadratic, step_size=0.3, outer_ratio=2.0 / epsilon,
        theta=1.0, epsilon=epsilon, n_warm_up_steps=0, adjoint=adjoint,
        n_neumann_steps=4, **common)
    other = make_solver(other, quadratic, step_size=0.3, outer_ratio=2.0,
                        **own, **common)
    other._seed = ours._seed
    results = run_solver(ours, 30), run_solver(other, 30)
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(results[0][key], results[1][key],
                                   rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 1.0])
def test_first_step(quadratic, epsilon):
    solver = make_solver("AdamBO", quadratic, epsilon=epsilon, eval_freq=1,
                         adjoint="linear", batch_size="full", **STEPS)
    x = run_solver(solver, 1)["outer_var"]
    z, x_0 = quadratic.inner_start, quadratic.outer_start
    for _ in range(3):
        z = z - 0.3 * quadratic.inner.grad_z(z, x_0)
    D = quadratic.outer.grad_x(z, x_0)  # As v = 0.
    np.testing.assert_allclose(
        x - x_0, -0.05 * D / (np.abs(D) + epsilon), rtol=1e-10)


def test_no_entry_moves_by_more_than_its_bound(quadratic):
    """gamma theta / sqrt(theta_2) at most (Kingma and Ba, section 2.1)."""
    solver = make_solver("AdamBO", quadratic, batch_size=4, eval_freq=1,
                         theta=0.1, theta_2=0.001, **STEPS)
    points = []

    def callback():
        points.append(solver.x.copy())
        return len(points) <= 2000

    solver.run(callback)
    longest = np.abs(np.diff(points, axis=0)).max()
    assert 0.04 < longest <= 0.05 * 0.1 / np.sqrt(0.001) * (1 + 1e-12)


def test_where_d_is_0_nothing_moves(quadratic):
    for name in "ABCab":
        setattr(quadratic.outer, name, 0.0 * getattr(quadratic.outer, name))
    solver = make_solver("AdamBO", quadratic, epsilon=0.0, batch_size=8,
                         eval_freq=5)
    result = run_solver(solver, 5)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)


def test_reaches_the_minimiser(quadratic):
    """With epsilon of the size of D: else it ends in a cycle, see below."""
    solver = make_solver(
        "AdamBO", quadratic, step_size=0.5, outer_ratio=2.0, epsilon=1.0,
        adjoint="linear", batch_size="full", eval_freq=1000)
    result = run_solver(solver, 4000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert judged["grad_norm"] < 1e-10
    assert judged["inner_distance"] < 1e-10


def test_reaches_the_fixed_point_of_the_series(quadratic):
    z, x, _ = biased_fixed_point(
        quadratic, truncated_inverse(quadratic, 0.5, 4))
    solver = make_solver(
        "AdamBO", quadratic, step_size=0.5, outer_ratio=2.0, epsilon=1.0,
        n_neumann_steps=3, batch_size="full", eval_freq=1000)
    result = run_solver(solver, 4000)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-9)
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-9)
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2


def test_ends_within_some_steps_of_the_minimiser(quadratic):
    start = np.linalg.norm(quadratic.outer_start - quadratic.minimum[0])
    for gamma in (1e-2, 1e-3):
        solver = make_solver(
            "AdamBO", quadratic, step_size=0.5, outer_ratio=0.5 / gamma,
            adjoint="linear", batch_size="full", eval_freq=100)
        distances = []

        def callback(solver=solver, distances=distances):
            distances.append(
                np.linalg.norm(solver.x - quadratic.minimum[0]))
            return solver.t < 20_000

        solver.run(callback)
        assert max(distances[-50:]) < 10 * gamma < 0.1 * start


@pytest.mark.parametrize("bad", [
    {"theta": 0.0}, {"theta_2": 1.5}, {"epsilon": -1.0},
    {"epsilon": np.nan}, {"step_exponent": 2.0}, {"adjoint": "cg"},
    {"n_warm_up_steps": -1}, {"n_neumann_steps": 1.5}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("AdamBO", quadratic, batch_size=8, **bad)
