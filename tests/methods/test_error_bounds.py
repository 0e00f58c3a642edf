"""Bounds of errors: never below the true ones, and what they cost."""
import numpy as np
import pytest
from harness import make_problem

from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import hvp
from benchmark_utils.methods import error_bounds
from benchmark_utils.methods.error_bounds import ErrorBounds
from benchmark_utils.reference import implicit_gradient, solve_inner


def bounds_of(problem, mu=None):
    return ErrorBounds(*problem.batches("full"), mu)


def cross_matrix(problem, z, x):
    return np.column_stack([
        problem.inner.cross(z, x, e) for e in np.eye(z.size)])


@pytest.mark.parametrize("name", ["quadratic", "logistic"])
def test_constants_are_those_of_the_matrices(request, name):
    problem = request.getfixturevalue(name)
    z, x = problem.inner_start, problem.outer_start
    bounds, n = bounds_of(problem), problem.inner.n_samples
    assert bounds.mu == 1.0
    bounds.update(z, x)
    H, C = problem.inner.hessian(z, x), cross_matrix(problem, z, x)
    assert bounds.mu == pytest.approx(np.linalg.eigvalsh(H)[0])
    assert bounds.K == pytest.approx(
        np.linalg.norm(C @ np.linalg.inv(H), 2))
    assert bounds.G.oracle_calls[0] == 2 * z.size * n


def test_large_hessian_is_not_formed(cleaning):
    z, x = cleaning.inner_start, cleaning.outer_start
    bounds, p = bounds_of(cleaning), cleaning.inner_start.size
    assert p > 100
    bounds.update(z, x)
    used = bounds.G.oracle_calls[0]
    assert used < p * cleaning.inner.n_samples and bounds.K is None
    H = np.empty((p, p))
    for e, column in zip(np.eye(p), H, strict=True):
        hvp(bounds.G, FULL, z, x, e, column)
    smallest = np.linalg.eigvalsh(H)[0]
    assert smallest * (1 - 1e-9) <= bounds.mu <= 1.2 * smallest
    bounds.update(z, x)
    assert bounds.mu <= 1.2 * smallest  # The same, from the same start.


def test_a_given_mu_costs_nothing(quadratic):
    bounds = bounds_of(quadratic, 0.3)
    bounds.update(quadratic.inner_start, quadratic.outer_start)
    assert bounds.mu == 0.3 and bounds.G.oracle_calls[0] == 0


def test_what_is_next_to_0_is_not_0_or_below(quadratic):
    quadratic.inner.A[:] = 0.0
    quadratic.inner.A[:, 0, 0] = 1.0
    quadratic.inner.A[:, 1, 1] = -1e-16
    bounds = bounds_of(quadratic)
    bounds.update(quadratic.inner_start, quadratic.outer_start)
    assert 0 < bounds.mu < 1e-12 and np.isfinite(bounds.K)


def test_a_hessian_without_eigenvalues_changes_nothing(quadratic,
                                                       monkeypatch):
    def failing(matrix):
        raise np.linalg.LinAlgError("no convergence")

    bounds = bounds_of(quadratic)
    monkeypatch.setattr(error_bounds.np.linalg, "eigh", failing)
    bounds.update(quadratic.inner_start, quadratic.outer_start)
    assert bounds.mu == 1.0 and bounds.K is None


PROBLEMS = {
    "quadratic": ("quadratic", {"inner_dim": 6, "outer_dim": 4}),
    "ill-conditioned": ("quadratic", {"conditioning": 100.0}),
    "exponential": ("simulated_logistic", {"n_features": 6}),
    "linear": ("simulated_logistic",
               {"n_features": 6, "reg_parametrization": "linear"}),
}


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("which", PROBLEMS)
def test_true_errors_are_below(which, size, rng):
    name, parameters = PROBLEMS[which]
    small = ({"n_inner": 24, "n_outer": 32} if name == "quadratic"
             else {"n_train": 200, "n_validation": 150})
    problem = make_problem(name, **small, **parameters)
    G, F, x = problem.inner, problem.outer, problem.outer_start
    z_star, solve = solve_inner(G, x, problem.inner_start)
    exact = implicit_gradient(problem, x, z_star, solve)
    for _ in range(20):
        # Off by a gradient step's worth, or so, and v by as much.
        error = rng.standard_normal(z_star.size)
        z = z_star + size * error / np.linalg.norm(error)
        H = G.hessian(z, x)
        v = -np.linalg.solve(H, F.grad_z(z, x))
        v = v + size * rng.standard_normal(v.size)
        bounds = bounds_of(problem)
        bounds.update(z, x)
        p, omega = bounds.hypergradient(z, v, x)
        np.testing.assert_allclose(
            p, F.grad_x(z, x) + G.cross(z, x, v), rtol=1e-9, atol=1e-12)
        assert np.linalg.norm(p - exact) <= omega
        distance = np.linalg.norm(G.grad_z(z, x)) / bounds.mu
        # The Hessian is that at z: to first order, where it changes.
        assert size <= 1.2 * distance
        if name == "quadratic":
            L = np.linalg.eigvalsh(F.mean_A)
            assert L[0] <= bounds.L * (1 + 1e-6) <= L[-1] * (1 + 1e-5)


def test_above_the_true_constant_nothing_is_bounded(quadratic):
    G, x = quadratic.inner, quadratic.outer_start
    values, vectors = np.linalg.eigh(G.mean_A)
    z_star, solve = solve_inner(G, x, quadratic.inner_start)
    exact = implicit_gradient(quadratic, x, z_star, solve)
    # Off where G is flattest, and v where z would have it.
    z = z_star + vectors[:, 0]
    v = -solve(quadratic.outer.grad_z(z, x))
    for factor, holds in ((1.0, True), (100.0, False)):
        bounds = bounds_of(quadratic, factor * values[0])
        p, omega = bounds.hypergradient(z, v, x)
        distance = np.linalg.norm(G.grad_z(z, x)) / bounds.mu
        assert (distance >= 1 - 1e-9) == holds
        assert (np.linalg.norm(p - exact) <= omega) == holds


def test_bound_by_the_formula_where_the_matrices_are_not_formed(quadratic):
    G, F = quadratic.inner, quadratic.outer
    z, x, v = quadratic.inner_start, quadratic.outer_start, np.arange(1.0, 5)
    bounds = bounds_of(quadratic, 0.5)
    bounds.update(z, x)
    _, omega = bounds.hypergradient(z, v, x)
    g, r = G.grad_z(z, x), G.mean_A @ v + F.grad_z(z, x)
    move = -g / 0.5
    K = np.linalg.norm(G.mean_C @ v) / np.linalg.norm(v) / 0.5
    expected = np.linalg.norm(F.mean_C @ move) + K * (
        np.linalg.norm(F.mean_A @ move) + np.linalg.norm(r))
    assert omega == pytest.approx(expected)
    # Twice: three derivatives of G, two of F.
    assert bounds.G.oracle_calls[0] == 2 * 3 * 24
    assert bounds.F.oracle_calls[0] == 2 * 2 * 32
    # A smaller quotient than before does not count.
    bounds.norm_C = 100.0
    assert bounds.hypergradient(z, v, x)[1] > omega
