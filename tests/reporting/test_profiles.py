"""Profiles over problems, cost of tuning, cells of a heat map."""
import itertools

import numpy as np
import pandas as pd
import pytest
from handmade import problems, table

from benchmark_utils.reporting import overview, tuning_cost
from benchmark_utils.reporting.profiles import Profiles

NAME = "{}[outer_ratio={},step_size={}]".format
A, B, C = (NAME(m, 1.0, 1.0) for m in ("SOBA", "SABA", "Mine"))


@pytest.fixture
def three():
    """B is fastest on one, A on two; C reaches nothing."""
    return problems(pd.concat([
        table({(A, 0): [(0, 1), (a, 0.1)], (B, 0): [(0, 1), (b, 0.1)],
               (C, 0): [(0, 1), (1, 0.9)]}, dataset=f"d[n={k}]", gap=0.0)
        for k, (a, b) in enumerate([(1, 4), (2, 3), (6, 3)])],
        ignore_index=True))


def share(profiles, relative, method, at):
    grid, shares = profiles.curves(relative)
    return shares[method][0][np.searchsorted(grid, at, side="right") - 1]


def test_performance_profile(three):
    profiles = Profiles(three, "time", 0.1)
    assert len(profiles.datasets) == 3
    assert profiles.methods == ["SOBA", "SABA", "Mine"]
    # Ratios of A: 1, 1, 2; of B: 4, 1.5, 1.
    for method, at, value in [
            ("SOBA", 1.0, 2 / 3), ("SOBA", 2.05, 1.0), ("SABA", 1.0, 1 / 3),
            ("SABA", 1.6, 2 / 3), ("SABA", 4.3, 1.0), ("Mine", 4.3, 0.0)]:
        assert share(profiles, True, method, at) == pytest.approx(value)
    assert profiles.best_methods(2) == ["SOBA", "SABA"]


def test_data_profile(three):
    profiles = Profiles(three, "time", 0.1)
    for method, at, value in [("SOBA", 1.0, 1 / 3), ("SOBA", 2.1, 2 / 3),
                              ("SOBA", 6.5, 1.0), ("SABA", 3.1, 2 / 3)]:
        assert share(profiles, False, method, at) == pytest.approx(value)


def test_bands_hold_the_share_of_other_repetitions():
    times = [1, 1, 1, 9, 9]
    problem = problems(table(
        {(A, k): [(0, 1), (t, 0)] for k, t in enumerate(times)} | {
            (B, k): [(0, 1), (3, 0)] for k in range(5)}, gap=0.0))
    grid, shares = Profiles(problem, "time", 0.1).curves(relative=True)
    _, low, high = shares["SOBA"]
    assert low[0] == 0.0 and high[0] == 1.0
    assert low[-1] == high[-1] == 1.0


def test_where_nothing_improves_nothing_is_solved():
    everything = problems(table({(A, 0): [(0, 1), (1, 2)]}))
    profiles = Profiles(everything, "time", 0.1)
    assert profiles.datasets == [] and profiles.curves(True)[1] == {}


def test_best_of_k_by_counting():
    gaps = np.array([1.0, 2.0, 2.0, 5.0, 9.0])
    k, expected, low, high = tuning_cost.best_of(gaps)
    for i in k:
        best = np.sort([min(c) for c in itertools.combinations(gaps, i)])
        assert expected[i - 1] == pytest.approx(best.mean())
        assert low[i - 1] == np.quantile(best, 0.2, method="inverted_cdf")
        assert high[i - 1] == np.quantile(best, 0.8, method="inverted_cdf")


def grid():
    """Three configurations of one method, of which one diverged."""
    df = table({
        (NAME("SOBA", 1.0, 1.0), 0): [(0, 9), (1, 3)],
        (NAME("SOBA", 0.1, 1.0), 0): [(0, 9), (1, 12)],
        (NAME("SABA", 1.0, 1.0), 0): [(0, 9), (1, 3)]}, gap=1.0)
    df["configurations_diverged"] = pd.Series(
        ['["SOBA[outer_ratio=0.01,step_size=1.0]"]'], index=df.index[:1])
    return problems(df)[0]


def test_what_diverged_has_the_gap_of_the_start():
    found = tuning_cost.gaps_by_method(grid())
    assert list(found) == ["SOBA"]  # The other has one configuration.
    assert found["SOBA"].tolist() == [2.0, 8.0, 8.0]


def test_cells_are_marked_where_all_diverged():
    found = tuning_cost.cells(
        [c for c in grid().configurations if c.method == "SOBA"])
    assert found == {(1.0, 1.0): 2.0, (1.0, 0.1): 11.0, (1.0, 0.01): np.inf}
    image = tuning_cost.draw_cells(found, 1.0, 10.0)
    assert image.ndim == 3 and 0 <= image.min() < image.max() <= 1


def test_boxes_of_a_row_touch_and_do_not_overlap():
    pairs = [(s, o) for s in (0.1, 1.0) for o in (0.01, 0.1, 1.0)]
    boxes = tuning_cost.boxes([*pairs, (1.0, 0.032), (10.0, 0.1)])
    row = sorted(box for (s, _), box in boxes.items() if s == 1.0)
    for (left, _, width, _), (other, *_) in itertools.pairwise(row):
        assert left + width == pytest.approx(other)
    for (step_size, outer_ratio), (left, bottom, width, height) in (
            boxes.items()):
        assert left <= np.log10(outer_ratio) <= left + width
        assert bottom <= np.log10(step_size) <= bottom + height
    alone = tuning_cost.boxes([(1.0, 1.0)])
    assert all(size > 0 for size in alone[1.0, 1.0][2:])


def test_names_of_problems_are_short_and_differ():
    assert overview.short_names(
        ["digits[ratio=5e-1]", "libsvm[name=a9a]", "mnist[ratio=5e-1]",
         "mnist[ratio=9e-1]"]) == [
        "digits", "a9a", "mnist[ratio=5e-1]", "mnist[ratio=9e-1]"]
