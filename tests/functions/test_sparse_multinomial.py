"""Multinomial regression on sparse samples: the same as on dense ones."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from benchmark_utils import checks, reference
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.derivatives import check_function
from benchmark_utils.functions.multinomial import (
    OUTER_VARIABLES,
    MultinomialLogistic,
    SparseMultinomialLogistic,
)
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics


def random_functions(rng, outer, n=40, p=12, K=3, density=0.2, ridge=0.1,
                     centred=True):
    """A function of sparse samples, and the same of dense ones."""
    X = sparse.random_array((n, p), density=density, rng=rng, format="csr")
    offset = rng.standard_normal(p) if centred else np.zeros(p)
    y = rng.integers(K, size=n)
    return (SparseMultinomialLogistic(
                X, y, K, outer, ridge, outer_dim=5, offset=offset),
            MultinomialLogistic(
                X.toarray() + offset, y, K, outer, ridge, outer_dim=5))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([None, *OUTER_VARIABLES]), st.integers(1, 150),
       st.integers(1, 40), st.integers(2, 14),
       st.sampled_from([0.0, 0.03, 0.3, 0.9]), st.booleans(),
       st.integers(0, 2**32 - 1), st.data())
def test_derivatives(outer, n, p, K, density, centred, seed, data):
    """Empty rows and columns among them, and features that all samples have.
    """
    rng = np.random.default_rng(seed)
    f, _ = random_functions(rng, outer, n, p, K, density, centred=centred)
    batch_size = data.draw(st.integers(max(1, n // 20), n) | st.just("full"))
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("batch_size", [1, 3, 64, 130])
def test_few_of_many_features(batch_size, rng):
    """Batches of which each has a part of the features."""
    f, _ = random_functions(rng, "feature", 300, 700, 9, 0.004)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("K", [2, 4, 8, 9, 16, 24, 25, 1000])
def test_numbers_of_classes(K, rng):
    """Lanes that fill vectors, or do not."""
    f, _ = random_functions(rng, "class", 30, 5, K)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), 20, rng)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("outer", [None, *OUTER_VARIABLES])
def test_methods_are_those_of_dense_samples(outer, centred, rng):
    f, dense = random_functions(rng, outer, centred=centred)
    z, v = rng.standard_normal((2, f.inner_dim))
    x = rng.standard_normal(f.outer_dim)
    for name, arguments in [
            ("value", (z, x)), ("grad_z", (z, x)), ("hvp", (z, x, v)),
            ("grad_x", (z, x)), ("cross", (z, x, v)), ("error", (z,)),
            ("penalties", (x,))]:
        assert_allclose(getattr(f, name)(*arguments),
                        getattr(dense, name)(*arguments),
                        rtol=1e-10, atol=1e-12, err_msg=name)
    assert_allclose(f.second_moments, dense.second_moments, rtol=1e-12)
    for ours, theirs in zip(f.grad_hessian(z, x), dense.grad_hessian(z, x),
                            strict=True):
        assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def problems(rng, outer):
    G, G_dense = random_functions(rng, outer, n=60)
    F, F_dense = random_functions(rng, None, n=50)
    start = np.zeros(G.inner_dim), rng.standard_normal(G.outer_dim)
    for f in (F, F_dense):
        f.outer_dim = G.outer_dim
    return (BilevelProblem(G, F, *start),
            BilevelProblem(G_dense, F_dense, *start))


@pytest.mark.parametrize("largest_exact", [reference.MAX_EXACT_DIM, 0])
@pytest.mark.parametrize("outer", OUTER_VARIABLES)
def test_metrics_are_those_of_dense_samples(outer, largest_exact, rng,
                                            monkeypatch):
    kept, dense = problems(rng, outer)
    pair = rng.standard_normal(kept.inner_dim), kept.outer_start
    expected = metrics(dense, *pair)
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", largest_exact)
    for name, value in metrics(kept, *pair).items():
        assert_allclose(value, expected[name], rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("solver", ["SOBA", "SABA"])
@pytest.mark.parametrize("outer", ["class", "weights"])
def test_iterates_are_those_on_dense_samples(solver, outer, rng):
    kept, dense = (
        run_solver(make_solver(solver, problem, batch_size=8, eval_freq=5,
                               step_size=0.1), 20)
        for problem in problems(rng, outer))
    assert kept["oracle_calls"] == dense["oracle_calls"]
    for name in ("inner_var", "outer_var"):
        assert_allclose(kept[name], dense[name], rtol=1e-9, atol=1e-12)


def test_order_of_samples(rng):
    """In batches, and in the entries of x."""
    f, _ = random_functions(rng, "weights", n=33)
    order = rng.permutation(33)
    moved = SparseMultinomialLogistic(
        f.X[order], f.y[order], 3, "weights", 0.1, offset=f.offset)
    z, v = rng.standard_normal((2, f.inner_dim))
    x = rng.standard_normal(33)
    a, b = np.empty(33), np.empty(33)
    oracles.cross(f.batches(8, order), 4, z, x, v, a)
    oracles.cross(moved.batches(8), 4, z, x[order], v, b)
    assert_allclose(a[order], b, rtol=1e-12)
    assert np.count_nonzero(a) == 1


def test_nan_does_not_stay(rng):
    """What has diverged leaves nothing in the scratch space."""
    f, _ = random_functions(rng, "class")
    G = f.batches(8)
    z, x = rng.standard_normal(f.inner_dim), np.zeros(3)
    before, after, out = np.empty((3, z.size))
    oracles.grad_z(G, 1, z, x, before)
    oracles.hvp(G, 1, np.full_like(z, np.nan), x, z, out)
    assert np.all(np.isnan(out))
    oracles.grad_z(G, FULL, np.full_like(z, np.inf), x, out)
    oracles.grad_z(G, 1, z, x, after)
    assert np.array_equal(before, after)


@pytest.mark.parametrize("X, y, offset, message", [
    ([[1.0], [np.inf]], [0, 1], None, "training X=.*1 NaN or infinite"),
    ([[1.0], [2.0]], [0, 2], None, r"training y=.*\[0, 2\].*from 0 to 1"),
    ([[1.0], [2.0]], [0.5, 1.0], None, "training y"),
    ([[1.0], [2.0]], [0, 1], [1.0, 2.0], r"training offset of shape \(2,\)"),
    ([[1.0], [2.0]], [0, 1], [np.nan], "training offset"),
])
def test_bad_data_is_named(X, y, offset, message):
    with pytest.raises(ValueError, match=message):
        SparseMultinomialLogistic(
            sparse.csr_array(np.array(X)), np.array(y), 2, name="training",
            offset=offset)


def test_more_entries_than_fit_in_memory(monkeypatch):
    class Machine:
        total = 256 * 1000

    monkeypatch.setattr(checks.psutil, "virtual_memory", Machine)
    X = sparse.csr_array((3, 501))
    with pytest.raises(ValueError, match="n_classes=2 is not valid for the "
                       "501 features of training: .* at most 1000"):
        SparseMultinomialLogistic(X, np.arange(3) % 2, 2, name="training")
    SparseMultinomialLogistic(X[:, :500], np.arange(3) % 2, 2)


def test_duplicates_are_summed():
    X = sparse.csr_array(
        ([1.0, 2.0, 3.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    f = SparseMultinomialLogistic(X, np.array([0, 1]), 2)
    assert f.X.toarray().tolist() == [[0.0, 3.0], [3.0, 0.0]]
    assert X.nnz == 3
