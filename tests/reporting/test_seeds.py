"""Choices and comparisons share neither a start nor a sampling."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_utils.reporting import seeds


@given(st.integers(0, 3000), st.integers(1, 9), st.integers(0, 10**6))
def test_seeds_are_disjoint(seed, starts, other):
    try:
        own = seeds.of_comparison(seed, starts)
    except ValueError:
        assert (seed + 1) * starts >= seeds.FIRST_OF_TUNING - 1
        return
    assert len(set(own)) == starts
    assert not set(own) & {0, *seeds.of_tuning(other)}
    # Another seed of the command has other starts.
    if (seed + 2) * starts < seeds.FIRST_OF_TUNING:
        assert not set(own) & set(seeds.of_comparison(seed + 1, starts))


@pytest.mark.parametrize("function", [seeds.of_comparison, seeds.of_tuning])
def test_negative_seeds_are_refused(function):
    with pytest.raises(ValueError, match="seed=-1 is not valid"):
        function(-1)
