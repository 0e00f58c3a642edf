"""SABA: its reduction to SAGA, one step by hand, and linear convergence.

In linear models, where it remembers numbers of each sample, likewise.
"""
import numpy as np
import pytest
from harness import SOLVERS, InOrder, make_solver, run_solver
from numpy.testing import assert_allclose
from scipy import sparse

from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods import memory
from benchmark_utils.methods.sampling import draw, make_sampler
from benchmark_utils.reference import metrics


def batches_of(solver, n_iterations):
    """Pairs of batches that a solver will draw, from its seed alone."""
    rng = np.random.default_rng(solver._seed)
    inner = make_sampler(solver.G.n_batches, rng)
    outer = make_sampler(solver.F.n_batches, rng)
    return [(draw(inner), draw(outer)) for _ in range(n_iterations)]


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


def tables_of(solver):
    return [*solver.inner_memory.tables, *solver.outer_memory.tables]


def test_memory_is_tables_only(logistic):
    """Five rows of p numbers a batch, and no copy of the data."""
    solver = make_solver("SABA", logistic, batch_size=8, eval_freq=1)
    run_solver(solver, 1)
    assert "memory_init" in SOLVERS["SABA"].parameters
    stored = sum(table.nbytes for table in tables_of(solver))
    n_blocks = max(solver.G.n_batches, solver.F.n_batches)
    assert stored <= 5 * logistic.inner_dim * 8 * n_blocks


def test_too_large_a_memory_is_refused(logistic, monkeypatch):
    monkeypatch.setattr(memory, "MAX_MEMORY", 10_000)
    make_solver("SABA", logistic, batch_size=20)
    with pytest.raises(ValueError, match="batch_size=1 .* 200 . 150 batches"):
        make_solver("SABA", logistic, batch_size=1)


def multinomial_problem(inner="weights", outer=None, n=50, m=45, p=5, K=3):
    """A small problem; where x is weights, F may depend on x_1, ..., x_n."""
    rng = np.random.default_rng(0)

    def function(n_samples, kind):
        X = rng.standard_normal((n_samples, p))
        y = rng.integers(K, size=n_samples)
        return MultinomialLogistic(
            X, y, K, kind, ridge=0.1, outer_dim=outer_dim)

    outer_dim = None
    G = function(n, inner)
    outer_dim = G.outer_dim
    F = function(n if outer == "weights" else m, outer)
    return InOrder(
        G, F, rng.standard_normal(K * p), rng.standard_normal(G.outer_dim))


def part_of(f, k, size):
    """A batch as a function of its own, and its entries of x."""
    rows = slice(k * size, min((k + 1) * size, f.n_samples))
    part = MultinomialLogistic(
        f.X[rows], f.y[rows], f.n_classes, f.outer, 0.0, f.outer_dim)
    entries = rows if f.outer == "weights" else slice(None)
    n_blocks = -(-f.n_samples // size)
    scale = n_blocks * part.n_samples / f.n_samples
    return part, entries, scale


def samples_of(f, size, z, x, v):
    """What the samples of each batch add to g, H v, C v and grad_x."""
    n_blocks = -(-f.n_samples // size)
    g, Hv = np.zeros((2, n_blocks, z.size))
    Cv, f_x = np.zeros((2, n_blocks, x.size))
    for k in range(n_blocks):
        part, entries, scale = part_of(f, k, size)
        # The penalty without a ridge, which is that of no sample.
        r = 0.0 if f.outer in (None, "weights") else part._penalties(x)
        z_K, v_K = z.reshape(f.n_classes, -1), v.reshape(f.n_classes, -1)
        u = x[entries]
        g[k] = scale * (part.grad_z(z, u) - (r * z_K).ravel())
        Hv[k] = scale * (part.hvp(z, u, v) - (r * v_K).ravel())
        if f.outer == "weights":
            Cv[k, entries] = scale * part.cross(z, u, v)
            f_x[k, entries] = scale * part.grad_x(z, u)
    return g, Hv, Cv, f_x


@pytest.mark.parametrize("size", [1, 8, 40])
@pytest.mark.parametrize("memory_init", ["full", "zero"])
@pytest.mark.parametrize("inner, outer", [
    ("weights", None), ("weights", "weights"), ("class", None),
    ("feature", "feature"), ("scalar", None)])
def test_multinomial_iterations_match_tables_of_vectors(inner, outer,
                                                        memory_init, size):
    problem = multinomial_problem(inner, outer)
    G, F = problem.inner, problem.outer
    solver = make_solver("SABA", problem, step_size=0.2, outer_ratio=0.5,
                         batch_size=size, memory_init=memory_init,
                         eval_freq=60)
    result = run_solver(solver, 60)

    z, x = problem.inner_start, problem.outer_start
    v = np.zeros_like(z)

    def terms():
        g, Hv, Cv, _ = samples_of(G, size, z, x, v)
        f1, _, _, f2 = samples_of(F, size, z, x, v)
        return g, Hv, Cv, f1, f2

    def penalty(f, u):
        return (f._penalties(x) * u.reshape(f.n_classes, -1)).ravel()

    tables = [table.copy() for table in terms()]
    calls = 3 * G.n_samples + 2 * F.n_samples
    if memory_init == "zero":
        tables, calls = [np.zeros_like(table) for table in tables], 0
    for i, j in batches_of(solver, 60):
        estimates = []
        for table, phi, k in zip(tables, terms(), (i, i, i, j, j),
                                 strict=True):
            estimates.append(phi[k] - table[k] + table.mean(0))
            table[k] = phi[k]
        g, Hv, Cv, f1, f2 = estimates
        D_z, D_v = g + penalty(G, z), Hv + penalty(G, v) + f1 + penalty(F, z)
        D_x = Cv + f2 + (0.0 if inner == "weights" else (
            G.cross(z, x, v) + F.grad_x(z, x)))
        z, v, x = z - 0.2 * D_z, v - 0.2 * D_v, x - 0.4 * D_x
        calls += 3 * min(size, G.n_samples - size * i)
        calls += 2 * min(size, F.n_samples - size * j)
    assert_allclose(result["inner_var"], z, rtol=1e-10, atol=1e-12)
    assert_allclose(solver.v, v, rtol=1e-10, atol=1e-12)
    assert_allclose(result["outer_var"], x, rtol=1e-10, atol=1e-12)
    assert result["oracle_calls"] == calls


def test_memory_of_hyper_cleaning_is_numbers_a_sample(cleaning):
    """Tables of vectors have 50 rows of 50 numbers for C v alone."""
    solver = make_solver("SABA", cleaning, batch_size=1, eval_freq=1)
    run_solver(solver, 1)
    numbers = 50 * (2 * 10 + 1) + 60 * 10
    assert sum(table.size for table in tables_of(solver)) == numbers


def sparse_problem(inner="exponential", outer=None, penalty="feature",
                   n=50, m=33, p=12, kind=SparseLogisticRegression):
    """A small problem, some samples and features of which are empty."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(p)

    def function(n_samples, parametrization):
        X = 3.0 * sparse.random(n_samples, p, density=0.2, rng=rng,
                                format="csr")
        y = X @ truth + 3.0 * rng.standard_normal(n_samples) > 0
        if kind is LogisticRegression:
            X = X.toarray()
        return kind(X, y, parametrization, penalty=penalty)

    G, F = function(n, inner), function(m, outer)
    return InOrder(
        G, F, rng.standard_normal(p), rng.uniform(size=G.outer_dim))


def samples_part(f, size, z, v):
    """What the samples of each block add to its gradient and to H v."""
    n_blocks = -(-f.n_samples // size)
    gradients, products = np.zeros((2, n_blocks, z.size))
    for k in range(n_blocks):
        rows = f.rows.toarray()[k * size:(k + 1) * size]
        s = 1.0 / (1.0 + np.exp(rows @ z))
        gradients[k] = -n_blocks / f.n_samples * s @ rows
        products[k] = n_blocks / f.n_samples * (
            s * (1.0 - s) * (rows @ v)) @ rows
    return gradients, products


@pytest.mark.parametrize("size", [1, 8])
@pytest.mark.parametrize("memory_init", ["full", "zero"])
@pytest.mark.parametrize("inner, outer, penalty", [
    (None, None, "feature"), ("exponential", None, "feature"),
    ("linear", None, "scalar"), ("exponential", "exponential", "scalar"),
    ("linear", "linear", "feature")])
def test_sparse_iterations_match_tables_of_vectors(inner, outer, penalty,
                                                   memory_init, size):
    """More than an epoch of both levels, whose last blocks of 8 are short."""
    problem = sparse_problem(inner, outer, penalty)
    G, F = problem.inner, problem.outer
    solver = make_solver("SABA", problem, step_size=0.2, outer_ratio=4.0,
                         batch_size=size, memory_init=memory_init,
                         eval_freq=60)
    result = run_solver(solver, 60)

    z, x = problem.inner_start, problem.outer_start
    v = np.zeros_like(z)
    tables = [*samples_part(G, size, z, v), samples_part(F, size, z, v)[0]]
    calls = 3 * 50 + 2 * 33
    if memory_init == "zero":
        tables, calls = [np.zeros_like(table) for table in tables], 0
    for i, j in batches_of(solver, 60):
        now = [*samples_part(G, size, z, v), samples_part(F, size, z, v)[0]]
        estimates = []
        for table, phi, k in zip(tables, now, (i, i, j), strict=True):
            estimates.append(phi[k] - table[k] + table.mean(0))
            table[k] = phi[k]
        g, Hv, f1 = estimates
        # The penalty, as it is.
        r, r_outer = G._penalty(x)[0], F._penalty(x)[0]
        D_z, D_v = g + r * z, Hv + r * v + f1 + r_outer * z
        D_x = G.cross(z, x, v) + F.grad_x(z, x)
        z, v, x = z - 0.2 * D_z, v - 0.2 * D_v, G.project(x - 0.05 * D_x)
        calls += 3 * min(size, 50 - size * i) + 2 * min(size, 33 - size * j)
    assert_allclose(result["inner_var"], z, rtol=1e-12, atol=1e-12)
    assert_allclose(solver.v, v, rtol=1e-12, atol=1e-12)
    assert_allclose(result["outer_var"], x, rtol=1e-12, atol=1e-12)
    assert result["oracle_calls"] == calls


@pytest.mark.parametrize("memory_init", ["full", "zero"])
def test_on_all_samples_sparse_is_dense(memory_init):
    """Nothing is estimated then, and where the data is does not matter."""
    sparsely, densely = (
        run_solver(make_solver(
            "SABA", sparse_problem(kind=kind), batch_size="full",
            memory_init=memory_init, eval_freq=50), 50)
        for kind in (SparseLogisticRegression, LogisticRegression))
    for name in ("inner_var", "outer_var"):
        assert_allclose(sparsely[name], densely[name], rtol=1e-12, atol=1e-13)
    assert sparsely["oracle_calls"] == densely["oracle_calls"]


def test_each_level_remembers_in_its_own_way():
    """On all samples, where estimates are exact, as if both were dense."""
    both_dense = sparse_problem(kind=LogisticRegression)
    mixed = InOrder(
        sparse_problem().inner, both_dense.outer, both_dense.inner_start,
        both_dense.outer_start)
    results = []
    for problem in (both_dense, mixed):
        solver = make_solver("SABA", problem, batch_size="full", eval_freq=50)
        results.append(run_solver(solver, 50))
    for name in ("inner_var", "outer_var"):
        assert_allclose(results[0][name], results[1][name], rtol=1e-10)
    assert [table.shape for table in tables_of(solver)] == [
        (50, 1), (50, 1), (50, 0), (1, 12), (1, 12)]


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
@pytest.mark.parametrize("memory_init", ["full", "zero"])
def test_sparse_reaches_the_minimiser(batch_size, memory_init):
    problem = sparse_problem(penalty="scalar")
    problem.outer_start[:] = -2.0
    solver = make_solver(
        "SABA", problem, step_size=0.3, outer_ratio=1.0,
        batch_size=batch_size, memory_init=memory_init, eval_freq=1000)
    result = run_solver(solver, 80_000)
    start = metrics(problem, problem.inner_start, problem.outer_start)
    judged = metrics(problem, result["inner_var"], result["outer_var"])
    assert judged["grad_norm"] < 1e-10 < start["grad_norm"]
    assert judged["inner_distance"] < 1e-9


def arrays_of(solver):
    """All arrays that a solver holds, but for the data."""
    for name, value in vars(solver).items():
        if name not in ("G", "F"):
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, np.ndarray):
                    yield item


def test_memory_on_sparse_data_is_one_number_a_sample():
    """20 000 samples of 47 236 features: tables of vectors, 36 GB."""
    n, m, p = 20_000, 18_000, 47_236
    rng = np.random.default_rng(0)

    def function(n_samples, parametrization):
        X = sparse.csr_array(
            (rng.uniform(size=5 * n_samples),
             rng.integers(p, size=5 * n_samples),
             np.arange(0, 5 * n_samples + 1, 5)), shape=(n_samples, p))
        return SparseLogisticRegression(
            X, np.resize([0, 1], n_samples), parametrization)

    problem = InOrder(
        function(n, "exponential"), function(m, None), np.zeros(p),
        np.zeros(p))
    solver = make_solver("SABA", problem, batch_size=1, eval_freq=4)
    run_solver(solver, 4)
    # Weights, the order of the samples, z, v, x and three averages.
    numbers = (2 * n + m) + (n + m) + 6 * p
    assert sum(a.nbytes for a in arrays_of(solver)) <= 8 * (numbers + 10)


def test_too_many_sparse_samples_are_refused(monkeypatch):
    needed = 8 * (2 * 50 + 33 + 3 * 12)
    monkeypatch.setattr(memory, "MAX_MEMORY", needed)
    make_solver("SABA", sparse_problem(), batch_size=1)
    monkeypatch.setattr(memory, "MAX_MEMORY", needed - 1)
    with pytest.raises(ValueError, match="n_samples=50, 33 .* all samples"):
        make_solver("SABA", sparse_problem(), batch_size=1)
