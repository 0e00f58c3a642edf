"""The rules by which parameters are chosen, on runs that are made up."""
import math
from argparse import Namespace
from collections import Counter

import pandas as pd
import pytest
from handmade import table

from benchmark_utils.reporting import running, tables, tune
from benchmark_utils.reporting.suite import Method


class Solver:
    """What tuning needs of a class of benchopt."""

    parameters = {"step_size": [1.0], "outer_ratio": [1.0]}
    grid = {"step_size": [0.1, 1.0], "outer_ratio": [0.1, 1.0, 10.0]}

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
                     repetitions, options):
            self.name, self.entries = name, entries
            stages.append((name, len(entries)))
            curves, self.ends = {}, {}
            for method, parameters in entries:
                full = method.full_name(parameters)
                self.ends[full] = "done"
                for k in range(repetitions):
                    h = Stage.value(method.name, parameters, seconds, k)
                    if isinstance(h, str):
                        self.ends[full] = h
                    elif h is None:
                        self.ends[full] = "diverged"
                    else:
                        curves[full, k] = [(0, 99), (seconds / 2, h)]
            self.df = table(curves, run_date=name)
            self.df[tables.ASKED] = repetitions

        def unusual(self):
            return []

        def run(self):
            return self.df if len(self.df) else pd.DataFrame(
                columns=tables.NEEDED)

    def tune_(value, methods, configurations=20, shortlist=2):
        Stage.value = staticmethod(value)
        monkeypatch.setattr(running, "Stage", Stage)
        options = Namespace(
            configurations=configurations, seconds=1.0, shortlist=shortlist,
            repetitions=5, max_seconds=3.0, seed=0)
        tuning = tune.Tuning(Dataset, methods, options, tmp_path)
        chosen = tuning.run()
        return tuning, chosen, stages

    return tune_


def test_each_method_gets_the_same_number(tuned):
    few = solver("Few", grid={"step_size": [1.0], "outer_ratio": [1.0]})
    tuning, chosen, stages = tuned(
        lambda name, parameters, seconds, k: quality(parameters),
        [solver("A"), solver("B"), few])
    assert {name: len(found) for name, found in tuning.tried.items()} == {
        "A": 20, "B": 20, "Few": 1}
    assert stages[0] == ("grid-1", 13)
    assert set(chosen) == {"A", "B", "Few"}
    assert any(line.startswith("A: 20 configurations, of which 0 diverged")
               for line in tuning.lines(chosen))


def test_the_grid_grows_to_what_is_best_beyond_its_edge(tuned):
    _, chosen, _ = tuned(
        lambda name, parameters, seconds, k: quality(parameters),
        [solver("A")])
    assert chosen["A"].parameters == {"step_size": 3.2, "outer_ratio": 0.032}


def test_half_of_the_repetitions_is_infinity(tuned):
    # The best diverges in three repetitions of five.
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if step_of_x > 5 and seconds > 1 and k < 3:
            return None
        return 10.0 / step_of_x

    _, chosen, _ = tuned(value, [solver("A")], configurations=9, shortlist=3)
    parameters = chosen["A"].parameters
    assert parameters["step_size"] / parameters["outer_ratio"] <= 5


def test_where_no_candidate_is_left_smaller_steps_follow(tuned):
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if seconds > 1 and step_of_x > 0.05:
            return None
        return 10.0 / step_of_x

    _, chosen, stages = tuned(
        value, [solver("A"), solver("B")], configurations=9, shortlist=1)
    names = Counter(name.split("-")[0] for name, _ in stages)
    assert names["shortlist"] > 2
    parameters = chosen["A"].parameters
    assert parameters["step_size"] / parameters["outer_ratio"] <= 0.05


def test_what_lets_a_repetition_diverge_is_not_taken(tuned):
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if seconds > 1 and step_of_x > 0.05 and k == 0:
            return None
        return 1.0 / step_of_x

    grid = {"step_size": [1.0], "outer_ratio": [0.1, 1.0, 10.0, 100.0]}
    tuning, chosen, stages = tuned(
        value, [solver("A", grid=grid), solver("B", grid=grid)],
        configurations=4)
    # Candidates one and two of each; then three and four, of which the last
    # holds, and the first with a third of its step, in two ways; then that
    # shrinks on, as it is deeper than what holds.
    assert stages[1:] == [("shortlist-1", 4), ("shortlist-2", 8), *(
        (f"shortlist-{k}", 4) for k in (3, 4, 5, 6))]
    parameters = chosen["A"].parameters
    assert 0.03 < parameters["step_size"] / parameters["outer_ratio"] < 0.05
    assert "of 14 candidates" in next(iter(tuning.lines(chosen)))


def test_where_no_candidate_ever_ends_it_is_said(tuned):
    with pytest.raises(ValueError, match="repetition of the shortlist"):
        tuned(lambda name, parameters, seconds, k: (
            None if seconds > 1 else 1.0), [solver("A")], configurations=9)


def test_no_candidate_runs_twice(tuned):
    ran = Counter()

    def value(name, parameters, seconds, k):
        if seconds > 1:
            ran[k, str(parameters)] += 1
            if k == 0:
                return None
        # The second candidate is a smaller step from the first.
        return parameters["outer_ratio"] / parameters["step_size"]

    grid = {"step_size": [0.1, 0.32, 1.0], "outer_ratio": [1.0, 3.2, 10.0]}
    tuned(value, [solver("A", grid=grid)], configurations=9)
    assert len(ran) > 20 and set(ran.values()) == {1}


def test_what_holds_is_enough_where_it_is_the_deepest(tuned):
    def value(name, parameters, seconds, k):
        step_of_x = parameters["step_size"] / parameters["outer_ratio"]
        if seconds > 1 and step_of_x > 5:
            # Those that end are worse than what holds.
            return None if k == 0 else 100.0
        return 10.0 / step_of_x

    grid = {"step_size": [1.0], "outer_ratio": [0.1, 1.0, 10.0, 100.0]}
    _, chosen, stages = tuned(value, [solver("A", grid=grid)],
                              configurations=4)
    assert stages[1:] == [("shortlist-1", 2)]
    assert chosen["A"].parameters["outer_ratio"] == 1.0


def test_a_method_that_never_holds_comes_to_an_end(tuned):
    def value(name, parameters, seconds, k):
        return None if seconds > 1 and k == 0 else 1.0

    _, chosen, stages = tuned(value, [solver("A")], configurations=4)
    names = Counter(name.split("-")[0] for name, _ in stages)
    assert names["shortlist"] == tune.MOST_STAGES
    assert len(chosen["A"].curves) == 4


def test_what_diverges_just_after_the_time_is_not_taken(tuned):
    def value(name, parameters, seconds, k):
        # Runs of the shortlist, 4.5 s long where 3 s are compared.
        if seconds > 4 and parameters["outer_ratio"] < 1:
            return None
        return parameters["outer_ratio"]

    grid = {"step_size": [1.0], "outer_ratio": [0.1, 1.0]}
    _, chosen, stages = tuned(value, [solver("A", grid=grid)],
                              configurations=2)
    assert chosen["A"].parameters["outer_ratio"] == 1.0


def test_where_none_held_the_most_repetitions_count(tuned):
    def value(name, parameters, seconds, k):
        # Smaller steps, which follow, lose more.
        n_lost = {0.1: 2, 1.0: 1, 10.0: 1, 100.0: 3}
        if seconds > 1 and k < n_lost.get(
                parameters["outer_ratio"], 4):
            return None
        return parameters["outer_ratio"]

    grid = {"step_size": [1.0], "outer_ratio": [0.1, 1.0, 10.0, 100.0]}
    _, chosen, _ = tuned(value, [solver("A", grid=grid)], configurations=4)
    assert chosen["A"].parameters["outer_ratio"] == 1.0


def test_where_everything_diverges_steps_shrink_and_it_is_said(tuned):
    def value(name, parameters, seconds, k):
        return None if name == "A" else 1.0

    tuning, chosen, _ = tuned(value, [solver("A"), solver("B")],
                              configurations=12)
    assert list(chosen) == ["B"]
    assert "A: 12 configurations, of which 12 diverged; none is left" in (
        list(tuning.lines(chosen)))
    assert min(p["step_size"] for p in tuning.tried["A"]) < 0.1
    with pytest.raises(ValueError, match="every configuration diverged"):
        tuned(value, [solver("A")])


def test_what_is_skipped_is_said_and_not_grown(tuned):
    def value(name, parameters, seconds, k):
        if name == "A" or parameters["outer_ratio"] < 1:
            return "skip: d is too large"
        return quality(parameters)

    tuning, chosen, _ = tuned(value, [solver("A"), solver("B")])
    lines = list(tuning.lines(chosen))
    assert lines[0] == (
        "A: 6 configurations, of which 0 diverged and 6 were skipped (skip: "
        "d is too large); none is left")
    assert "skipped" in lines[1] and list(chosen) == ["B"]
