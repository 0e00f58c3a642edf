"""FdeHBO: its differences, FMBO as their limit, HJFBiO as a special case."""
import numpy as np
import pytest
from harness import SOLVERS, from_python, make_solver, run_solver
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    get_problem,
    numpy_directions,
    numpy_storm,
)

from benchmark_utils.functions.batches import FULL
from benchmark_utils.reference import metrics

STEPS = {"step_size": 0.5, "outer_ratio": 0.1, "eval_freq": 1}
difference_directions = from_python(
    SOLVERS["FdeHBO"].advance.__globals__["difference_directions"])


def numpy_differences(G, F, z, v, x, delta=1e-2):
    """The directions with central differences in place of products."""
    plus, minus = z + delta * v, z - delta * v
    Hv = (G.grad_z(plus, x) - G.grad_z(minus, x)) / (2 * delta)
    Cv = (G.grad_x(plus, x) - G.grad_x(minus, x)) / (2 * delta)
    return G.grad_z(z, x), Hv + F.grad_z(z, x), Cv + F.grad_x(z, x)


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("radius", [None, 0.05])
def test_iterations_match_the_formula(request, name, batch_size, radius):
    problem = get_problem(request, name)
    solver = make_solver("FdeHBO", problem, batch_size=batch_size, eta=0.8,
                         delta=1e-2, radius=radius, **STEPS)
    z, v, x, calls = numpy_storm(solver, 12, numpy_differences, (5, 2))
    result = run_solver(solver, 12)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or radius or np.any(x == 0.0)
    np.testing.assert_allclose(solver.v, v, rtol=1e-10)
    norm = np.linalg.norm(solver.v)
    assert norm > 0.06 if radius is None else norm == pytest.approx(0.05)


@pytest.mark.parametrize("delta", [10.0, 0.1, 1e-5])
def test_on_a_quadratic_it_is_fmbo(quadratic, delta):
    # Gradients are affine: a difference is the product, but for rounding.
    solver = make_solver("FdeHBO", quadratic, batch_size=9, delta=delta,
                         **STEPS)
    fmbo = make_solver("FMBO", quadratic, batch_size=9, **STEPS)
    fmbo._seed = solver._seed
    T, n_terms = 30, 9 + quadratic.inner_dim + quadratic.outer_dim
    ours, reference = run_solver(solver, T), run_solver(fmbo, T)
    # A gradient rounds a sum of some terms; a difference divides that by
    # delta; a direction remembers it, and T directions are added up.
    rounding = T**2 * n_terms * np.finfo(float).eps * (1 + 1 / delta)
    for name in ("inner_var", "outer_var"):
        np.testing.assert_allclose(
            ours[name], reference[name],
            atol=rounding * np.abs(reference[name]).max(), rtol=0)


def test_error_of_the_differences_is_of_second_order(logistic, rng):
    p, d = logistic.inner_dim, logistic.outer_dim
    point = tuple(map(rng.standard_normal, (p, p, d)))
    G, F = logistic.batches(64)
    exact = numpy_directions(logistic.inner, logistic.outer, *point)
    scratch = tuple(tuple(map(np.empty_like, point)) for _ in range(2))

    def error(delta):
        D = tuple(map(np.empty_like, point))
        difference_directions(G, F, FULL, FULL, point, delta, D, scratch)
        return [np.linalg.norm(a - b) for a, b in zip(D, exact, strict=True)]

    (z_1, v_1, x_1), (z_2, v_2, x_2) = error(0.1), error(0.05)
    assert max(z_1, z_2) < 1e-13
    assert 3.8 < v_1 / v_2 < 4.2
    # C v is linear in z for this penalty.
    assert max(x_1, x_2) < 1e-13


def test_hjfbio_has_neither_momentum_nor_decay(logistic):
    solver = make_solver("FdeHBO", logistic, batch_size=64, eta=1.0,
                         delta=1e-2, step_exponent=0.0, **STEPS)
    # An infinite eta is cut to 1: no memory at any exponent.
    reference = make_solver("FdeHBO", logistic, batch_size=64, **STEPS)
    reference.eta, reference.step_exponent = np.inf, 0.0
    z, _, x, _ = numpy_storm(reference, 12, numpy_differences, (5, 2))
    assert_iterates(run_solver(solver, 12), z, x)


def test_oracle_calls_by_hand(quadratic):
    # In batches of 8: g and g2 at two points, g at a third, f1 and f2, all
    # twice but for the first iteration.
    solver = make_solver("FdeHBO", quadratic, batch_size=8, eval_freq=1)
    assert run_solver(solver, 10)["oracle_calls"] == 8 * 7 * (1 + 2 * 9)


def test_full_batch_does_not_depend_on_eta(logistic):
    ends = [run_solver(make_solver(
        "FdeHBO", logistic, batch_size="full", eta=eta, delta=1e-2, **STEPS),
        20) for eta in (1e-6, 1e6)]
    assert_iterates(ends[0], ends[1]["inner_var"], ends[1]["outer_var"])


def test_full_batch_reaches_the_minimiser(quadratic):
    solver = make_solver("FdeHBO", quadratic, step_size=1.0, outer_ratio=2.0,
                         batch_size="full", eval_freq=1000)
    result = run_solver(solver, 3000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-10
    assert judged["inner_distance"] < 1e-6


@pytest.mark.parametrize("parameter, value", [
    ("delta", 0.0), ("delta", -1e-5), ("delta", np.inf), ("delta", "a"),
    ("eta", 0.0), ("step_exponent", 1.0), ("radius", 0.0), ("radius", "a")])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("FdeHBO", quadratic, batch_size=8, **{parameter: value})
