"""Hypergradient estimates: unbiased, but for what the series cuts off."""
from itertools import product

import numpy as np
import pytest
from harness import from_python
from numpy_neumann import all_blocks, product_series, sum_series

from benchmark_utils.methods import hypergradients
from benchmark_utils.methods.hypergradients import hypergradient_scratch

hypergradient = from_python(hypergradients.hypergradient)

BATCH_SIZE = 10  # The last batches are short: 4 of 24 and 2 of 32 samples.


@pytest.fixture(params=["quadratic", "logistic"])
def problem(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("kind", ["sum", "product"])
def test_hypergradient_on_given_blocks(quadratic, rng, kind):
    G, F = quadratic.batches(BATCH_SIZE)
    inner = all_blocks(quadratic.inner, BATCH_SIZE)
    outer = all_blocks(quadratic.outer, BATCH_SIZE)
    z = rng.standard_normal(quadratic.inner_dim)
    x = rng.standard_normal(quadratic.outer_dim)
    batches = np.array([1, 2, 0])
    hessians = [inner[k].mean_A for k in batches]

    def series(f1):
        if kind == "sum":
            return sum_series(hessians, f1, 0.4)
        return product_series(hessians, f1, 0.4, 5)

    estimates, scratch = [], hypergradient_scratch(z, x)
    for i, j in product(range(3), range(4)):
        E = np.full(x.size, np.nan)
        blocks = i, j, batches.size, 0 if kind == "sum" else 5
        hypergradient(G, F, blocks, batches, z, x, 0.4, E, scratch)
        f1, f2 = outer[j].grad_z(z, x), outer[j].grad_x(z, x)
        np.testing.assert_allclose(
            E, f2 + inner[i].cross(z, x, series(f1)), rtol=0, atol=1e-12)
        estimates.append(E)

    # With the series held fixed, unbiased over the pairs (i, j).
    v = series(quadratic.outer.grad_z(z, x))
    expected = (quadratic.outer.grad_x(z, x)
                + quadratic.inner.cross(z, x, v))
    np.testing.assert_allclose(
        np.mean(estimates, axis=0), expected, rtol=0, atol=1e-12)
    # Over the 12 pairs: series, cross derivative, two gradients of F.
    assert G.oracle_calls[0] == 12 * 24 + 4 * 24
    assert F.oracle_calls[0] == 3 * 2 * 32


@pytest.mark.parametrize("kind", ["sum", "product"])
def test_hypergradient_is_that_of_the_full_series(problem, rng, kind):
    # Over all batches of everything, for two factors: only the bias of the
    # cut is left.
    G, F = problem.batches(-(-problem.inner.n_samples // 2))
    z, x = rng.standard_normal(problem.inner_dim), problem.outer_start
    E = np.empty_like(x)
    estimates, scratch = [], hypergradient_scratch(z, x)
    lengths = [2] if kind == "sum" else [0, 1, 2]
    for q in lengths:
        of_length = []
        for i, j, *batches in product(
                range(G.n_batches), range(F.n_batches),
                *[range(G.n_batches)] * q):
            batches = np.array(batches, np.int64)
            blocks = i, j, batches.size, 0 if kind == "sum" else 3
            hypergradient(G, F, blocks, batches, z, x, 0.4, E, scratch)
            of_length.append(E.copy())
        estimates.append(np.mean(of_length, axis=0))
    H = problem.inner.hessian(z, x)
    v = sum_series([H, H], problem.outer.grad_z(z, x), 0.4)
    expected = problem.outer.grad_x(z, x) + problem.inner.cross(z, x, v)
    np.testing.assert_allclose(
        np.mean(estimates, axis=0), expected, rtol=0, atol=1e-12)
