"""SFFBA: the formulas, SABA and full batches as special cases, its limit."""
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
    numpy_start,
    replay,
)
from numpy_zero_sarah import ZeroSarah, large_adjoint

from benchmark_utils.methods import memory
from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics


def terms(G, F, z, v, x):
    """g, H v, C v, f1 and f2."""
    return (G.grad_z(z, x), G.hessian(z, x) @ v, G.cross(z, x, v),
            F.grad_z(z, x), F.grad_x(z, x))


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("radius", [None, 0.05])
def test_iterations_match_the_formula(request, name, batch_size, radius):
    problem = get_problem(request, name)
    outer_ratio = 0.005 if name == "constrained" else 0.1
    solver = make_solver(
        "SFFBA", problem, step_size=0.2, outer_ratio=outer_ratio, eta=0.3,
        radius=radius, batch_size=batch_size, eval_freq=1)

    G, F = problem.inner, problem.outer
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    N, M = inner_batches.order.size, outer_batches.order.size
    estimates = [ZeroSarah(*shape) for shape in (
        (N, z.size), (N, z.size), (N, x.size), (M, z.size), (M, x.size))]
    last, calls = (z, v, x), 0
    for t in range(12):
        i, j = draw(inner_batches), draw(outer_batches)
        blocks = numpy_block(G, batch_size, i), numpy_block(F, batch_size, j)
        g, Hv, Cv, f1, f2 = (
            estimate.update(k, new, old, 0.3 if t else 1.0)
            for estimate, k, new, old in zip(
                estimates, (i, i, i, j, j), terms(*blocks, z, v, x),
                terms(*blocks, *last), strict=True))
        last = z, v, x
        z, v = z - 0.2 * g, v - 0.2 * (Hv + f1)
        x = x - 0.2 / outer_ratio * (Cv + f2)
        if radius is not None:
            v = v * min(1.0, radius / np.linalg.norm(v))
        x = G.project(x)
        # Five derivatives at two points.
        calls += (6 * batch_samples(G, batch_size, i)
                  + 4 * batch_samples(F, batch_size, j))
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert_allclose(solver.v, v, rtol=1e-10, atol=1e-13)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)
    assert radius is None or np.linalg.norm(v) == pytest.approx(0.05)


def test_with_eta_1_it_is_saba_with_an_empty_memory(quadratic):
    common = {"step_size": 0.1, "outer_ratio": 2.0, "batch_size": 9,
              "eval_freq": 1}
    ours = make_solver("SFFBA", quadratic, eta=1, **common)
    saba = make_solver("SABA", quadratic, memory_init="zero", **common)
    saba._seed = ours._seed
    results = run_solver(ours, 40), run_solver(saba, 40)
    for name in ("inner_var", "outer_var"):
        assert_allclose(results[0][name], results[1][name], rtol=1e-11)
    assert results[0]["oracle_calls"] == 2 * results[1]["oracle_calls"]


@pytest.mark.parametrize("eta", [0.01, 0.5, 1.0])
def test_on_all_samples_it_is_soba_with_constant_steps(quadratic, eta):
    common = {"step_size": 0.3, "outer_ratio": 2.0, "batch_size": "full",
              "eval_freq": 1}
    ours = make_solver("SFFBA", quadratic, eta=eta, **common)
    soba = make_solver("Template", quadratic, **common)
    results = run_solver(ours, 40), run_solver(soba, 40)
    for name in ("inner_var", "outer_var"):
        assert_allclose(results[0][name], results[1][name], rtol=1e-11)


def test_at_rest_the_estimates_tend_to_the_derivatives(quadratic):
    """Not to three times them, as in a public code."""
    solver = make_solver("SFFBA", quadratic, step_size=1e-12, eta=0.05,
                         batch_size=4, eval_freq=1000)
    run_solver(solver, 1000)
    expected = terms(quadratic.inner, quadratic.outer, solver.z, solver.v,
                     solver.x)
    for k in (0, 3, 4):  # v, and with it H v and C v, is 0.
        assert np.linalg.norm(expected[k]) > 0.1
        assert_allclose(solver.estimates[k], expected[k], rtol=1e-8)


@pytest.mark.parametrize("eta", [0.01, 0.1, 1.0])
def test_reaches_the_minimiser(quadratic, eta):
    """Linear convergence with a constant step, without a full pass."""
    solver = make_solver("SFFBA", quadratic, step_size=0.05, outer_ratio=1.0,
                         eta=eta, batch_size=4, eval_freq=1000)
    result = run_solver(solver, 20_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert judged["grad_norm"] < 1e-10
    assert judged["inner_distance"] < 1e-10


def test_large_adjoint_variables_are_not_cut():
    """With v in [-1, 1], or a small ball, x ends elsewhere."""
    problem, x_star, v_star = large_adjoint()
    common = {"step_size": 0.3, "outer_ratio": 300.0, "batch_size": "full",
              "eval_freq": 1000}
    solver = make_solver("SFFBA", problem, **common)
    x = run_solver(solver, 4000)["outer_var"]
    assert_allclose(x, x_star, rtol=1e-9)
    assert_allclose(solver.v, v_star, rtol=1e-9)
    cut = make_solver("SFFBA", problem, radius=1.0, **common)
    x = run_solver(cut, 4000)["outer_var"]
    assert np.linalg.norm(x - x_star) > 0.1 * np.linalg.norm(x_star)


def test_too_large_a_memory_is_refused(logistic, monkeypatch):
    """Tables of g, H v, C v, f1 and f2, and their averages, p = d = 6."""
    needed = 8 * 6 * (3 * (10 + 1) + 2 * (8 + 1))
    monkeypatch.setattr(memory, "MAX_MEMORY", needed)
    make_solver("SFFBA", logistic, batch_size=20)
    monkeypatch.setattr(memory, "MAX_MEMORY", needed - 1)
    with pytest.raises(ValueError, match="batch_size=20 .* 10 . 8 batches"):
        make_solver("SFFBA", logistic, batch_size=20)


def test_without_eta_it_is_zero_sarahs(quadratic):
    # Batches of 12 leave 2 of G and 3 of F.
    common = {"batch_size": 12, "eval_freq": 1}
    ours = make_solver("SFFBA", quadratic, eta=None, **common)
    result = run_solver(ours, 30)
    assert (ours.eta_G, ours.eta_F) == (1 / 4, 1 / 6)
    # Along the same blocks, the two weights in their places.
    _, inner, outer = replay(ours)
    z, v, x = numpy_start(quadratic)
    estimates = [ZeroSarah(N, size) for N, size in (
        (2, 4), (2, 4), (2, 3), (3, 4), (3, 3))]
    last = z, v, x
    for t in range(30):
        i, j = draw(inner), draw(outer)
        blocks = (numpy_block(quadratic.inner, 12, i),
                  numpy_block(quadratic.outer, 12, j))
        g, Hv, Cv, f1, f2 = (
            estimate.update(k, new, old, weight if t else 1.0)
            for estimate, k, weight, new, old in zip(
                estimates, (i, i, i, j, j), [1 / 4] * 3 + [1 / 6] * 2,
                terms(*blocks, z, v, x), terms(*blocks, *last), strict=True))
        last = z, v, x
        z, v = z - 0.05 * g, v - 0.05 * (Hv + f1)
        x = x - 0.05 / 0.3 * (Cv + f2)
    assert_iterates(result, z, x)


@pytest.mark.parametrize("parameter, value", [
    ("eta", 0.0), ("eta", -0.1), ("eta", 1.5), ("eta", np.nan), ("eta", "a"),
    ("radius", 0.0), ("radius", -1.0), ("radius", np.inf), ("radius", "a")])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=parameter):
        make_solver("SFFBA", quadratic, batch_size=8, **{parameter: value})
