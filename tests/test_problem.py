"""Batches are uniform samples, whatever the order of the data."""
import numpy as np
import pytest
from harness import SOLVERS, InOrder, make_problem, make_solver, run_solver

from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.functions.oracles import grad_z
from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.problems.problem import BilevelProblem

SIZE, N = 16, 1600


def sorted_samples(rng):
    """Features that drift as in a time series, and labels in two halves."""
    drift = np.linspace(-1, 1, N)[:, None] * np.array([2.0, -1.0, 1.0, 0.0])
    y = np.where(np.arange(N) < N // 2, -1.0, 1.0)
    return drift + rng.standard_normal((N, 4)), y


def logistic(rng):
    return LogisticRegression(*sorted_samples(rng), "exponential")


def sparse_logistic(rng):
    from scipy import sparse

    X, y = sorted_samples(rng)
    return SparseLogisticRegression(sparse.csr_array(X), y, "exponential")


def multinomial(rng):
    X, y = sorted_samples(rng)
    return MultinomialLogistic(X, (y > 0).astype(int), 2, "class", 0.1)


def cleaning(rng):
    X, y = sorted_samples(rng)
    return MultinomialLogistic(X, (y > 0).astype(int), 2, "weights", 0.1)


def quadratic(rng):
    X, _ = sorted_samples(rng)
    A = X[:, :, None] * X[:, None, :]
    return Quadratic(A, np.zeros((N, 2, 2)), np.zeros((N, 2, 4)), X,
                     np.zeros((N, 2)))


KINDS = [logistic, sparse_logistic, multinomial, cleaning, quadratic]


def block_variance(G, z, x):
    """Variance of the gradient over the batches of a function."""
    gradients = np.empty((G.n_batches, z.size))
    for batch in range(G.n_batches):
        grad_z(G, batch, z, x, gradients[batch])
    return gradients.var(axis=0).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_vary_as_random_samples_do(kind, rng):
    f = kind(rng)
    problem = BilevelProblem(
        f, f, np.zeros(f.inner_dim), np.zeros(f.outer_dim))
    z, x = rng.standard_normal(f.inner_dim), np.zeros(f.outer_dim)
    # The exact variance of the average of SIZE samples, drawn at random
    # without replacement, from the gradients of single samples.
    single = block_variance(f.batches(1), z, x)
    exact = single / SIZE * (N - SIZE) / (N - 1)
    seeds = range(20)  # A single permutation has 100 blocks: 14 % of noise.
    permuted = np.mean([
        block_variance(problem.batches(SIZE, seed)[0], z, x)
        for seed in seeds])
    assert permuted == pytest.approx(exact, rel=0.2)
    # The data is such that consecutive samples would not do.
    assert block_variance(f.batches(SIZE), z, x) > 1.5 * exact


def test_the_order_depends_on_the_seed_alone(quadratic):
    problem = make_problem("quadratic", in_order=False, n_inner=24,
                           n_outer=32, inner_dim=4, outer_dim=3)
    for one, other in zip(problem.orders(3), problem.orders(3), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(np.sort(one), np.arange(len(one)))
    assert not np.array_equal(problem.orders(3)[0], problem.orders(4)[0])


def reordered(function, order):
    """The same function, its samples stored in another order."""
    if isinstance(function, Quadratic):
        return Quadratic(*(getattr(function, name)[order] for name in "ABCab"))
    if isinstance(function, MultinomialLogistic):
        return MultinomialLogistic(
            function.X[order], function.y[order], function.n_classes,
            function.outer, function.ridge, function.outer_dim)
    copy = type(function).__new__(type(function))
    vars(copy).update(vars(function), rows=function.rows[order])
    return copy


@pytest.mark.parametrize("data", [
    ("quadratic", dict(n_inner=24, n_outer=32, inner_dim=4, outer_dim=3)),
    ("simulated_logistic", dict(n_train=60, n_validation=50, n_features=6)),
    ("simulated_logistic", dict(
        n_train=60, n_validation=50, n_features=6, density=0.5)),
    ("digits", dict(n_train=50, n_validation=60)),
], ids=["quadratic", "logistic", "sparse", "cleaning"])
@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_run_is_that_on_permuted_samples(name, data):
    """The permutation changes the batches, and nothing else.

    To the last bit, but in data hyper-cleaning, where methods may sum over
    the entries of x.
    """
    if not SOLVERS[name].is_installed(quiet=True):
        pytest.skip(f"{name} is not installed")
    dataset, sizes = data
    problem = make_problem(dataset, in_order=False, **sizes)
    parameters = {
        key: value for key, value in {"batch_size": 8, "eval_freq": 4}.items()
        if key in SOLVERS[name].parameters}
    solver = make_solver(name, problem, **parameters)
    inner, outer = problem.orders(solver.get_seed())
    weights = dataset == "digits"  # Entry i of x belongs to sample i.
    entries = inner if weights else slice(None)
    stored = InOrder(
        reordered(problem.inner, inner), reordered(problem.outer, outer),
        problem.inner_start, problem.outer_start[entries])
    ours = run_solver(solver, 12)
    theirs = run_solver(make_solver(name, stored, **parameters), 12)
    random_x = weights and name in ("Optuna", "RandomSearch", "PZOBO")
    if not random_x:  # Their random numbers are for entries of x.
        tolerance = dict(rtol=1e-6, atol=1e-8) if weights else dict(rtol=0)
        np.testing.assert_allclose(
            ours["inner_var"], theirs["inner_var"], **tolerance)
        np.testing.assert_allclose(
            ours["outer_var"][entries], theirs["outer_var"], **tolerance)
    assert weights or ours["oracle_calls"] == theirs["oracle_calls"]
