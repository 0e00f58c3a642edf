"""An inner problem that is not convex: seen at z*, and said."""
import numpy as np
import pytest
from harness import make_problem

from benchmark_utils import reference
from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import InnerProblemError, metrics, solve_inner
from benchmark_utils.reference.linear_systems import (
    conjugate_gradient,
    has_negative_curvature,
)

P = 12


class Waves:
    """1/2 |z - x|^2 + height sum_k cos(z_k): convex for height <= 1."""

    n_samples, inner_dim, outer_dim = 1, P, P

    def __init__(self, height):
        self.height = height

    def value(self, z, x):
        return 0.5 * np.sum((z - x)**2) + np.sum(self.height * np.cos(z))

    def grad_z(self, z, x):
        return z - x - self.height * np.sin(z)

    def grad_x(self, z, x):
        return x - z

    def hessian_diagonal(self, z, x):
        return 1.0 - self.height * np.cos(z)

    def hessian_operator(self, z, x):
        return lambda v: self.hessian_diagonal(z, x) * v

    def grad_hessian(self, z, x):
        return self.grad_z(z, x), np.diag(self.hessian_diagonal(z, x))

    def cross(self, z, x, v):
        return -v

    def project(self, x):
        return x


def problem_of(inner):
    p = inner.inner_dim
    A = np.eye(p)[None]
    outer = Quadratic(A, 0 * A, 0 * A, np.ones((1, p)), np.zeros((1, p)))
    return BilevelProblem(inner, outer, np.zeros(p), np.zeros(p))


@pytest.fixture(params=["exact", "truncated"])
def newton(request, monkeypatch):
    if request.param == "truncated":
        monkeypatch.setattr(reference, "MAX_EXACT_DIM", 0)


def test_at_a_maximum_in_one_direction_of_many(newton):
    """z = 0 is stationary for x = 0, and curved down in its last entry."""
    height = np.full(P, 0.5)
    height[-1] = 2.0
    problem = problem_of(Waves(height))
    with pytest.raises(InnerProblemError, match="G is not convex"):
        solve_inner(problem.inner, np.zeros(P), np.zeros(P))
    with pytest.warns(RuntimeWarning, match="h is not defined.*not convex"):
        judged = metrics(problem, np.zeros(P), np.zeros(P))
    assert np.all(np.isnan(list(judged.values())))


def test_a_saddle_of_a_quadratic(newton, rng):
    """Whatever its scale, also where a combination of entries is bent."""
    Q = np.linalg.qr(rng.standard_normal((P, P)))[0]
    for lowest in (-1.0, -1e-6):
        for unit in (1e-10, 1.0, 1e10):
            A = unit * (Q * np.append(np.linspace(1, 2, P - 1), lowest)) @ Q.T
            A = (A + A.T)[None] / 2
            inner = with_products(Quadratic(
                A, 0 * A, unit * np.eye(P)[None], np.zeros((1, P)),
                np.zeros((1, P))))
            with pytest.raises(InnerProblemError, match="not convex"):
                solve_inner(inner, rng.standard_normal(P), np.zeros(P))


def with_products(f):
    """What the truncated method asks for."""
    f.hessian_operator = lambda z, x: lambda v: f.mean_A @ v
    f.hessian_diagonal = lambda z, x: np.diag(f.mean_A)
    return f


def test_where_the_adjoint_does_not_see_it(monkeypatch):
    """G and F do not bring the last entry into play: conjugate gradient alone
    converges for both, at a saddle.
    """
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 0)
    A = np.diag(np.append(np.ones(P - 1), -1.0))[None]
    inner = with_products(Quadratic(
        A, 0 * A, np.diag(np.append(np.ones(P - 1), 0.0))[None],
        np.zeros((1, P)), np.zeros((1, P))))
    with pytest.raises(InnerProblemError, match="not convex"):
        solve_inner(inner, np.ones(P), np.zeros(P))
    inner.convex = True
    solve_inner(inner, np.ones(P), np.zeros(P))  # A promise is believed.


def test_where_it_is_convex_at_the_solution(newton):
    """And on the way from z = x, as between the waves: h is what it is."""
    inner = Waves(0.9)
    x = np.linspace(-3, 3, P)
    problem = problem_of(inner)
    judged = metrics(problem, x, x)
    z, _ = solve_inner(inner, x, x)
    assert np.linalg.norm(inner.grad_z(z, x)) < 1e-8
    assert np.all(np.isfinite(list(judged.values())))


class Quartic(Waves):
    """sum_k (u_k^4 / 4 - x_k u_k) with u = z - centre, so that u is x^(1/3);
    and u_k^2 / 2 but for the last.
    """

    bent = np.append(np.ones(P - 1), 0.0)

    def __init__(self, centre):
        self.centre = centre

    def value(self, z, x):
        u = z - self.centre
        return np.sum(u**4 / 4 - x * u + self.bent * u**2 / 2)

    def grad_z(self, z, x):
        u = z - self.centre
        return u**3 - x + self.bent * u

    def hessian_diagonal(self, z, x):
        return 3 * (z - self.centre)**2 + self.bent


@pytest.mark.parametrize("centre", [0.0, 1.0, -30.0])
@pytest.mark.parametrize("start", [0.0, 5.0])
def test_where_the_curvature_vanishes_at_the_solution_alone(start, centre):
    """z*(x) has an infinite derivative there."""
    with pytest.raises(InnerProblemError, match="not strongly convex"):
        solve_inner(Quartic(centre), np.zeros(P), np.full(P, start))


@pytest.mark.parametrize("x", [0.3, 1e-3])
def test_where_the_curvature_is_small_at_the_solution(x):
    z, _ = solve_inner(Quartic(1.0), np.full(P, x), np.zeros(P))
    np.testing.assert_allclose(z[-1], 1.0 + x**(1 / 3), rtol=1e-10)


def test_curvature_of_zero_is_none(rng):
    """A Gram matrix of fewer rows than columns, in any units."""
    for _ in range(20):
        X = rng.standard_normal((5, 9)) * 10.0**rng.uniform(-8, 8, size=9)
        assert not has_negative_curvature(X.T @ X)
        X[:, 3] = 0.0
        assert not has_negative_curvature(X.T @ X)
        bent = X.T @ X
        bent[3, 3] = -1e-3 * np.max(np.abs(bent))
        assert has_negative_curvature(bent)


@pytest.mark.parametrize("lowest", [1e-9, 0.0])
def test_conjugate_gradient_on_what_is_flat(lowest, rng):
    """It converges, or says so; it does not say that a curvature is negative.
    """
    for _ in range(10):
        Q = np.linalg.qr(rng.standard_normal((P, P)))[0]
        A = (Q * np.append(np.linspace(1, 2, P - 1), lowest)) @ Q.T
        b = rng.standard_normal(P)
        try:
            conjugate_gradient(lambda v, A=A: A @ v, lambda v: v, b, 1e-8)
        except InnerProblemError as error:
            assert "not convex" not in str(error)


def test_kinds_promise_what_is_true(logistic, cleaning, hyper_representation,
                                    rng):
    for problem in (logistic, cleaning, hyper_representation):
        assert problem.inner.convex
        for scale in (0.1, 1.0, 5.0):
            z = scale * rng.standard_normal(problem.inner_dim)
            x = scale * rng.standard_normal(problem.outer_dim)
            assert not has_negative_curvature(
                problem.inner.grad_hessian(z, x)[1])
    assert not hasattr(make_problem("quadratic").inner, "convex")
