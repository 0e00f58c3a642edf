"""What kinds of function offer the metrics where z has many entries."""
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, sparse

from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import (
    MultinomialLogistic,
    SparseMultinomialLogistic,
    principal,
)


def features(rng, n=300, p=30):
    """Of variances that fall off; one is 0 in all samples."""
    X = rng.standard_normal((n, p)) * np.logspace(0, -1.5, p)
    X[:, 4] = 0.0
    return X


def make(kind, rng):
    X = features(rng)
    if kind in (LogisticRegression, SparseLogisticRegression):
        f = kind(X, np.resize([-1, 1], len(X)), "exponential")
    elif kind is SparseMultinomialLogistic:
        f = kind(sparse.csr_array(X * (rng.random(X.shape) < 0.3)),
                 rng.integers(3, size=len(X)), 3, "class", ridge=0.01,
                 offset=0.1 * rng.standard_normal(30))
    else:
        f = kind(X, rng.integers(3, size=len(X)), 3, "weights", ridge=0.01)
    return f, rng.standard_normal(f.inner_dim), rng.standard_normal(
        f.outer_dim)


KINDS = [LogisticRegression, SparseLogisticRegression, MultinomialLogistic,
         SparseMultinomialLogistic]


@pytest.mark.parametrize("kind", KINDS)
def test_expansion(kind, rng):
    f, z, x = make(kind, rng)
    gradient, hessian = f.grad_hessian(z, x)
    v = rng.standard_normal(z.size)
    here = f.expand(z, x)
    assert_allclose(here.value, f.value(z, x), rtol=1e-13)
    assert_allclose(here.gradient, gradient, rtol=1e-10, atol=1e-14)
    assert_allclose(here.product(v), hessian @ v, rtol=1e-10, atol=1e-13)
    rough = f.expand(z, x, rough=True)
    assert_allclose(rough.value, here.value, rtol=1e-5)
    size = np.linalg.norm(gradient)
    assert np.linalg.norm(rough.gradient - gradient) < 1e-5 * size
    assert np.linalg.norm(f.penalties(x) * z) > 0
    assert_allclose(f.second_moments == 0, np.diag(hessian) == f.penalties(x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-60, 1.0, 1e60])
def test_products_in_single_precision(kind, size, rng):
    """Whatever the size of the vector: float32 ends at 1e38."""
    f, z, x = make(kind, rng)
    here = f.expand(z, x)
    v = size * rng.standard_normal(z.size)
    right = here.product(v)
    error = np.linalg.norm(here.rough_product(v) - right)
    assert 0 < error < 1e-5 * np.linalg.norm(right)
    assert not np.any(here.rough_product(0 * v))


@pytest.mark.parametrize("outer", ["weights", "class", "scalar"])
def test_preconditioner(outer, rng, monkeypatch):
    """Near the inverse, symmetric, and nearer than the diagonal."""
    monkeypatch.setattr(principal, "MAX_BLOCK", 80)
    X = features(rng, 300, 15)
    f = MultinomialLogistic(
        X, rng.integers(10, size=300), 10, outer, ridge=0.001)
    z, x = rng.standard_normal(150), rng.standard_normal(f.outer_dim)
    if outer != "weights":
        x -= 8.0
    here, (_, hessian) = f.expand(z, x), f.grad_hessian(z, x)
    M = here.preconditioner()
    inverse = np.array([M(row) for row in np.eye(150)])
    assert_allclose(inverse, inverse.T, atol=1e-5 * np.abs(inverse).max())

    def condition(near):
        size = linalg.eigh(hessian, near, eigvals_only=True)
        return size[-1] / size[0]

    exact, diagonal = (condition(near) for near in (
        np.linalg.inv(inverse), np.diag(here.diagonal())))
    assert exact < 0.2 * diagonal


def test_coarse_function(rng):
    """The same function, of z along the principal directions."""
    X = features(rng, 400, 80)
    f = MultinomialLogistic(
        X, rng.integers(10, size=400), 10, "weights", ridge=0.01)
    x = rng.standard_normal(400)
    function, restrict, prolong = f.coarse()
    assert function.inner_dim == 640 and f.inner_dim == 800
    u = rng.standard_normal(640)
    assert_allclose(restrict(prolong(u)), u, atol=1e-5)
    assert_allclose(function.value(u, x), f.value(prolong(u), x), rtol=1e-4)
    here, whole = function.expand(u, x), f.expand(prolong(u), x)
    assert_allclose(here.gradient, restrict(whole.gradient), atol=1e-5)
    # Penalties of features do not turn with them.
    assert MultinomialLogistic(X, f.y, 10, "feature").coarse() is None


def test_what_penalties_decide(rng):
    """An equal change of all classes leaves the losses as they are."""
    X = features(rng, 40, 6)
    f = MultinomialLogistic(X, rng.integers(3, size=40), 3, "class")
    z, x = rng.standard_normal(18), rng.standard_normal(3)
    settled = f.settle(z, x)
    change = (settled - z).reshape(3, 6)
    assert_allclose(change - change[0], 0.0, atol=1e-14)
    # There, the gradient of the penalties is 0.
    assert_allclose((f.penalties(x) * settled).reshape(3, 6).sum(0), 0.0,
                    atol=1e-14)
    assert_allclose(f.settle(settled, x), settled, atol=1e-14)
    f = MultinomialLogistic(X, f.y, 3, "weights")
    assert_allclose(f.settle(z, np.zeros(40)).reshape(3, 6).sum(0), 0.0,
                    atol=1e-14)
