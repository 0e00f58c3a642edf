"""The inverse Hessian of the inner solver: the BFGS formula, its pairs."""
import os

import numpy as np
import pytest
from harness import SOLVERS, make_solver, run_solver
from threadpoolctl import ThreadpoolController

from benchmark_utils.methods import exact_oracles, quasi_newton
from benchmark_utils.methods.quasi_newton import QuasiNewtonOracles
from benchmark_utils.reference import implicit_gradient, solve_inner


@pytest.fixture(params=["quadratic", "logistic"])
def problem(request):
    return request.getfixturevalue(request.param)


def oracles_of(problem, memory=10, n_refinements=0, opa=False):
    return QuasiNewtonOracles(
        *problem.batches("full"), problem.inner_start, memory, n_refinements,
        opa)


def bfgs_inverse(pairs):
    """The inverse Hessian of BFGS after these pairs, as a matrix."""
    s, y = pairs[-1]
    identity = np.eye(s.size)
    B = s @ y / (y @ y) * identity
    for s, y in pairs:
        V = identity - np.outer(s, y) / (s @ y)
        B = V @ B @ V.T + np.outer(s, s) / (s @ y)
    return B


def random_pairs(rng, p, n_pairs):
    M = rng.standard_normal((p, p))
    A = M @ M.T + 0.1 * np.eye(p)
    return A, [(s, A @ s) for s in rng.standard_normal((n_pairs, p))]


@pytest.mark.parametrize("n_pairs", [1, 3, 7])
def test_product_is_the_formula_of_bfgs(quadratic, rng, n_pairs):
    oracles, b = oracles_of(quadratic, memory=5), rng.standard_normal(4)
    _, pairs = random_pairs(rng, 4, n_pairs)
    for s, y in pairs:
        oracles.add_pair(s, y)
    np.testing.assert_allclose(
        oracles.inverse_product(b), bfgs_inverse(pairs[-5:]) @ b, rtol=1e-9)


def test_pairs_along_conjugate_directions_give_the_inverse(quadratic, rng):
    # As of an inner solve with exact line searches, in p steps.
    oracles, b = oracles_of(quadratic, memory=4), rng.standard_normal(4)
    A, pairs = random_pairs(rng, 4, 4)
    conjugate = []
    for s, _ in pairs:
        for q in conjugate:
            s = s - (q @ A @ s) / (q @ A @ q) * q
        conjugate.append(s)
        oracles.add_pair(s, A @ s)
    np.testing.assert_allclose(
        oracles.inverse_product(b), np.linalg.solve(A, b), rtol=1e-8)


def test_without_pairs_it_is_the_identity(quadratic, rng):
    oracles, b = oracles_of(quadratic), rng.standard_normal(4)
    product = oracles.inverse_product(b)
    assert np.array_equal(product, b) and product is not b


def test_spoilt_pairs_are_not_kept(quadratic, rng):
    oracles, s = oracles_of(quadratic), rng.standard_normal(4)
    for y in (-s, 0.0 * s, np.full(4, np.nan)):
        oracles.add_pair(s, y)
    assert not oracles.pairs


@pytest.mark.parametrize("opa", [False, True])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-6])
def test_inner_problem_is_solved_to_the_tolerance(problem, opa, tolerance):
    oracles, x = oracles_of(problem, opa=opa), problem.outer_start
    oracles.value(x, tolerance)
    assert np.linalg.norm(problem.inner.grad_z(oracles.z, x)) <= tolerance
    z_star, _ = solve_inner(problem.inner, x, problem.inner_start)
    oracles.value(x, 1e-9)
    np.testing.assert_allclose(oracles.z, z_star, atol=1e-7)


def test_a_tolerance_below_rounding_ends(problem):
    oracles, x = oracles_of(problem), problem.outer_start
    oracles.value(x, 1e-30)
    assert np.linalg.norm(problem.inner.grad_z(oracles.z, x)) < 1e-10
    assert oracles.G.oracle_calls[0] < 1000 * oracles.G.n_samples


@pytest.mark.parametrize("opa", [False, True])
def test_every_derivative_is_counted(problem, monkeypatch, opa):
    oracles, counts = oracles_of(problem, opa=opa), {"G": 0, "F": 0}

    def count(module, name, n_derivatives):
        oracle = getattr(module, name)

        def counted(f, *args):
            counts["G" if f is oracles.G else "F"] += n_derivatives
            return oracle(f, *args)

        monkeypatch.setattr(module, name, counted)

    for module, name, n in ((exact_oracles, "grad_z", 1),
                            (exact_oracles, "cross", 1),
                            (exact_oracles, "gradients", 2),
                            (quasi_newton, "grad_z", 1)):
        count(module, name, n)
    oracles.value_and_gradient(problem.outer_start, 1e-6)
    assert oracles.G.oracle_calls[0] == counts["G"] * oracles.G.n_samples
    assert oracles.F.oracle_calls[0] == counts["F"] * oracles.F.n_samples
    assert (counts["F"] == 2) == (not opa)


def test_at_the_solution_one_gradient_and_the_pairs_of_before(problem):
    oracles, x = oracles_of(problem), problem.outer_start
    oracles.value(x, 1e-6)
    pairs, before = list(oracles.pairs), oracles.G.oracle_calls[0]
    assert pairs
    oracles.value(x, 1e-6)
    assert oracles.G.oracle_calls[0] - before == oracles.G.n_samples
    assert all(a is b for a, b in zip(oracles.pairs, pairs, strict=True))


def test_pairs_are_those_of_the_steps(quadratic):
    """From z = 0, or wherever it starts, to the solution; y = A s."""
    oracles, x = oracles_of(quadratic, memory=100), quadratic.outer_start
    oracles.value(x, 1e-8)
    start = min((quadratic.inner_start, np.zeros(4)),
                key=lambda z: quadratic.inner.value(z, x))
    steps = sum(s for s, _ in oracles.pairs)
    np.testing.assert_allclose(start + steps, oracles.z, rtol=1e-10)
    for s, y in oracles.pairs:
        np.testing.assert_allclose(
            y, quadratic.inner.mean_A @ s, rtol=1e-6, atol=1e-9)


def test_pairs_of_opa(logistic):
    """Every other pair: e along B f1, as long as the step before it."""
    oracles = oracles_of(logistic, memory=100, opa=True)
    G, F, x = logistic.inner, logistic.outer, logistic.outer_start
    oracles.value(x, 1e-4)
    pairs = list(oracles.pairs)
    z = min((logistic.inner_start, np.zeros(6)), key=lambda z: G.value(z, x))
    assert len(pairs) >= 6
    for k in range(1, len(pairs) // 2 + 1):
        (s, _), (e, y) = pairs[2 * k - 2:2 * k]
        z = z + s
        B = bfgs_inverse(pairs[:2 * k - 1])
        along = B @ F.grad_z(z, x)
        np.testing.assert_allclose(
            e, along * np.linalg.norm(s) / np.linalg.norm(along), rtol=1e-7)
        np.testing.assert_allclose(
            y, G.grad_z(z + e, x) - G.grad_z(z, x), rtol=1e-6)


def test_where_f1_is_0_opa_adds_no_pair(quadratic):
    F = quadratic.outer
    quadratic.outer = type(F)(0 * F.A, F.B, 0 * F.C, 0 * F.a, F.b)
    x = quadratic.outer_start
    pairs = []
    for opa in (False, True):
        oracles = oracles_of(quadratic, memory=100, opa=opa)
        oracles.value(x, 1e-8)
        pairs.append(np.array(oracles.pairs))
    np.testing.assert_array_equal(*pairs)


def test_refined_to_the_end_the_gradient_is_exact(problem):
    oracles, x = oracles_of(problem, n_refinements=50), problem.outer_start
    _, gradient = oracles.value_and_gradient(x, 1e-10)
    z_star, factor = solve_inner(problem.inner, x, problem.inner_start)
    np.testing.assert_allclose(
        gradient, implicit_gradient(problem, x, z_star, factor), atol=1e-7)


@pytest.mark.parametrize("name", ["L-BFGS", "SHINE"])
def test_blas_has_one_thread(quadratic, monkeypatch, name):
    # The class of benchopt's loader: its module is not an attribute.
    where = (SOLVERS[name].run.__globals__ if name == "L-BFGS"
             else vars(quasi_newton))
    minimize, threads = where["minimize"], []

    def recorded(*args, **kwargs):
        threads.extend(
            library["num_threads"] for library in ThreadpoolController().info()
            if library["user_api"] == "blas")
        # Apple's BLAS, which the controller does not know.
        threads.append(int(os.environ["VECLIB_MAXIMUM_THREADS"]))
        return minimize(*args, **kwargs)

    monkeypatch.setitem(where, "minimize", recorded)
    run_solver(make_solver(name, quadratic), 3)
    assert threads and set(threads) == {1}
