"""Random batches, and the numbers behind them, are NumPy's."""
import numpy as np
import pytest
from harness import from_python
from scipy.stats import chisquare

from benchmark_utils.methods import sampling

reshuffle = from_python(sampling.reshuffle)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 782, 40_000])
def test_reshuffle_draws_as_numpy_does(n):
    rng, numpy_rng = np.random.default_rng(n), np.random.default_rng(n)
    order, expected = np.arange(n), np.arange(n)
    for _ in range(3):
        reshuffle(rng, order)
        numpy_rng.shuffle(expected)
        np.testing.assert_array_equal(order, expected)
        # No draw too many or too few, a buffered half word included.
        assert rng.integers(10) == numpy_rng.integers(10)


def test_draw_below_is_uniform():
    rng = np.random.default_rng(0)
    draws = [sampling.draw_below(rng, 10) for _ in range(10_000)]
    counts = np.bincount(draws)
    assert len(counts) == 10
    assert chisquare(counts).pvalue > 1e-3
