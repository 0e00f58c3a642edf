"""The rules by which parameters are chosen, on runs that are made up."""
import math
from argparse import Namespace

import pandas as pd
import pytest
from handmade import table

from benchmark_utils.reporting import running, search, seeds, tables
from benchmark_utils.reporting.suite import Method

SEEDS = seeds.of_tuning(0)


class Solver:
    """What tuning needs of a class of benchopt."""

    parameters = {"step_size": [1.0], "outer_ratio": [1.0]}
    search_space = {"step_size": (0.1, 1.0), "outer_ratio": (0.1, 10.0)}

    def __init__(self, parameters):
        self.text = ",".join(f"{k}={v}" for k, v in sorted(parameters.items()))

    @classmethod
    def get_instance(cls, **parameters):
        return cls(parameters)

    def __str__(self):
        return f"{self.name}[{self.text}]"


def solver(name, **attributes):
    return Method(type("Solver", (Solver,), {"name": name, **attributes}),
                  name, {})


class Dataset:
    name = "d[n=1]"


def quality(parameters):
    """Lowest at a step of z of 3.2 and a step of x of 100."""
    step = parameters["step_size"]
    return (1 + abs(math.log10(step / 3.2))
            + abs(math.log10(step / parameters["outer_ratio"] / 100)))


@pytest.fixture
def tuned(monkeypatch, tmp_path):
    """A function that tunes methods on runs that a function makes up."""
    stages = []

    class Stage:
        """In place of running.Stage: h as ``value`` says, or diverged."""

        log = "log"

        def __init__(self, folder, name, dataset, entries, seconds,
                     repetitions, options, seed):
            assert repetitions == 1
            self.name, self.entries = name, entries
            stages.append((name, len(entries), seconds, seed))
            start = max(0, SEEDS.index(seed) - seeds.ROUNDS)
            curves, self.ends = {}, {}
            for method, parameters in entries:
                full = method.full_name(parameters)
                h = Stage.value(method.name, parameters, seconds, start)
                if isinstance(h, str):
                    self.ends[full] = h
                elif h is None:
                    self.ends[full] = "diverged"
                else:
                    self.ends[full] = "done"
                    curves[full, 0] = [(0, 99), (seconds / 2, h)]
            self.df = table(curves, run_date=name, seed=seed)
            self.df[tables.ASKED] = repetitions
            self.diverged = [(full, seed, 1) for full, end in
                             self.ends.items() if end == "diverged"]

        def unusual(self):
            return []

        def run(self):
            return self.df if len(self.df) else pd.DataFrame(
                columns=tables.NEEDED)

    def tune_(value, methods, configurations=32):
        Stage.value = staticmethod(value)
        monkeypatch.setattr(running, "Stage", Stage)
        options = Namespace(
            configurations=configurations, survivors=8, finalists=3,
            starts=5, max_seconds=10.0, seed=0)
        tuning = search.Tuning(Dataset, methods, options, tmp_path)
        chosen = tuning.run()
        return tuning, chosen, stages

    return tune_


def test_each_method_gets_the_same_time(tuned):
    few = solver("Few", search_space={
        "step_size": [1.0], "outer_ratio": [1.0]})
    tuning, chosen, stages = tuned(
        lambda name, parameters, seconds, k: quality(parameters),
        [solver("A"), solver("B"), few])
    assert {name: len(found) for name, found in tuning.tried.items()} == {
        "A": 32, "B": 32, "Few": 1}
    assert stages == [
        ("search-1", 33, 1.0, SEEDS[0]), ("search-2", 16, 1.0, SEEDS[0]),
        ("search-3", 16, 1.0, SEEDS[0]), ("halving-1", 17, 5.0, SEEDS[1]),
        *((f"final-{k + 1}", 7, 10.0, SEEDS[2 + k]) for k in range(5))]
    assert len(set(SEEDS)) == 7
    assert set(chosen) == {"A", "B", "Few"}
    assert next(iter(tuning.lines(chosen))).startswith(
        "A: 32 configurations, of which 0 diverged; of 3 finalists the best "
        "ends at h = ")


def test_the_search_goes_beyond_its_space_and_says_so(tuned):
    tuning, chosen, _ = tuned(
        lambda name, parameters, seconds, k: quality(parameters),
        [solver("A")])
    # Lowest at a step of z of 3.2, of x of 100; the space ends at 1 and 10.
    corner = {"step_size": 1.0, "outer_ratio": 0.1}
    assert quality(chosen["A"].parameters) < quality(corner)
    assert any("at the end of its search space or beyond: " in line
               and "search_space may hold" in line
               for line in tuning.lines(chosen))


def test_half_of_the_starts_is_infinity(tuned):
    # The best diverges from three starts of five.
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if step_of_x > 1 and seconds > 5 and k < 3:
            return None
        return 10.0 / step_of_x

    _, chosen, _ = tuned(value, [solver(
        "B", search_space={"step_size": [1.0], "outer_ratio": [0.5, 2.0]})])
    assert chosen["B"].parameters["outer_ratio"] == 2.0


@pytest.mark.parametrize("n_lost", [1, 2])
def test_what_diverges_least_often_is_the_choice(tuned, n_lost):
    """What does so once may do so in half of the runs of a comparison."""
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if step_of_x > 1 and seconds > 5 and k < n_lost:
            return None
        return 1.0 / step_of_x

    choices = {"step_size": [1.0], "outer_ratio": [0.5, 2.0]}
    _, chosen, _ = tuned(value, [solver("A", search_space=choices)])
    assert chosen["A"].parameters["outer_ratio"] == 2.0
    # Where nothing else is left it is one.
    _, chosen, _ = tuned(value, [solver("A", search_space={
        **choices, "outer_ratio": [0.5]})])
    assert chosen["A"].parameters["outer_ratio"] == 0.5


def test_where_the_fastest_diverge_late_the_next_of_the_search_follow(tuned):
    """Twice as many as are halved are fast, and none of them holds."""
    fast = set()

    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        key = tuple(parameters.values())
        if seconds < 2:
            if len(fast) < 16:
                fast.add(key)
            return 1.0 / step_of_x - (1e3 if key in fast else 0)
        return None if key in fast and seconds > 6 else 1.0 / step_of_x

    tuning, chosen, stages = tuned(value, [solver("A"), solver("B")])
    assert set(chosen) == {"A", "B"}
    for choice in chosen.values():
        assert tuple(choice.parameters.values()) not in fast
    names = [name for name, *_ in stages]
    assert names[3:5] == ["halving-1", "final-1"] and "halving-2" in names
    assert "final-6" in names
    assert len(names) == len(set(names))


def test_what_diverges_later_is_left_behind(tuned):
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if step_of_x > (10 if seconds < 2 else 1 if seconds < 6 else 0.8):
            return None
        return 1.0 / step_of_x

    _, chosen, _ = tuned(value, [solver("A")])
    best = chosen["A"].parameters
    assert best["step_size"] / best["outer_ratio"] <= 0.8


def test_the_median_at_the_end_decides(tuned):
    # Of the second, the mean and the lowest are better, not the median.
    values = {0.5: [3.0] * 5, 1.0: [0.0, 0.0, 4.0, 4.0, 4.0]}

    def value(name, parameters, seconds, k):
        return values[parameters["step_size"]][k]

    _, chosen, _ = tuned(
        lambda name, *of: 0.0 if name == "B" else value(name, *of),
        [solver("A", search_space={
            "step_size": [0.5, 1.0], "outer_ratio": [1.0]}), solver("B")])
    assert chosen["A"].parameters["step_size"] == 0.5
    assert chosen["A"].score()[0] == 3.0


def test_starts_that_differ_are_read_from_the_lowest_of_each(tuned):
    """h alone would be read from the third start, whatever the others say."""
    low = [-200.0, -100.0, 0.0, 100.0, 200.0]
    above = {"A": {0.5: [1.0, 1.0, 3.0, 1.0, 1.0], 1.0: [2.0] * 5},
             "B": {0.5: [0.0] * 5, 1.0: [0.0] * 5}}

    def value(name, parameters, seconds, k):
        return low[k] + above[name][parameters["step_size"]][k]

    spaces = {"step_size": [0.5, 1.0], "outer_ratio": [1.0]}
    _, chosen, _ = tuned(value, [solver("A", search_space=spaces),
                                 solver("B", search_space=spaces)])
    assert chosen["A"].parameters["step_size"] == 0.5


def test_a_start_from_which_all_diverge_counts(tuned):
    """Its table has no row at all."""
    def tune(n_lost):
        return tuned(lambda name, parameters, seconds, k: (
            None if seconds > 6 and k < n_lost else quality(parameters)),
            [solver("A")])

    _, chosen, _ = tune(2)
    assert (len(chosen["A"].curves), chosen["A"].n_asked) == (3, 5)
    with pytest.raises(ValueError, match="diverged from half of the starts"):
        tune(3)


def test_where_everything_diverges_steps_shrink_and_it_is_said(tuned):
    def value(name, parameters, seconds, k):
        return None if name == "A" else 1.0

    tuning, chosen, _ = tuned(value, [solver("A"), solver("B")])
    assert list(chosen) == ["B"]
    assert "A: 32 configurations, of which 32 diverged; none is left" in (
        list(tuning.lines(chosen)))
    assert min(p["step_size"] / p["outer_ratio"]
               for p in tuning.tried["A"]) < 0.01
    with pytest.raises(ValueError, match="every configuration diverged"):
        tuned(value, [solver("A")])


@pytest.mark.parametrize("at, seconds", [(2.0, "5"), (6.0, "10")])
def test_where_all_diverge_later_it_is_said(tuned, at, seconds):
    with pytest.raises(ValueError, match=f"every run of {seconds} s diverged"):
        tuned(lambda name, parameters, seconds, k: (
            None if seconds > at else 1.0), [solver("A")])


def test_what_is_skipped_is_said_and_not_tried_again(tuned):
    def value(name, parameters, seconds, k):
        if name == "A":
            return "skip: d is too large"
        return quality(parameters)

    tuning, chosen, stages = tuned(value, [solver("A"), solver("B")])
    lines = list(tuning.lines(chosen))
    assert lines[0] == (
        "A: 16 configurations, of which 0 diverged and 16 were skipped (skip:"
        " d is too large); none is left")
    assert [n for _, n, *_ in stages] == [32, 8, 8, 8, *[3] * 5]
    assert stages[4][0] == "final-1"
    assert list(chosen) == ["B"]


def test_a_method_of_which_some_are_skipped_has_its_share(tuned):
    def value(name, parameters, seconds, k):
        if parameters["step_size"] < 0.3:
            return "skip: step_size is too small for this"
        return quality(parameters)

    tuning, chosen, _ = tuned(value, [solver("A")])
    assert len(tuning.tried["A"]) == 32
    assert chosen["A"].parameters["step_size"] >= 0.3
