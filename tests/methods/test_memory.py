"""Tables: the ZeroSARAH estimate, and the memory that they take."""
import numpy as np
import pytest
from harness import from_python
from numpy.testing import assert_allclose
from numpy_zero_sarah import ZeroSarah

from benchmark_utils.methods import memory

zero_sarah = from_python(memory.zero_sarah)

N, SIZE = 5, 3


class Compiled:
    """As ``ZeroSarah``, by the kernel."""

    def __init__(self, n_batches, size):
        self.table = np.zeros((n_batches, size))
        self.d, self.average = np.zeros(size), np.zeros(size)

    def update(self, k, new, old, eta):
        zero_sarah(self.d, new, old, self.table, self.average, k, eta)
        return self.d.copy()


@pytest.fixture
def filled(rng):
    """An estimate after some steps, and the values on all batches now."""
    estimate = Compiled(N, SIZE)
    old = rng.standard_normal((N, SIZE))
    for _ in range(12):
        new = rng.standard_normal((N, SIZE))
        k = rng.integers(N)
        estimate.update(k, new[k], old[k], 0.3)
        old = new
    return estimate, old


@pytest.mark.parametrize("eta", [0.01, 0.3, 1.0])
def test_matches_the_formula(rng, eta):
    ours, reference = Compiled(N, SIZE), ZeroSarah(N, SIZE)
    for _ in range(30):
        k = rng.integers(N)
        new, old = rng.standard_normal((2, SIZE))
        assert_allclose(ours.update(k, new, old, eta),
                        reference.update(k, new, old, eta), rtol=1e-12)
        assert_allclose(ours.average, ours.table.mean(0), rtol=1e-12,
                        atol=1e-15)


@pytest.mark.parametrize("eta", [0.01, 0.3, 1.0])
def test_in_expectation_an_error_shrinks(filled, rng, eta):
    """Over all batches, d - f' becomes (1 - eta) of what it was."""
    estimate, old = filled
    new = rng.standard_normal((N, SIZE))
    error = estimate.d - old.mean(0)
    updated = []
    for k in range(N):
        copy = Compiled(N, SIZE)
        copy.__dict__.update(
            {name: array.copy() for name, array in vars(estimate).items()})
        updated.append(copy.update(k, new[k], old[k], eta))
    assert_allclose(np.mean(updated, 0) - new.mean(0), (1 - eta) * error,
                    rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("eta", [0.01, 0.3, 1.0])
def test_at_rest_it_tends_to_the_average(filled, rng, eta):
    """With (1 + eta) new in the formula, it would tend to three times it."""
    estimate, values = filled
    for _ in range(int(20 / eta)):
        for k in rng.permutation(N):
            d = estimate.update(k, values[k], values[k], eta)
    assert_allclose(d, values.mean(0), rtol=1e-12)


def test_with_eta_1_it_is_saga(filled, rng):
    estimate, _ = filled
    for _ in range(20):
        k = rng.integers(N)
        new, old = rng.standard_normal((2, SIZE))
        expected = new - estimate.table[k] + estimate.average
        assert_allclose(estimate.update(k, new, old, 1.0), expected,
                        rtol=1e-13)


@pytest.mark.parametrize("eta", [0.01, 0.3, 1.0])
def test_one_batch_is_exact(rng, eta):
    estimate, old = Compiled(1, SIZE), np.zeros(SIZE)
    for t in range(20):
        new = rng.standard_normal(SIZE)
        d = estimate.update(0, new, old, eta if t else 1.0)
        assert_allclose(d, new, rtol=1e-12, atol=1e-13)
        old = new


def test_tables_that_do_not_fit_are_refused(monkeypatch):
    shapes = [(10, 3), (10, 2), (4, 3)]
    needed = 8 * (11 * 3 + 11 * 2 + 5 * 3)
    monkeypatch.setattr(memory, "MAX_MEMORY", needed)
    memory.check_tables(shapes, 7)
    monkeypatch.setattr(memory, "MAX_MEMORY", needed - 1)
    with pytest.raises(ValueError, match="batch_size=7 .* 10 . 4 batches"):
        memory.check_tables(shapes, 7)


def test_the_limit_is_2_gib():
    rows = 2**28 // 100 - 1  # 2^28 numbers of 8 bytes, with the average.
    memory.check_tables([(rows, 100)], 1)
    with pytest.raises(ValueError, match="2.0 GiB"):
        memory.check_tables([(rows + 1, 100)], 1)
