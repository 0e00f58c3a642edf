"""SABA: its reduction to SAGA, one step by hand, and linear convergence."""
import numpy as np
import pytest
from harness import (
    SOLVERS,
    InOrder,
    batches_of,
    make_solver,
    memory_tables,
    run_solver,
)
from numpy.testing import assert_allclose

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods import memory
from benchmark_utils.reference import metrics


def block_terms(problem, size, z, v, x):
    """g, H v, C v of each inner block and f1, f2 of each outer block."""
    tables = []
    for f in (problem.inner, problem.outer):
        n_blocks = -(-f.n_samples // size)
        rows = [slice(k * size, (k + 1) * size) for k in range(n_blocks)]
        scale = n_blocks / f.n_samples
        A, B, C, a, b = (
            scale * np.array([array[r].sum(0) for r in rows])
            for array in (f.A, f.B, f.C, f.a, f.b))
        tables.append([
            A @ z + np.einsum("kdp,d->kp", C, x) + a, A @ v, C @ v,
            B @ x + C @ z + b])
    (g, Hv, Cv, _), (f1, _, _, f2) = tables
    return g, Hv, Cv, f1, f2


@pytest.mark.parametrize("memory_init", ["full", "zero"])
def test_iterations_match_the_formula(quadratic, memory_init):
    """Blocks of 10 of 24 and 32 samples: both last blocks are short."""
    solver = make_solver(
        "SABA", quadratic, step_size=0.2, outer_ratio=4.0, batch_size=10,
        memory_init=memory_init, eval_freq=1)
    result = run_solver(solver, 5)

    z, x = quadratic.inner_start, quadratic.outer_start
    v = np.zeros_like(z)
    tables = [table.copy() for table in block_terms(quadratic, 10, z, v, x)]
    if memory_init == "zero":
        tables = [np.zeros_like(table) for table in tables]
    calls = (3 * 24 + 2 * 32) if memory_init == "full" else 0
    for i, j in batches_of(solver, 5):
        estimates = []
        now = block_terms(quadratic, 10, z, v, x)
        for table, phi, k in zip(tables, now, (i, i, i, j, j), strict=True):
            estimates.append(phi[k] - table[k] + table.mean(0))
            table[k] = phi[k]
        g, Hv, Cv, f1, f2 = estimates
        z, v, x = z - 0.2 * g, v - 0.2 * (Hv + f1), x - 0.05 * (Cv + f2)
        calls += 3 * min(10, 24 - 10 * i) + 2 * min(10, 32 - 10 * j)
    assert_allclose(result["inner_var"], z, rtol=1e-12)
    assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_with_frozen_x_it_is_saga(quadratic):
    """z then follows SAGA on G(., x), whatever v and x do."""
    G = quadratic.inner
    # Without cross derivatives and with a flat F in x, x does not move.
    zeros_B, zeros_C = np.zeros_like(G.B), np.zeros_like(G.C)
    inner = Quadratic(G.A, zeros_B, zeros_C, G.a, np.zeros_like(G.b))
    outer = Quadratic(G.A, zeros_B, zeros_C, G.a, np.zeros_like(G.b))
    problem = InOrder(
        inner, outer, quadratic.inner_start, quadratic.outer_start)
    solver = make_solver("SABA", problem, step_size=0.1, batch_size=3,
                         eval_freq=1)
    result = run_solver(solver, 60)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)

    A, a = (array.reshape(8, 3, *array.shape[1:]).mean(1)
            for array in (G.A, G.a))
    z = quadratic.inner_start
    memory = A @ z + a
    for i, _ in batches_of(solver, 60):
        gradient = A[i] @ z + a[i]
        z = z - 0.1 * (gradient - memory[i] + memory.mean(0))
        memory[i] = gradient
    assert_allclose(result["inner_var"], z, rtol=1e-11)


@pytest.mark.parametrize("batch_size", [1, 10, "full"])
@pytest.mark.parametrize("memory_init", ["full", "zero"])
def test_reaches_the_minimiser(quadratic, batch_size, memory_init):
    """Linear convergence with a constant step, unlike SOBA."""
    solver = make_solver(
        "SABA", quadratic, step_size=0.1, outer_ratio=4.0,
        batch_size=batch_size, memory_init=memory_init, eval_freq=1000)
    result = run_solver(solver, 20_000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-8
    assert judged["inner_distance"] < 1e-5


def test_theta_1_is_saba_and_theta_averages_the_directions(quadratic):
    """x, with z and v at rest: d = (1 - theta) d + theta D_x."""
    common = dict(step_size=1e-9, outer_ratio=1e-8, batch_size="full",
                  eval_freq=1)
    F = quadratic.outer
    z = quadratic.inner_start
    for theta in (1.0, 0.2):
        ours = run_solver(
            make_solver("SABA", quadratic, theta=theta, **common), 5)
        x, d = quadratic.outer_start, 0.0
        for _ in range(5):
            d = (1 - theta) * d + theta * F.grad_x(z, x)
            x = x - 0.1 * d
        assert_allclose(ours["outer_var"], x, rtol=1e-6)


def test_theta_1_forgets_the_average_to_the_last_bit(quadratic):
    results = []
    for average in (0.0, 1e10):
        solver = make_solver("SABA", quadratic, batch_size=8, eval_freq=1)
        solver._reset()
        solver.start()
        solver.d[:] = average
        solver.advance(5)
        results.append((solver.z, solver.v, solver.x))
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("theta", [0.0, 1.5, np.nan, "a"])
def test_bad_theta_is_named(quadratic, theta):
    with pytest.raises(ValueError, match="theta"):
        make_solver("SABA", quadratic, batch_size=8, theta=theta)


def test_unknown_memory_init(quadratic):
    with pytest.raises(ValueError, match="memory_init='half'.*'full', 'zero'"):
        make_solver("SABA", quadratic, memory_init="half", batch_size=4)


def test_memory_is_tables_only(logistic):
    """Five rows of p numbers a batch, and no copy of the data."""
    solver = make_solver("SABA", logistic, batch_size=8, eval_freq=1)
    run_solver(solver, 1)
    assert "memory_init" in SOLVERS["SABA"].parameters
    stored = sum(table.nbytes for table in memory_tables(solver))
    n_blocks = max(solver.G.n_batches, solver.F.n_batches)
    assert stored <= 5 * logistic.inner_dim * 8 * n_blocks


def test_too_large_a_memory_is_refused(logistic, monkeypatch):
    monkeypatch.setattr(memory, "MAX_MEMORY", 10_000)
    make_solver("SABA", logistic, batch_size=20)
    with pytest.raises(ValueError, match="batch_size=1 .* 200 . 150 batches"):
        make_solver("SABA", logistic, batch_size=1)
