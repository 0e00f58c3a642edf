"""SABA on linear models, of which it remembers numbers a sample.

On dense and on sparse data: the steps are those with tables of vectors.
"""
import numpy as np
import pytest
from harness import (
    InOrder,
    batches_of,
    make_solver,
    memory_tables,
    run_solver,
)
from numpy.testing import assert_allclose
from scipy import sparse

from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.methods import memory
from benchmark_utils.reference import metrics


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
    assert sum(table.size for table in memory_tables(solver)) == numbers


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
    assert [table.shape for table in memory_tables(solver)] == [
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
