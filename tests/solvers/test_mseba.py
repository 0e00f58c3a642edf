"""MSEBA: the formulas, its two kinds of estimate, convergence."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy.testing import assert_allclose
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
from numpy_zero_sarah import ZeroSarah, large_adjoint

from benchmark_utils.methods import memory
from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics


def transcription(solver, n_iterations):
    """z, v, x, oracle calls, and which iterations took all samples."""
    problem, size, eta = solver.problem, solver.batch_size, solver.eta
    G, F = problem.inner, problem.outer
    rho, gamma = solver.step_size, solver.step_size / solver.outer_ratio
    prob = solver.prob
    if prob is None:
        prob = size / (G.n_samples + F.n_samples)
    rng, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    estimate = ZeroSarah(inner_batches.order.size, z.size)
    last, calls, full = (z, v, x), 0, []
    for t in range(n_iterations):
        k = draw(inner_batches)
        block = numpy_block(G, size, k)
        D_z = estimate.update(k, block.grad_z(z, x),
                              block.grad_z(last[0], last[2]),
                              eta if t else 1.0)
        calls += 2 * batch_samples(G, size, k)

        i, j = draw(inner_batches), draw(outer_batches)
        coin = rng.random() < prob
        full.append(t == 0 or coin)
        if full[-1]:
            _, D_v, D_x = numpy_directions(G, F, z, v, x)
            calls += 2 * G.n_samples + 2 * F.n_samples
        else:
            blocks = numpy_block(G, size, i), numpy_block(F, size, j)
            _, new_v, new_x = numpy_directions(*blocks, z, v, x)
            _, old_v, old_x = numpy_directions(*blocks, *last)
            D_v, D_x = D_v + new_v - old_v, D_x + new_x - old_x
            calls += (4 * batch_samples(G, size, i)
                      + 4 * batch_samples(F, size, j))
        last = z, v, x
        z, v, x = z - rho * D_z, v - rho * D_v, G.project(x - gamma * D_x)
        if solver.radius is not None:
            v = v * min(1.0, solver.radius / np.linalg.norm(v))
    return z, v, x, calls, full


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("radius", [None, 0.05])
def test_iterations_match_the_formula(request, name, batch_size, radius):
    problem = get_problem(request, name)
    outer_ratio = 0.005 if name == "constrained" else 0.1
    solver = make_solver(
        "MSEBA", problem, step_size=0.2, outer_ratio=outer_ratio, eta=0.3,
        prob=0.3, radius=radius, batch_size=batch_size, eval_freq=1)
    z, v, x, calls, full = transcription(solver, 14)
    # Both kinds of iteration are tested.
    assert any(full[1:]) and not all(full[1:])
    result = run_solver(solver, 14)
    assert_iterates(result, z, x)
    assert_allclose(solver.v, v, rtol=1e-10, atol=1e-13)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)
    assert radius is None or np.linalg.norm(v) == pytest.approx(0.05)


def test_default_probability(quadratic):
    solver = make_solver("MSEBA", quadratic, step_size=0.1, batch_size=8,
                         eval_freq=1)
    *_, calls, full = transcription(solver, 60)
    assert run_solver(solver, 60)["oracle_calls"] == calls
    assert 1 < sum(full) < 25  # 60 of 8 / 56 on average.


def test_with_probability_1_only_z_is_estimated(quadratic):
    """v and x follow the directions on all samples, at the z that come."""
    solver = make_solver("MSEBA", quadratic, step_size=0.1, outer_ratio=2.0,
                         prob=1, batch_size=8, eval_freq=1)
    points = []

    def callback():
        points.append((solver.z.copy(), solver.v.copy(), solver.x.copy()))
        return len(points) <= 20

    solver.run(callback)
    for now, then in zip(points[:-1], points[1:], strict=True):
        _, D_v, D_x = numpy_directions(
            quadratic.inner, quadratic.outer, *now)
        assert_allclose(then[1], now[1] - 0.1 * D_v, rtol=1e-11, atol=1e-13)
        assert_allclose(then[2], now[2] - 0.05 * D_x, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("eta", [0.01, 1.0])
def test_on_all_samples_it_is_soba_with_constant_steps(quadratic, eta):
    common = {"step_size": 0.3, "outer_ratio": 2.0, "batch_size": "full",
              "eval_freq": 1}
    ours = make_solver("MSEBA", quadratic, eta=eta, **common)
    soba = make_solver("Template", quadratic, **common)
    results = run_solver(ours, 40), run_solver(soba, 40)
    for name in ("inner_var", "outer_var"):
        assert_allclose(results[0][name], results[1][name], rtol=1e-11)


def test_at_rest_the_estimates_tend_to_the_directions(quadratic):
    """Not to three times them, as D_z of a public code."""
    solver = make_solver("MSEBA", quadratic, step_size=1e-12, eta=0.05,
                         batch_size=4, eval_freq=1000)
    run_solver(solver, 1000)
    expected = numpy_directions(quadratic.inner, quadratic.outer, solver.z,
                                solver.v, solver.x)
    for estimate, exact in zip(solver.D, expected, strict=True):
        assert np.linalg.norm(exact) > 0.1
        assert_allclose(estimate, exact, rtol=1e-8)


@pytest.mark.parametrize("eta", [0.01, 0.1, 1.0])
def test_reaches_the_minimiser(quadratic, eta):
    solver = make_solver("MSEBA", quadratic, step_size=0.05, outer_ratio=1.0,
                         eta=eta, batch_size=4, eval_freq=1000)
    result = run_solver(solver, 20_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert judged["grad_norm"] < 1e-10
    assert judged["inner_distance"] < 1e-10


def test_large_adjoint_variables_are_not_cut():
    problem, x_star, v_star = large_adjoint()
    solver = make_solver("MSEBA", problem, step_size=0.3, outer_ratio=300.0,
                         batch_size="full", eval_freq=1000)
    x = run_solver(solver, 4000)["outer_var"]
    assert_allclose(x, x_star, rtol=1e-9)
    assert_allclose(solver.v, v_star, rtol=1e-9)


def test_too_large_a_memory_is_refused(logistic, monkeypatch):
    """The table of g and its average, p = 6."""
    monkeypatch.setattr(memory, "MAX_MEMORY", 8 * 6 * (10 + 1))
    make_solver("MSEBA", logistic, batch_size=20)
    with pytest.raises(ValueError, match="batch_size=19 .* all 11 batches"):
        make_solver("MSEBA", logistic, batch_size=19)


def test_without_eta_it_is_zero_sarahs(quadratic):
    # Batches of 12 leave 2 of G and 3 of F.
    common = {"batch_size": 12, "eval_freq": 1}
    ours = make_solver("MSEBA", quadratic, eta=None, **common)
    result = run_solver(ours, 30)
    same = run_solver(
        make_solver("MSEBA", quadratic, eta=0.25, **common), 30)
    assert_iterates(result, same["inner_var"], same["outer_var"])


@pytest.mark.parametrize("parameter, value", [
    ("eta", 0.0), ("eta", 1.5), ("eta", "a"), ("prob", 0.0), ("prob", 1.5),
    ("prob", "a"), ("radius", 0.0), ("radius", np.nan)])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=parameter):
        make_solver("MSEBA", quadratic, batch_size=8, **{parameter: value})
