"""AID-GD: one iteration by hand, and convergence."""
import numpy as np
import pytest
from harness import SOLVERS, make_solver, run_solver
from numpy.testing import assert_allclose

from benchmark_utils.reference import (
    implicit_gradient,
    metrics,
    solve_inner,
)


def test_iterations_match_the_formula(quadratic):
    """Two inner steps; the exact adjoint, which p steps of CG reach."""
    solver = make_solver(
        "AID-GD", quadratic, step_size=0.5, outer_ratio=2.0,
        n_inner_steps=2, n_cg_steps=8, eval_freq=1)
    result = run_solver(solver, 3)
    G, F = quadratic.inner, quadratic.outer
    z, x = quadratic.inner_start, quadratic.outer_start
    for _ in range(3):
        for _ in range(2):
            z = z - 0.5 * G.grad_z(z, x)
        v = -np.linalg.solve(G.mean_A, F.grad_z(z, x))
        x = x - 0.25 * (G.cross(z, x, v) + F.grad_x(z, x))
    assert_allclose(result["inner_var"], z, rtol=1e-9)
    assert_allclose(result["outer_var"], x, rtol=1e-9)


def test_oracle_calls(quadratic):
    """CG: one product for the residual of the warm start, one a step."""
    solver = make_solver("AID-GD", quadratic, n_inner_steps=3, n_cg_steps=2,
                         eval_freq=1)
    result = run_solver(solver, 4)
    inner, outer = (3 + (1 + 2) + 1) * 24, 2 * 32
    assert result["oracle_calls"] == 4 * (inner + outer)


def test_reaches_the_minimiser(quadratic):
    solver = make_solver("AID-GD", quadratic, n_inner_steps=5, n_cg_steps=3,
                         outer_ratio=2.0, eval_freq=100)
    result = run_solver(solver, 1000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-12
    assert judged["inner_distance"] < 1e-7


def hypergradient_error(name, problem, n_steps, **parameters):
    """Distance of the first direction of x to the gradient of h there."""
    solver = make_solver(
        name, problem, step_size=1.0, outer_ratio=1.0, n_inner_steps=n_steps,
        eval_freq=1, **parameters)
    direction = problem.outer_start - run_solver(solver, 1)["outer_var"]
    z, factor = solve_inner(
        problem.inner, problem.outer_start, problem.inner_start)
    return np.linalg.norm(direction - implicit_gradient(
        problem, problem.outer_start, z, factor))


def test_errors_vanish_as_analysed(quadratic):
    """Grazzi et al., 2020: geometrically for both, sooner for AID."""
    q = 1.0 - np.linalg.eigvalsh(quadratic.inner.mean_A)[0]
    steps = np.array([10, 20, 40])
    aid, itd = (
        np.array([hypergradient_error(name, quadratic, k, **extra(k))
                  for k in steps])
        for name, extra in (("AID-GD", lambda k: {"n_cg_steps": k}),
                            ("ITD", lambda k: {})))
    # A bound is c q^K for AID, once CG is exact, and c K q^K for ITD.
    assert np.all(aid / q**steps <= 1.01 * aid[0] / q**steps[0])
    assert np.all(itd / (steps * q**steps) <= 1.01 * itd[0] / (
        steps[0] * q**steps[0]))
    assert np.all(aid < itd)


@pytest.mark.parametrize("name, years", [
    ("AID-GD", {"Pedregosa": 2016, "Grazzi": 2020, "Ji": 2021}),
    ("ITD", {"Grazzi": 2020, "Ji": 2021})])
def test_cites_who_analysed_it(name, years):
    text = SOLVERS[name].__doc__
    for author, year in years.items():
        assert str(year) in text[text.index(author):]
