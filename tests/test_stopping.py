"""When a run is evaluated, and when it ends."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_utils.stopping import CLOSE, PER_DECADE, BudgetCriterion


def evaluated(seconds, limit, value=lambda n: 1.0, norm=lambda n: 1.0,
              max_runs=1000, evaluations=PER_DECADE):
    """Points of a run whose call n of the callback ends at seconds(n)."""
    criterion = BudgetCriterion().get_runner_instance(
        max_runs=max_runs,
        solver=SimpleNamespace(sampling_strategy="callback"))
    stop, stop_val, curve = False, criterion.init_stop_val(), []
    while not stop:
        curve.append({
            "stop_val": stop_val, "time": seconds(stop_val),
            "p_obj_max_seconds": limit, "p_obj_evaluations": evaluations,
            "objective_value": value(stop_val),
            "objective_grad_norm": norm(stop_val)})
        stop, status, following = criterion.should_stop(stop_val, curve)
        assert stop or following > stop_val
        stop_val = following
    return curve, status


@given(st.floats(1e-6, 5e-3), st.floats(0.1, 60.0), st.floats(0.0, 0.3),
       st.integers(0, 2**32 - 1), st.sampled_from([1, 2, PER_DECADE]))
def test_last_evaluation_is_near_the_end_and_not_beyond(
        call, limit, noise, seed, evaluations):
    """Of calls that take a share of the time, now more and now less."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)

    def seconds(n):
        # A speed that changes by a factor of up to 1.3 over a decade.
        wave = np.sin(2 * np.pi * np.log10(n + 1) + phase) - np.sin(phase)
        return call * limit * n * (1 + 0.05 * noise * wave)

    curve, status = evaluated(seconds, limit, evaluations=evaluations)
    assert status == "done"
    assert CLOSE * limit <= curve[-1]["time"] <= limit * (1 + call)
    if evaluations != PER_DECADE:
        return
    # Two methods are evaluated at the same times, to within an interval.
    grid = limit * 10 ** (-np.arange(200) / PER_DECADE)
    times = np.array([point["time"] for point in curve[1:-5]])
    apart = np.abs(np.log(times[:, None] / grid)).min(axis=1)
    known = times > 30 * call * limit
    assert np.all(apart[known] < 0.35 * np.log(10) / PER_DECADE)


def test_evaluations_do_not_depend_on_h():
    def seconds(n):
        return 1e-4 * n

    flat, _ = evaluated(seconds, 1.0)
    moving, _ = evaluated(seconds, 1.0, value=lambda n: 1.0 / (1 + n))
    assert ([point["time"] for point in flat]
            == [point["time"] for point in moving])
    assert len(flat) < 60


def test_rare_evaluations_are_few_and_end_as_near():
    """Of the six decades of a run, where an evaluation takes long."""
    usual, rare = (
        [point["time"] for point in evaluated(
            lambda n: 1e-6 * n, 1.0, evaluations=evaluations)[0]]
        for evaluations in (PER_DECADE, 1))
    assert len(rare) <= 6 + 7 and len(usual) >= 3 * len(rare)
    np.testing.assert_allclose(rare[1:6], 10.0 ** np.arange(-6, -1))
    assert min(rare[-1], usual[-1]) >= CLOSE


@given(st.floats(0.02, 0.09), st.floats(1.0, 1.9))
def test_long_calls_that_become_longer_are_not_far_beyond_the_end(
        first, factor):
    """Far from the end alone is a speed of one call believed."""
    def seconds(n):
        return first * (1 + factor * (n - 1)) if n else 0.0

    curve, _ = evaluated(seconds, 1.0, evaluations=1)
    within = [point["time"] for point in curve if point["time"] <= 1.0]
    assert within[-1] >= 1.0 - 2 * first * factor


def test_calls_longer_than_the_time_end_the_run():
    curve, status = evaluated(lambda n: 3.0 * n, 1.0)
    assert [point["time"] for point in curve] == [0.0, 3.0]
    assert status == "done"


@pytest.mark.parametrize("resolution", [0.0, 1e-3])
def test_a_clock_that_stands_still_is_waited_for(resolution):
    """Windows' clock, or calls of no time at all, up to --max-runs."""
    curve, status = evaluated(
        lambda n: math.floor(n * 1e-5 / resolution) * resolution
        if resolution else 0.0, 1.0, max_runs=60)
    assert status == ("done" if resolution else "max_runs")


def test_stationary_where_h_is_lowest_alone():
    """Where h saturates far from its minimum, its gradient vanishes too."""
    def norm(n):
        return 1e-260 if n >= 8 else 1.0

    def seconds(n):
        return 1e-4 * n

    low, _ = evaluated(seconds, 1.0, norm=norm)
    assert low[-1]["time"] < 1e-2
    high, _ = evaluated(seconds, 1.0, value=lambda n: n, norm=norm)
    assert high[-1]["time"] >= CLOSE
