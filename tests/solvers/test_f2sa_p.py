"""F2SA-p: the formula, the order of its bias, and where it cannot run."""
from itertools import product

import numpy as np
import pytest
from harness import SOLVERS, Skipped, make_solver, run_solver
from numpy_fixed_points import Blocks, inner_solution

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import Sampler, draw, make_sampler
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics

F2SAP = SOLVERS["F2SA-p"]
SETTINGS = F2SAP.advance.__globals__
FORMULAS = {  # Nodes and weights of the differences, by hand.
    1: {0: -1.0, 1: 1.0},
    2: {-1: -1 / 2, 1: 1 / 2},
    3: {-1: -1 / 3, 0: -1 / 2, 1: 1.0, 2: -1 / 6},
    4: {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12},
}


@pytest.mark.parametrize("p", range(1, 11))
def test_weights_differentiate_polynomials_of_degree_p(quadratic, p):
    solver = make_solver("F2SA-p", quadratic, batch_size="full", p=p,
                         lmbda=100.0)
    run_solver(solver, 0)
    assert len(solver.nodes) == len(solver.y) == p + p % 2
    for k in range(p + 1):
        moment = np.sum(solver.weights * solver.nodes ** k)
        assert moment == pytest.approx(float(k == 1), abs=1e-9)
    for j, a_j in FORMULAS.get(p, {}).items():
        assert solver.weights[solver.nodes == j] == pytest.approx(a_j)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("normalize", [True, False])
def test_two_iterations_match_the_formula(quadratic, p, normalize):
    # Batches of 10 of 24 and 32 samples: the last have 4 and 2.
    solver = make_solver("F2SA-p", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size=10, lmbda=5.0, p=p, n_inner_steps=2,
                         normalize=normalize, eval_freq=1)
    result = run_solver(solver, 2)

    G, F = Blocks(quadratic.inner, 10), Blocks(quadratic.outer, 10)
    rng = np.random.default_rng(solver._seed)
    inner = make_sampler(G.n_batches, rng)
    outer = make_sampler(F.n_batches, rng)
    calls = 0

    def fresh(function, sampler):
        nonlocal calls
        batch = draw(sampler)
        calls += function.size(batch)
        return batch

    y = dict.fromkeys(FORMULAS[p], quadratic.inner_start)
    x = quadratic.outer_start
    for _ in range(2):
        Phi = 0
        for j in FORMULAS[p]:
            for _ in range(2):
                g = G.grad_z(fresh(G, inner), y[j], x)
                if j != 0:
                    g = g + j / 5.0 * F.grad_z(fresh(F, outer), y[j], x)
                y[j] = y[j] - 0.3 * g
        i, k = draw(inner), draw(outer)  # One pair for all copies.
        for j, a_j in FORMULAS[p].items():
            if j != 0:
                Phi = Phi + a_j * j * F.grad_x(k, y[j], x)
                calls += F.size(k)
            Phi = Phi + a_j * 5.0 * G.grad_x(i, y[j], x)
            calls += G.size(i)
        if normalize:
            Phi = Phi / np.linalg.norm(Phi)
        x = x - 0.15 * Phi
    z = (y[-1] + y[1]) / 2 if p == 2 else y[0]
    np.testing.assert_allclose(solver.y, list(y.values()), rtol=1e-10)
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-10)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-10)
    assert result["oracle_calls"] == calls


@pytest.mark.parametrize("p, derivatives_G, derivatives_F", [
    # Each copy: 3 steps and one gradient in x; that of G alone has no F.
    (1, 2 * 4, 4), (2, 2 * 4, 2 * 4), (3, 4 * 4, 3 * 4)])
def test_oracle_calls_by_hand(quadratic, p, derivatives_G, derivatives_F):
    solver = make_solver("F2SA-p", quadratic, batch_size="full", p=p,
                         n_inner_steps=3, eval_freq=1)
    calls = run_solver(solver, 2)["oracle_calls"]
    assert calls == 2 * (24 * derivatives_G + 32 * derivatives_F)


def one_iteration(problem, batch_size, inner_order, outer_order):
    """y and x after one iteration of order 2 on the given batches."""
    G, F = problem.batches(batch_size)
    samplers = [Sampler(np.random.default_rng(0), np.array(order),
                        np.zeros(1, np.int64))
                for order in (inner_order, outer_order)]
    z, x = problem.inner_start.copy(), problem.outer_start.copy()
    y = np.tile(z, (2, 1))
    SETTINGS["f2sa_p"](
        G, F, *samplers, z, y, x, np.array([-1.0, 1.0]),
        np.array([-0.5, 0.5]), 2, 0.5, 0.5, 4.0, 1, False, 1)
    return np.concatenate([z, *y, x])


def test_one_iteration_is_unbiased(quadratic):
    # Gradients are affine and batches fresh; not normalised.
    average = np.mean([
        one_iteration(quadratic, 16, i, j)
        for i in product(range(2), repeat=3)
        for j in product(range(2), repeat=3)], axis=0)
    full = one_iteration(quadratic, "full", [0] * 3, [0] * 3)
    np.testing.assert_allclose(average, full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_noise_of_g2_that_all_copies_share_cancels(quadratic, p):
    # lambda multiplies it; the weights of its nodes sum to 0.
    parameters = dict(batch_size=8, lmbda=10.0, p=p, step_size=0.1,
                      normalize=False, eval_freq=1)
    quiet = run_solver(make_solver("F2SA-p", quadratic, **parameters), 5)
    b = quadratic.inner.b
    b += 100.0 * np.random.default_rng(0).standard_normal(b.shape)
    noisy = run_solver(make_solver("F2SA-p", quadratic, **parameters), 5)
    np.testing.assert_allclose(
        noisy["outer_var"], quiet["outer_var"], rtol=1e-8, atol=1e-8)


def with_linear_outer_function(problem):
    """The problem with F linear in z."""
    F = problem.outer
    F = Quadratic(np.zeros_like(F.A), F.B, F.C, F.a, F.b)
    return BilevelProblem(
        problem.inner, F, problem.inner_start, problem.outer_start)


def exact_direction(problem, lmbda, p, x):
    """Phi at the exact minimisers y_j of G + j F / lambda, in NumPy."""
    G, F = problem.inner, problem.outer
    Phi = 0
    for j, a_j in FORMULAS[p].items():
        hessian = G.mean_A + j / lmbda * F.mean_A
        linear = (G.mean_C + j / lmbda * F.mean_C).T @ x + (
            G.mean_a + j / lmbda * F.mean_a)
        y = -np.linalg.solve(hessian, linear)
        Phi = Phi + a_j * (j * F.grad_x(y, x) + lmbda * G.grad_x(y, x))
    return Phi


def gradient_of_h(problem, x):
    F = problem.outer
    J, z_0 = inner_solution(problem)
    return F.grad_x(J @ x + z_0, x) + J.T @ F.grad_z(J @ x + z_0, x)


def solver_direction(problem, lmbda, p):
    """Phi of the solver at the start, from exact inner solutions."""
    solver = make_solver(
        "F2SA-p", problem, step_size=1.0, outer_ratio=1.0, lmbda=lmbda, p=p,
        batch_size="full", n_inner_steps=300, normalize=False, eval_freq=1)
    return problem.outer_start - run_solver(solver, 1)["outer_var"]


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_bias_is_of_order_p(quadratic, p):
    x = quadratic.outer_start
    bias = []
    for lmbda in (40.0, 80.0):
        Phi = solver_direction(quadratic, lmbda, p)
        np.testing.assert_allclose(
            Phi, exact_direction(quadratic, lmbda, p, x), rtol=1e-9)
        bias.append(np.linalg.norm(Phi - gradient_of_h(quadratic, x)))
    assert bias[1] > 1e-9
    assert np.log2(bias[0] / bias[1]) == pytest.approx(p, abs=0.15)


def test_exact_where_f_is_linear_and_p_at_least_2(quadratic):
    problem = with_linear_outer_function(quadratic)
    gradient = gradient_of_h(problem, problem.outer_start)
    for p in (2, 3, 4):
        for lmbda in (0.5, 10.0):
            np.testing.assert_allclose(
                solver_direction(problem, lmbda, p), gradient, rtol=1e-8)
    bias = [np.linalg.norm(solver_direction(problem, lmbda, 1) - gradient)
            for lmbda in (5.0, 10.0)]
    assert bias[0] > 1e-3 and bias[0] / bias[1] == pytest.approx(2, rel=1e-6)


def bias_floor(problem, lmbda, p):
    """The x where the exact Phi, which is affine in x, vanishes."""
    def direction(x):
        return exact_direction(problem, lmbda, p, x)

    at_zero = direction(np.zeros(problem.outer_dim))
    slope = np.column_stack([
        direction(e) - at_zero for e in np.eye(problem.outer_dim)])
    return -np.linalg.solve(slope, at_zero)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_full_batch_reaches_its_bias_floor(quadratic, p):
    distances = []
    for lmbda in (20.0, 40.0):
        x = bias_floor(quadratic, lmbda, p)
        solver = make_solver(
            "F2SA-p", quadratic, step_size=1.0, outer_ratio=2.0, lmbda=lmbda,
            p=p, batch_size="full", normalize=False, eval_freq=100)
        result = run_solver(solver, 1000)
        np.testing.assert_allclose(result["outer_var"], x, atol=1e-9)
        gap = metrics(quadratic, result["inner_var"], x)["value_gap"]
        assert gap > 1e-10
        distances.append(np.linalg.norm(x - quadratic.minimum[0]))
    # Of order lambda^-p, as the bias of the direction.
    assert np.log2(distances[0] / distances[1]) == pytest.approx(p, abs=0.3)


def test_order_1_is_f2sa_with_constant_steps(quadratic):
    solver = make_solver("F2SA-p", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size="full", lmbda=5.0, p=1, n_inner_steps=2,
                         normalize=False, eval_freq=1)
    result = run_solver(solver, 5)
    G, F = quadratic.inner, quadratic.outer
    w = y = quadratic.inner_start
    x = quadratic.outer_start
    for _ in range(5):
        for _ in range(2):
            w = w - 0.3 * G.grad_z(w, x)
            y = y - 0.06 * (F.grad_z(y, x) + 5.0 * G.grad_z(y, x))
        x = x - 0.15 * (F.grad_x(y, x)
                        + 5.0 * (G.grad_x(y, x) - G.grad_x(w, x)))
    np.testing.assert_allclose(result["inner_var"], w, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-11)


def test_normalised_steps_have_one_length(logistic):
    solver = make_solver("F2SA-p", logistic, step_size=0.5, outer_ratio=4.0,
                         batch_size=32, eval_freq=1)
    points = []

    def callback():
        points.append(solver.x.copy())
        return len(points) < 8

    solver.run(callback)
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(points, axis=0), axis=1), 0.125, rtol=1e-12)


def test_skipped_where_g_minus_f_is_not_convex(quadratic):
    largest = max(np.linalg.eigvals(np.linalg.solve(
        quadratic.inner.mean_A, quadratic.outer.mean_A)).real)
    for p, j in ((2, 1), (3, 1), (4, 2)):
        with pytest.raises(Skipped, match=(
                f"not large enough for p={p}.* > {j * largest:.3g}")):
            make_solver("F2SA-p", quadratic, batch_size=8, p=p,
                        lmbda=0.99 * j * largest)
        make_solver("F2SA-p", quadratic, batch_size=8, p=p,
                    lmbda=1.01 * j * largest)
    # Nothing is subtracted from G.
    make_solver("F2SA-p", quadratic, batch_size=8, p=1, lmbda=0.01)


def test_skipped_where_g_plus_f_is_not_convex(quadratic):
    F = quadratic.outer
    F = Quadratic(-F.A, F.B, F.C, F.a, F.b)
    problem = BilevelProblem(quadratic.inner, F, quadratic.inner_start,
                             quadratic.outer_start)
    with pytest.raises(Skipped, match="not large enough for p=1"):
        make_solver("F2SA-p", problem, batch_size=8, p=1, lmbda=0.01)


def test_diverges_where_it_could_not_be_foreseen(quadratic, monkeypatch):
    monkeypatch.setitem(SETTINGS, "MAX_CHECKED_DIM", 3)
    solver = make_solver("F2SA-p", quadratic, batch_size="full", lmbda=0.5,
                         eval_freq=100)
    result = run_solver(solver, 1000)
    assert not np.all(np.isfinite(solver.y))
    assert np.isnan(metrics(
        quadratic, result["inner_var"], result["outer_var"])["value"])


@pytest.mark.parametrize("parameter, value", [
    ("lmbda", 0.0), ("lmbda", -1.0), ("lmbda", np.nan), ("lmbda", "a"),
    ("p", 0), ("p", 11), ("p", 1.5), ("p", "a"), ("normalize", 2),
    ("normalize", "a"), ("n_inner_steps", 0)])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("F2SA-p", quadratic, batch_size=8, **{parameter: value})
