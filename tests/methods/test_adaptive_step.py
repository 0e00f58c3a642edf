"""The step of HOAG: what it does with L, and which steps it takes back."""
import numpy as np
import pytest

from benchmark_utils.methods.adaptive_step import AdaptiveStep

P = np.array([3.0, -4.0])
V = np.array([0.0, 2.0])


def started(F, eps=0.0):
    step = AdaptiveStep()
    assert step.keeps(F, P, eps, V, 0.0)
    return step


def test_first_step_has_length_1():
    assert np.linalg.norm(P / started(1.0).L) == pytest.approx(1.0)
    flat = AdaptiveStep()
    assert flat.keeps(1.0, np.zeros(2), 0.0, V, 0.0) and flat.L == 1.0


@pytest.mark.parametrize("F_last", [10.0, -10.0])
@pytest.mark.parametrize("change, factor, kept", [
    (-5.0 / 2 - 1e-9, 0.95, True),  # L / 2 |D|^2 with L = 5 and |D| = 1.
    (-5.0 / 2 + 1e-9, 1.0, True),
    (0.0, 1.0, True),
    (1e-9, 2.0, True),
    (2.0 - 1e-9, 2.0, True),
    (2.0 + 1e-9, 2.0, False),
    (np.inf, 2.0, False),
])
def test_what_becomes_of_a_step(F_last, change, factor, kept):
    step = started(F_last)
    assert step.keeps(F_last + change, P, 0.0, V, 1.0) == kept
    assert step.L == pytest.approx(5.0 * factor)


def test_a_step_that_is_kept_is_the_next_to_be_compared_with():
    step = started(10.0)
    assert step.keeps(11.0, P, 0.0, V, 1.0)
    # More than 20 % above 10, but not above 11.
    assert step.keeps(12.5, P, 0.0, V, 1.0)
    # One that is taken back is not.
    assert not step.keeps(15.5, P, 0.0, V, 1.0)
    assert not step.keeps(15.4, P, 0.0, V, 1.0)


def test_inexact_values_are_judged_up_to_the_tolerance():
    # F increases, by less than its errors can be: M = C = |v| = 2.
    eps_last, eps, length = 1.0, 0.5, 0.1
    slack = 2 * (eps + eps_last) + 2 * eps_last * length
    bound = 10.0 - 5.0 / 2 * length**2 + slack
    for F, factor in ((bound - 1e-9, 0.95), (bound + 1e-9, 2.0)):
        step = started(10.0, eps_last)
        step.keeps(F, P, eps, V, length)
        assert step.L == pytest.approx(5.0 * factor)
