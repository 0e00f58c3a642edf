"""How sure a median and a difference are."""
import numpy as np
import pytest

from benchmark_utils.reporting.intervals import (
    Comparison,
    holm,
    interval,
    medians,
)

INF = np.inf


def one_start(values):
    return Comparison({method: [found] for method, found in values.items()})


def test_intervals_hold_the_median_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for k in range(400):
        low, high = interval(medians([rng.exponential(size=30)], seed=k))
        held += low <= np.log(2) <= high
    assert 0.92 <= held / 400 <= 0.98


def test_infinite_repetitions_are_values_of_their_own():
    assert interval(medians([[1.0] * 6])) == (1.0, 1.0)
    assert interval(medians([[INF] * 6])) == (INF, INF)
    low, high = interval(medians([[1.0] * 6 + [INF] * 4]))
    assert (low, high) == (1.0, INF)


@pytest.fixture
def compared():
    rng = np.random.default_rng(1)
    return one_start({
        "A": rng.normal(1.00, 0.05, 10), "B": rng.normal(1.02, 0.05, 10),
        "C": rng.normal(2.00, 0.05, 10), "D": [INF] * 10,
        "E": [1.0] * 6 + [INF] * 4, "few": [0.5, 0.5]})


def test_less_only_where_the_test_says_so(compared):
    p = compared.p_value
    assert p("A", "C") < 0.01 and p("C", "D") < 0.01
    assert p("A", "B") > 0.05 and p("B", "A") > 0.05
    # Half of its repetitions, nearly, are infinite.
    assert p("A", "E") > 0.05
    low, high = compared.difference("C", "A")
    assert 0.9 < low < high < 1.1
    assert compared.difference("D", "D") == (0.0, 0.0)
    # Two that are both infinite, and a method beside itself.
    assert p("D", "D") == p("A", "A") == 1.0


def test_too_few_repetitions_say_nothing(compared):
    assert compared.best == "few"
    assert compared.interval("few") is None
    assert compared.p_value("few", "C") is None
    assert compared.not_told_apart() == [] and compared.p_values == {}


def test_few_repetitions_cannot_tell_many_methods_apart():
    """Of five of each from a start, 252 ways to exchange them."""
    def first(starts, n_methods):
        found = Comparison({k: [[k + 0.01 * i for i in range(5)]] * starts
                            for k in range(n_methods)})
        return found.p_value(0, 1), found.not_told_apart()

    p, alone = first(1, 2)
    assert p == pytest.approx(2 / 252) and alone == [0]
    # Holm: nine times 2 / 252 is above 5 %.
    assert first(1, 10)[1] == list(range(10))
    p, alone = first(3, 10)
    assert p == pytest.approx(2 / 5001) and alone == [0]


def test_holm_by_hand():
    """.01 times 4, .02 times 3 and so on, never less than before."""
    found = holm({"a": 0.01, "b": 0.02, "c": 0.02, "d": 0.9})
    assert found == pytest.approx(
        {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.9})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_of_many_equal_methods_none_is_called_slower():
    """One test in twenty is wrong; of nineteen together, one in twenty."""
    alone = together = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = one_start({k: rng.normal(size=15) for k in range(20)})
        others = [k for k in found.median if k != found.best]
        alone += any(found.p_value(found.best, k) < 0.05 for k in others)
        together += len(found.not_told_apart()) < 20
    # The best is chosen first, which Holm's correction does not know.
    assert together < alone / 2 and together <= 8


def test_the_first_are_those_not_told_apart():
    compared = one_start({
        "A": [1.0, 1.1] * 5, "B": [1.05] * 10, "C": [3.0] * 10,
        "D": [INF] * 10})
    assert compared.not_told_apart() == ["A", "B"]
    assert one_start({"A": [INF] * 9}).not_told_apart() == []
    assert Comparison({}).best is None


def test_ranks_have_intervals():
    ranks = one_start({
        "A": [1.0, 1.1] * 5, "B": [1.05, 1.06] * 5, "C": [3.0] * 10,
        "D": [INF] * 10, "E": [INF] * 10, "few": [2.0]}).ranks()
    assert ranks["C"] == (4, 4, 4)
    # Equal methods share the mean of their ranks.
    assert ranks["D"] == ranks["E"] == (5.5, 5.5, 5.5)
    assert ranks["few"] == (3, 1, 6)
    assert ranks["A"][1:] == (1, 2)
    assert Comparison({}).ranks() == {}


def test_starts_are_drawn_before_their_repetitions():
    """Of starts that differ, an interval covers what lies between them."""
    apart = [[1.0] * 5, [2.0] * 5, [3.0] * 5]
    assert interval(medians(apart)) == (1.0, 3.0)
    # The same numbers as repetitions of one start say much more.
    low, high = interval(medians([[1.0, 2.0, 3.0] * 30]))
    assert (low, high) == (2.0, 2.0)
    # A repetition is drawn with others of its start alone.
    mixed = medians([[1.0] * 5, [9.0]])
    assert set(np.unique(mixed)) == {1.0, 9.0}


def test_what_makes_a_start_hard_is_no_difference():
    """A is lower than B from each start, by less than starts differ."""
    rng = np.random.default_rng(0)
    starts = 10.0 ** np.arange(3)
    found = Comparison({
        "A": [start * rng.normal(1.0, 0.01, 5) for start in starts],
        "B": [start * rng.normal(1.2, 0.01, 5) for start in starts]})
    low, high = found.interval("A")
    assert low < 2 and high > 90  # Of which start it is, nobody knows.
    assert found.p_value("A", "B") < 0.01


def test_starts_may_differ_in_size():
    found = Comparison({"A": [[1.0] * 5, [2.0] * 3], "B": [[5.0] * 8]})
    assert found.median["A"] == 1.0 and found.p_value("A", "B") < 0.01
    assert found.interval("A") == (1.0, 2.0)


def test_two_levels_by_hand():
    """Every way of drawing two starts of two, and two of each, counted."""
    starts = [[0.0, 1.0], [2.0, 5.0]]
    exact = [np.median([starts[a][i], starts[a][j], starts[b][k],
                        starts[b][m]])
             for a in (0, 1) for b in (0, 1) for i in (0, 1) for j in (0, 1)
             for k in (0, 1) for m in (0, 1)]
    drawn = medians(starts)
    for value in np.unique(exact):
        share = np.mean(np.array(exact) == value)
        # Within five standard deviations of 2000 draws.
        margin = 5 * np.sqrt(share * (1 - share) / len(drawn))
        assert abs(np.mean(drawn == value) - share) < margin
    assert set(np.unique(drawn)) <= set(np.unique(exact))
