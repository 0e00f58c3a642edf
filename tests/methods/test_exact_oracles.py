"""h and its gradient by SciPy: against the reference, and counted exactly."""
import numpy as np
import pytest

from benchmark_utils.methods import exact_oracles
from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.reference import implicit_gradient, solve_inner


@pytest.fixture(params=["quadratic", "logistic"])
def problem(request):
    return request.getfixturevalue(request.param)


def exact_oracles_of(problem):
    return ExactOracles(*problem.batches("full"), problem.inner_start)


def test_agrees_with_the_reference(problem, rng):
    exact = exact_oracles_of(problem)
    for _ in range(4):  # The later ones are warm-started.
        x = problem.outer_start + rng.standard_normal(problem.outer_dim)
        h, gradient = exact.value_and_gradient(x, 1e-11)
        z_star, factor = solve_inner(problem.inner, x, problem.inner_start)
        expected = implicit_gradient(problem, x, z_star, factor)
        assert abs(h - problem.outer.value(z_star, x)) < 1e-8
        np.testing.assert_allclose(gradient, expected, atol=1e-8)
        np.testing.assert_allclose(exact.z, z_star, atol=1e-8)
        residual = (problem.inner.hessian(z_star, x) @ exact.v
                    + problem.outer.grad_z(z_star, x))
        np.testing.assert_allclose(residual, 0.0, atol=1e-8)
        assert exact.value(x, 1e-11) == pytest.approx(h, abs=1e-8)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4])
def test_tolerance_is_met_and_used(problem, tolerance):
    exact = exact_oracles_of(problem)
    x = problem.outer_start
    exact.value_and_gradient(x, tolerance)
    inner, outer = problem.inner, problem.outer
    residual = inner.hessian(exact.z, x) @ exact.v + outer.grad_z(exact.z, x)
    assert np.linalg.norm(inner.grad_z(exact.z, x)) <= tolerance
    assert np.linalg.norm(residual) <= tolerance
    loose = exact.G.oracle_calls[0]
    exact = exact_oracles_of(problem)
    exact.value_and_gradient(x, 1e-10)
    assert exact.G.oracle_calls[0] > loose


def test_tolerance_below_rounding_ends(problem):
    exact = exact_oracles_of(problem)
    x = problem.outer_start
    exact.value(x, 1e-30)
    assert np.linalg.norm(problem.inner.grad_z(exact.z, x)) < 1e-12
    assert exact.G.oracle_calls[0] < 1000 * exact.G.n_samples


def test_steep_penalty_does_not_end_the_solve_early(logistic):
    # G is so large at first that later gains drown in its rounding errors.
    exact = exact_oracles_of(logistic)
    x = logistic.outer_start.copy()
    x[2] = 40.0
    z_star, _ = solve_inner(logistic.inner, x, logistic.inner_start)
    exact.value(x, 1e-10)
    np.testing.assert_allclose(exact.z, z_star, atol=1e-8)


def test_every_derivative_is_counted(problem, monkeypatch):
    counts = {"G": 0, "F": 0}
    exact = exact_oracles_of(problem)

    def count(name, n_derivatives):
        oracle = getattr(exact_oracles, name)

        def counted(f, *args):
            counts["G" if f is exact.G else "F"] += n_derivatives
            return oracle(f, *args)

        monkeypatch.setattr(exact_oracles, name, counted)

    for name in ("grad_z", "hvp", "cross"):
        count(name, 1)
    count("gradients", 2)
    exact.value_and_gradient(problem.outer_start, 1e-8)
    assert exact.G.oracle_calls[0] == counts["G"] * exact.G.n_samples
    assert exact.F.oracle_calls[0] == 2 * exact.F.n_samples
    assert counts["F"] == 2


def test_warm_start_at_the_solution_costs_one_check(problem):
    exact = exact_oracles_of(problem)
    x, G = problem.outer_start, exact.G
    exact.value_and_gradient(x, 1e-8)
    before = G.oracle_calls[0]
    exact.value_and_gradient(x, 1e-7)
    # The gradient, the residual of the adjoint system, the cross derivative.
    assert G.oracle_calls[0] - before == 3 * G.n_samples


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("big", [120.0, 600.0, 800.0, 1e4, np.inf, np.nan])
def test_wild_points_are_survived(logistic, big):
    exact = exact_oracles_of(logistic)
    exact.value_and_gradient(logistic.outer_start, 1e-8)
    z, v = exact.z, exact.v
    for wild in (np.full_like(logistic.outer_start, big),
                 np.where(np.arange(6) == 2, big, logistic.outer_start)):
        h, gradient = exact.value_and_gradient(wild, 1e-8)
        assert h == np.inf or np.isfinite(h)
        assert np.all(np.isfinite(gradient))
        if h == np.inf:
            assert not gradient.any()
        assert np.all(np.isfinite(exact.z)) and np.all(np.isfinite(exact.v))
        exact.z, exact.v = z, v
    h, _ = exact.value_and_gradient(logistic.outer_start, 1e-8)
    z_star, _ = solve_inner(
        logistic.inner, logistic.outer_start, logistic.inner_start)
    assert abs(h - logistic.outer.value(
        z_star, logistic.outer_start)) < 1e-7


def test_unsolved_is_not_a_value_of_h(logistic):
    # From z = 0 no step is possible: the gradient stays as large as there.
    exact = exact_oracles_of(logistic)
    x = logistic.outer_start.copy()
    x[2] = 300.0
    assert exact.value(x, 1e-8) == np.inf
    np.testing.assert_array_equal(exact.z, logistic.inner_start)
