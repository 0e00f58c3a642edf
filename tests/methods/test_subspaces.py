"""The adjoint system in a subspace: conjugate gradient, and its limits."""
import numpy as np
import pytest
from harness import from_python

from benchmark_utils.methods import subspaces
from benchmark_utils.methods.linear_systems import conjugate_gradient
from benchmark_utils.methods.subspaces import krylov_space

grow = from_python(subspaces.grow)
krylov = from_python(subspaces.krylov_step)
planar = from_python(subspaces.planar_step)
solve_tridiagonal = from_python(subspaces.solve_tridiagonal)


@pytest.fixture(params=["quadratic", "logistic"])
def system(request, rng):
    """G, a point (z, x), right-hand side, a warm start, the Hessian."""
    problem = request.getfixturevalue(request.param)
    G, _ = problem.batches("full")
    z, f1, v = (rng.standard_normal(problem.inner_dim) for _ in range(3))
    x = problem.outer_start
    return G, z, x, f1, v, problem.inner.hessian(z, x)


def krylov_steps(G, z, x, f1, v, memory, n_steps):
    """v after each step."""
    space, v = krylov_space(v.size, memory, memory), v.copy()
    m = space[3].size
    scratch = np.full_like(v, np.nan), np.full(m, np.nan), np.full(m, np.nan)
    results = []
    for _ in range(n_steps):
        krylov(G, z, x, f1, v, space, *scratch)
        results.append(v.copy())
    return results, space


def planar_step(G, z, x, f1, v, eta):
    v = v.copy()
    planar(G, z, x, f1, v, eta, *(np.full_like(v, np.nan) for _ in range(3)))
    return v


def test_with_one_hessian_it_is_conjugate_gradient(system):
    G, z, x, f1, v, H = system
    results, _ = krylov_steps(G, z, x, f1, v, 10, len(H) - 1)
    for k, computed in enumerate(results, start=1):
        expected = v.copy()
        conjugate_gradient(G, z, x, f1, expected, k)
        np.testing.assert_allclose(computed, expected, rtol=1e-9)


def test_restarts_conjugate_gradient_where_it_is(system):
    G, z, x, f1, v, H = system
    results, _ = krylov_steps(G, z, x, f1, v, 2, 6)
    expected = v.copy()
    for k in range(3):
        conjugate_gradient(G, z, x, f1, expected, 2)
        np.testing.assert_allclose(results[2 * k + 1], expected, rtol=1e-9)


def test_whole_space_gives_the_solution_and_stays_there(system):
    G, z, x, f1, v, H = system
    results, space = krylov_steps(G, z, x, f1, v, 100, 2 * len(H) + 3)
    assert space[2].shape == H.shape
    solution = -np.linalg.solve(H, f1)
    for computed in results[len(H) - 1:]:
        np.testing.assert_allclose(computed, solution, rtol=1e-7)


def test_a_space_that_cannot_grow_is_left(system):
    # In one step it holds the solution, for an eigenvector; what is left of
    # H q is rounding error.
    G, z, x, _, v, H = system
    f1 = np.linalg.eigh(H)[1][:, -1]
    (computed,), space = krylov_steps(G, z, x, f1, 0.0 * v, 4, 1)
    np.testing.assert_allclose(computed, -np.linalg.solve(H, f1), atol=1e-12)
    assert space[5][0] == 0


def test_at_the_solution_nothing_happens(system):
    G, z, x, f1, v, H = system
    # No right-hand side and v = 0: the residual is exactly 0.
    results, _ = krylov_steps(G, z, x, 0.0 * f1, 0.0 * v, 3, 2)
    assert not np.any(results)
    assert G.oracle_calls[0] == 2 * G.n_samples


def test_products_of_the_krylov_space(system):
    G, z, x, f1, v, _ = system
    krylov_steps(G, z, x, f1, v, 3, 7)
    # One a step, and one for each of the restarts at 0, 3 and 6.
    assert G.oracle_calls[0] == (7 + 3) * G.n_samples


def test_right_hand_side_and_hessian_of_the_day(logistic, rng):
    """The formula, where H and f1 change from step to step."""
    p = logistic.inner_dim
    G, _ = logistic.batches("full")
    v, space = rng.standard_normal(p), krylov_space(p, 4, 4)
    scratch = np.empty(p), np.empty(4), np.empty(4)
    expected = v.copy()
    for k in range(4):
        z = 0.5 * rng.standard_normal(p)
        x = 0.1 * rng.standard_normal(p)
        f1 = 0.1 * k + np.arange(1.0, p + 1)
        H = logistic.inner.hessian(z, x)
        krylov(G, z, x, f1, v, space, *scratch)
        if k == 0:
            v_bar, w_bar = expected, H @ expected
            q = -f1 - w_bar
            q, last, beta = q / np.linalg.norm(q), np.zeros(p), 0.0
            Q, T = np.zeros((0, p)), np.zeros((0, 0))
        u = H @ q - beta * last
        T = np.block([[T, np.zeros((k, 1))], [np.zeros((1, k)), q @ u]])
        if k > 0:
            T[k, k - 1] = T[k - 1, k] = beta
        Q = np.vstack([Q, q])
        assert np.linalg.eigvalsh(T)[0] > 0
        expected = v_bar + Q.T @ np.linalg.solve(T, Q @ (-f1 - w_bar))
        np.testing.assert_allclose(v, expected, rtol=1e-9)
        u = u - (q @ u) * q
        last, beta = q, np.linalg.norm(u)
        q = u / beta


@pytest.mark.parametrize("memory, m, expected", [
    (10, 1, [1, 2, 3, 4, 6, 8, 10, 10]), (3, 1, [1, 2, 3, 3, 3, 3, 3, 3]),
    (4, 9, [4] * 8), (50, 1, [1, 2, 3, 4, 6, 6, 6, 6])])
def test_sizes_of_a_growing_space(memory, m, expected):
    space, sizes = krylov_space(6, memory, m), []
    for _ in range(8):
        sizes.append(space[5][1])
        grow(space, 1.3)
    # The room is for p = 6 vectors at most.
    assert sizes == [min(size, 6) for size in expected]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tridiagonal_system(rng, n):
    a, b = rng.uniform(2.5, 3.0, 5), np.append(0.0, rng.uniform(-1, 1, 5))
    T = np.diag(a) + np.diag(b[1:5], 1) + np.diag(b[1:5], -1)
    s = rng.standard_normal(5)
    expected = np.linalg.solve(T[:n, :n], s[:n])
    assert solve_tridiagonal(a, b, n, s, np.full(5, np.nan)) == n
    np.testing.assert_allclose(s[:n], expected)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_indefinite_tridiagonal_system_is_solved_in_part(rng, size):
    a, b = np.full(5, 3.0), np.array([0.0, 1.0, 1.0, 1.0, 1.0, np.nan])
    a[size] = 0.1 if size else -1.0
    T = np.diag(a) + np.diag(b[1:5], 1) + np.diag(b[1:5], -1)
    assert np.linalg.eigvalsh(T[:size + 1, :size + 1])[0] < 0
    s = rng.standard_normal(5)
    right = s.copy()
    assert solve_tridiagonal(a, b, 5, s, np.full(5, np.nan)) == size
    np.testing.assert_allclose(T[:size, :size] @ s[:size], right[:size])
    assert not s[size:].any()


def test_a_space_that_is_not_positive_definite_is_left(quadratic, rng):
    G, _ = quadratic.batches("full")
    z, x = quadratic.inner_start, quadratic.outer_start
    f1, v, p = rng.standard_normal(4), rng.standard_normal(4), 4
    space = krylov_space(p, 4, 4)
    scratch = np.empty(p), np.empty(4), np.empty(4)
    krylov(G, z, x, f1, v, space, *scratch)
    first = v.copy()
    assert space[5][0] == 1
    space[4][1] = 1e3  # T is indefinite now, as if H had changed.
    krylov(G, z, x, f1, v, space, *scratch)
    np.testing.assert_allclose(v, first)
    assert space[5][0] == 0


@pytest.mark.parametrize("eta", [0.05, 0.5])
def test_plane_is_no_worse_than_a_gradient_step(system, eta):
    G, z, x, f1, v, H = system
    solution = -np.linalg.solve(H, f1)

    def error(v):
        return (v - solution) @ H @ (v - solution)

    for _ in range(10):
        stepped = v - eta * (H @ v + f1)
        v = planar_step(G, z, x, f1, v, eta)
        assert error(v) <= error(stepped) * (1 + 1e-12)


def test_plane_gives_its_best(system):
    G, z, x, f1, v, H = system
    W = np.column_stack([f1, v - 0.3 * H @ v])
    expected = -W @ np.linalg.solve(W.T @ H @ W, W.T @ f1)
    computed = planar_step(G, z, x, f1, v, 0.3)
    np.testing.assert_allclose(computed, expected, rtol=1e-10)
    assert G.oracle_calls[0] == 3 * G.n_samples


def test_plane_that_is_a_line_or_a_point(system):
    G, z, x, f1, v, H = system
    on_line = -f1 * (f1 @ f1) / (f1 @ H @ f1)
    # No v yet; one along f1, which a step of length 0 leaves there.
    for start, eta in ((0.0 * v, 0.3), (2.0 * f1, 0.0)):
        computed = planar_step(G, z, x, f1, start, eta)
        np.testing.assert_allclose(computed, on_line, rtol=1e-10)
    assert not planar_step(G, z, x, 0.0 * f1, v, 0.3).any()
