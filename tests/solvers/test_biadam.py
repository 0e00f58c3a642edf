"""BiAdam and VR-BiAdam: the formulas, MRBO as a special case, first steps."""
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
    replay,
)

from benchmark_utils.methods.sampling import draw

VARIANTS = ["BiAdam", "VR-BiAdam"]


def transcription(solver, n_iterations, e):
    """z, x and the number of oracle calls, in plain NumPy."""
    problem, b, K = solver.problem, solver.batch_size, solver.n_neumann_steps
    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    z, x = last = problem.inner_start, problem.outer_start
    w, a = None, [np.zeros_like(z), np.zeros_like(x)]
    calls = 0
    for t in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        batches = [i, *(draw(inner_batches) for _ in range(K + 1))]
        G_i, *factors, G_k = (numpy_block(G, b, k) for k in batches)
        F_j = numpy_block(F, b, j)

        def directions(z, x, G_i=G_i, G_k=G_k, F_j=F_j, factors=factors):
            v = sum_series([factor.hessian(z, x) for factor in factors],
                           F_j.grad_z(z, x), solver.neumann_step_size)
            return [G_i.grad_z(z, x), F_j.grad_x(z, x) + G_k.cross(z, x, v)]

        now, n_points = directions(z, x), 1
        if t == 0:
            w = now
        elif solver.variant == "VR-BiAdam":
            c = 1 - min(1.0, solver.theta * t ** (-2 * e))
            w = [new + c * (average - old) for new, average, old in zip(
                now, w, directions(*last), strict=True)]
            n_points = 2
        else:
            c = 1 - min(1.0, solver.theta * t ** -e)
            w = [(1 - c) * new + c * average
                 for new, average in zip(now, w, strict=True)]
        calls += n_points * (
            sum(batch_samples(G, b, k) for k in batches)
            + 2 * batch_samples(F, b, j))
        beta = 1 - solver.theta_2
        a = [beta * s + (1 - beta) * d**2 for s, d in zip(a, w, strict=True)]
        steps = [d / (np.sqrt(s / (1 - beta ** (t + 1))) + solver.epsilon)
                 for s, d in zip(a, w, strict=True)]
        if solver.inner == "SGD":
            steps[0] = w[0]
        last = z, x
        rho = solver.step_size * (t + 1) ** -e
        z, x = z - rho * steps[0], G.project(
            x - rho / solver.outer_ratio * steps[1])
    return z, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("variant, e", [
    ("BiAdam", 1 / 2), ("VR-BiAdam", 1 / 3), ("BiAdam", 0.0)])
@pytest.mark.parametrize("inner", ["Adam", "SGD"])
def test_iterations_match_the_formula(request, name, batch_size, variant, e,
                                      inner):
    problem = get_problem(request, name)
    outer_ratio = 0.2 if name == "constrained" else 4.0
    solver = make_solver(
        "BiAdam", problem, step_size=0.2, outer_ratio=outer_ratio,
        variant=variant, inner=inner, step_exponent=None if e else 0.0,
        theta=0.4, theta_2=0.2, epsilon=1e-2, n_neumann_steps=3,
        neumann_step_size=0.3, batch_size=batch_size, eval_freq=1)
    z, x, calls = transcription(solver, 8, e)
    result = run_solver(solver, 8)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


@pytest.mark.parametrize("variant, calls", [
    # g, ten factors, f1, f2 and the cross derivative; then at two points.
    ("BiAdam", 8 * 14 * 5), ("VR-BiAdam", 8 * 14 * (1 + 2 * 4))])
def test_oracle_calls_by_hand(quadratic, variant, calls):
    solver = make_solver("BiAdam", quadratic, batch_size=8, variant=variant,
                         eval_freq=5)
    assert run_solver(solver, 5)["oracle_calls"] == calls


def test_with_a_large_epsilon_vr_biadam_is_mrbo(quadratic):
    """The old point is the old one, and a has no say."""
    epsilon, common = 1e9, {"batch_size": 8, "eval_freq": 1}
    ours = make_solver(
        "BiAdam", quadratic, step_size=0.3, outer_ratio=3.0 / epsilon,
        variant="VR-BiAdam", inner="SGD", theta=0.5, epsilon=epsilon,
        n_neumann_steps=4, neumann_step_size=0.4, **common)
    mrbo = make_solver("MRBO", quadratic, step_size=0.3, outer_ratio=3.0,
                       eta=0.5, n_neumann_steps=4, neumann_step_size=0.4,
                       **common)
    mrbo._seed = ours._seed
    results = run_solver(ours, 30), run_solver(mrbo, 30)
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(results[0][key], results[1][key],
                                   rtol=1e-7, atol=1e-8)


def test_full_batch_vr_biadam_does_not_depend_on_theta(logistic):
    # Without noise the recursion telescopes to the direction itself.
    ends = [run_solver(make_solver(
        "BiAdam", logistic, variant="VR-BiAdam", theta=theta,
        batch_size="full", eval_freq=1), 20) for theta in (1e-6, 0.5, 1e6)]
    for end in ends[:2]:
        for key in ("inner_var", "outer_var"):
            np.testing.assert_allclose(end[key], ends[2][key], rtol=1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_memory_each_entry_makes_the_same_step(quadratic, variant):
    solver = make_solver(
        "BiAdam", quadratic, step_size=0.3, outer_ratio=6.0, theta=1.0,
        theta_2=1.0, epsilon=0.0, step_exponent=0.0, variant=variant,
        batch_size=8, eval_freq=1)
    points = []

    def callback():
        points.append(solver.x.copy())
        return len(points) <= 50

    solver.run(callback)
    np.testing.assert_allclose(np.abs(np.diff(points, axis=0)), 0.05)


@pytest.mark.parametrize("theta_2", [1e-3, 0.01, 0.5])
def test_first_step_has_the_length_that_is_asked_for(quadratic, theta_2):
    """Not 1 / sqrt(theta_2) times it, as without correction of a."""
    solver = make_solver(
        "BiAdam", quadratic, step_size=0.3, outer_ratio=6.0, epsilon=0.0,
        theta_2=theta_2, batch_size=8, eval_freq=1)
    result = run_solver(solver, 1)
    np.testing.assert_allclose(
        np.abs(result["outer_var"] - quadratic.outer_start), 0.05)
    np.testing.assert_allclose(
        np.abs(result["inner_var"] - quadratic.inner_start), 0.3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_full_batch_reaches_the_fixed_point_of_the_series(quadratic, variant):
    z, x, slope = biased_fixed_point(
        quadratic, truncated_inverse(quadratic, 0.5, 4))
    solver = make_solver(
        "BiAdam", quadratic, step_size=1.0, outer_ratio=1.0, variant=variant,
        inner="SGD", epsilon=1.0, n_neumann_steps=3, neumann_step_size=0.5,
        batch_size="full", eval_freq=1000)
    result = run_solver(solver, 10_000)
    np.testing.assert_allclose(result["outer_var"], x, atol=1e-8)
    np.testing.assert_allclose(result["inner_var"], z, atol=1e-8)
    assert np.linalg.norm(x - quadratic.minimum[0]) > 1e-2


@pytest.mark.parametrize("bad", [
    {"variant": "Adam"}, {"inner": "adam"}, {"step_exponent": -0.1},
    {"step_exponent": "a"}, {"theta": 0.0}, {"theta_2": 1.5},
    {"epsilon": -1.0}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("BiAdam", quadratic, batch_size=8, **bad)
