"""Medians over repetitions, and the best configurations."""
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from handmade import A, B, C, problem, table

from benchmark_utils.reporting import references as known
from benchmark_utils.reporting import runs, tables


@pytest.fixture(autouse=True)
def references(monkeypatch, tmp_path):
    monkeypatch.setattr(known, "REFERENCES", tmp_path / "references.yml")
    known.REFERENCES.write_text("")
    return known.REFERENCES


def best(df, **options):
    return {m: (c.name, c.score(**options))
            for m, c in problem(df).best(**options).items()}


def test_best_is_the_median_at_the_end_of_the_time():
    df = table({
        (A, 0): [(0, 9), (1, 3), (5, 0)], (A, 1): [(0, 9), (1, 3)],
        # Lower on the way, which does not count.
        (B, 0): [(0, 9), (1, 1), (2, 8)], (B, 1): [(0, 9), (1, 2)],
    })
    assert best(df, seconds=2.0) == {"SOBA": (A, (3.0, 1.0))}
    assert best(df, seconds=1.0) == {"SOBA": (B, (1.5, 1.0))}
    # Without a limit, A's first repetition gets to 0.
    assert problem(df).configurations[0].score()[0] == 1.5


def test_a_diverged_repetition_counts_as_infinity():
    df = table({
        (A, 0): [(0, 9), (1, 5)], (A, 1): [(0, 9), (1, 5)],
        (A, 2): [(0, 9), (1, 5)],
        # Lower, but two of three repetitions are missing.
        (B, 0): [(0, 9), (1, 1)],
    })
    assert best(df)["SOBA"][0] == A
    assert problem(df).configurations[1].label() == "SOBA (1 of 3)"


def test_ties_go_to_the_faster():
    df = table({(A, 0): [(0, 9), (2, 1)], (B, 0): [(0, 9), (1, 1)]})
    assert best(df)["SOBA"][0] == B


def test_nan_is_never_the_lowest():
    df = table({(A, 0): [(0, 9), (1, np.nan)], (B, 0): [(0, 9), (1, 8)]})
    assert best(df)["SOBA"][0] == B


def test_curves_hold_the_last_value_on_a_common_grid():
    df = table({(A, 0): [(0, 9), (1, 4), (100, 1)],
                (A, 1): [(0, 9), (2, 2), (50, 0)]})
    x, median, low, high = problem(df).configurations[0].median_curve(
        "time", "objective_value", n_points=5)
    np.testing.assert_allclose(x[[0, -1]], [2.0, 100.0])
    # The second one has ended at 50, and stays: the end is that of the table.
    np.testing.assert_allclose(median, [3, 3, 3, 3, 0.5])
    assert np.all(low <= median) and np.all(median <= high)


def test_a_repetition_of_one_point_stays_at_the_start():
    df = table({(A, 0): [(0, 9), (1, 4), (2, 1)], (A, 1): [(0, 9)]})
    x, median, _, _ = problem(df).configurations[0].median_curve(
        "time", "objective_value", n_points=2)
    np.testing.assert_allclose(x, [1, 2])
    np.testing.assert_allclose(median, [6.5, 5])
    alone = table({(A, 0): [(0, 9)]})
    assert not any(map(len, problem(alone).configurations[0].median_curve(
        "time", "gap")))


def found(df):
    problem_ = problem(df)
    return problem_.h_star, problem_.origin


def test_reference_says_where_it_is_from(references):
    df = table({(A, 0): [(0, 9), (1, 4)]})
    assert found(df) == (4.0, "lowest h of this run")
    references.write_text(yaml.safe_dump(
        {"d[n=1]": {"seed": 0, "value": 3.0, "origin": "long run"}}))
    assert found(df) == (3.0, "long run")
    df["base_seed"] = "1"  # Another start: another value may be reached.
    assert found(df)[1] == "lowest h of this run"
    references.write_text(yaml.safe_dump(
        {"d[n=1e0]": {"value": 3.0, "origin": "long run"}}))  # Of any start.
    assert found(df) == (3.0, "long run")
    known = table({(A, 0): [(0, 9), (1, 4)]}, gap=2.5)
    assert found(known) == (2.5, "min h")


def test_a_run_below_what_is_stored_is_the_reference(references):
    references.write_text(yaml.safe_dump(
        {"d[n=1]": {"value": 5.0, "origin": "long run"}}))
    df = table({(A, 0): [(0, 9), (1, 4)]})
    assert found(df) == (4.0, "lowest h of this run")
    # But not for the last digit, to which what is stored is rounded.
    df = table({(A, 0): [(0, 9), (1, 5 - 1e-12)]})
    assert found(df) == (5.0, "long run")


def test_all_seeds_have_one_reference_where_h_is_the_same(references):
    def h_stars():
        df = pd.concat([table({(A, 0): [(0, 9), (1, h)]}, seed=seed)
                        for seed, h in ((1, 4), (2, 2))], ignore_index=True)
        return {seed: found for seed, (found, _) in
                problem(df).references.items()}

    entry = {"value": 3.0, "origin": "long run"}
    references.write_text(yaml.safe_dump({"d[n=1]": entry}))
    # One start has gone below: what is known of h is known of all.
    assert h_stars() == {"1": 2.0, "2": 2.0}
    # Where it depends on the seed, each has its own.
    references.write_text(yaml.safe_dump(
        {"d[n=1]": {"values": {1: 3.5, 2: 1.5}, "origin": "long run"}}))
    assert h_stars() == {"1": 3.5, "2": 1.5}
    references.write_text(yaml.safe_dump({"d[n=1]": {**entry, "seed": 1}}))
    assert h_stars() == {"1": 3.0, "2": 2.0}


def test_what_no_evaluation_resolves_is_no_gap():
    # min h = 24, to one part in 10^12.
    ends = {A: 2e-11, B: -2e-14, C: 3e-11}
    df = table({(name, k): [(0, 99), (1, 24 + end)]
                for name, end in ends.items() for k in range(5)}, gap=24.0)
    found = {c.name: c.values("gap")[0][0] for c in problem(df).configurations}
    assert found[A] == found[B] == 0.0
    assert found[C] == pytest.approx(3e-11, rel=1e-3)


def test_each_seed_has_its_reference():
    df = pd.concat([
        table({(A, 0): [(0, 9), (1, 4)]}, seed=0, gap=3.0),
        table({(A, 0): [(0, 9), (1, 5)]}, seed=1, gap=2.0)])
    curves = problem(df).configurations[0].curves
    assert [curve["gap"][-1] for curve in curves] == [1.0, 3.0]
    assert "each seed" in problem(df).reference_text


def test_reaching_a_gap_is_infinite_where_it_is_not_reached():
    df = table({(A, 0): [(0, 9), (1, 4), (3, 0)], (A, 1): [(0, 9), (2, 1)],
                (A, 2): [(0, 9), (9, 1)]}, gap=0.0)
    df[tables.ASKED] = 5  # What is missing has diverged.
    configuration, = problem(df).configurations
    INF = np.inf
    for column, gap, expected in [
            ("time", 1.0, [None, 2, 9, INF, INF]),
            ("time", 0.5, [None, INF, INF, INF, INF]),
            ("objective_oracle_calls", 1.0, [None, 10, 10, INF, INF])]:
        found, = configuration.reaching(column, gap)
        np.testing.assert_array_equal(found[1:], expected[1:])
        assert np.isfinite(found[0])


def test_a_gap_between_two_evaluations_is_where_its_logarithm_is():
    curve = {"time": np.array([0.0, 1.0, 3.0]),
             "gap": np.array([9.0, 1.0, 0.01])}
    assert runs.cost_to(curve, "time", 10.0) == 0.0
    assert runs.cost_to(curve, "time", 3.0) == pytest.approx(0.5)
    assert runs.cost_to(curve, "time", 0.1) == pytest.approx(2.0)
    assert runs.cost_to(curve, "time", 0.01) == 3.0
    assert runs.cost_to(curve, "time", 1e-3) == np.inf
    # Neither zero nor what is not a number is interpolated to.
    curve["gap"][2] = 0.0
    assert 2.0 < runs.cost_to(curve, "time", 1e-9) <= 3.0
    assert runs.cost_to(curve, "time", 0.0) == 3.0
    curve["gap"][1] = np.nan
    assert runs.cost_to(curve, "time", 0.5) == 3.0


def test_each_start_has_its_repetitions():
    first = table({(A, 0): [(0, 9), (1, 4)], (A, 1): [(0, 9), (1, 3)],
                   (B, 0): [(0, 9), (1, 2)]}, gap=0.0)
    second = table({(B, k): [(0, 9), (1, 5)] for k in (0, 1)}, gap=0.0,
                   seed=1)
    for df in (first, second):
        df[tables.ASKED] = 2
        # Nothing is left of A from the second start.
        lost = json.dumps([A] if df is second else [])
        df[tables.DIVERGED] = pd.Series([lost], index=df.index[:1])
    both = problem(pd.concat([first, second], ignore_index=True))
    a, b = ([list(start) for start in c.values("gap")]
            for c in both.configurations)
    assert a == [[4, 3], [np.inf, np.inf]] and b == [[2, np.inf], [5, 5]]
    assert both.configurations[0].label() == "SOBA (2 of 4)"


def test_what_is_reached_after_the_time_does_not_count():
    late = {(A, 0): [(0, 9), (1, 4), (2.5, 1)], (B, 0): [(0, 9), (1.9, 2)]}
    one, other = problem(table(
        late, gap=0.0, p_obj_max_seconds=2.0)).configurations
    assert one.at_end("objective_value") == [4]
    assert other.at_end("objective_value") == [2]
    # A table that does not know of it is taken as it is.
    assert problem(table(late, gap=0.0)).configurations[0].at_end(
        "objective_value") == [1]


def test_a_dataset_that_did_not_run_with_an_objective():
    """benchopt asks for each combination of the two that a table has."""
    df = pd.concat([
        table({(A, 0): [(0, 9), (1, 3)]}),
        table({(A, 0): [(0, 9)]}, "e[n=1]", objective_name="another")])
    # As a table that was read: texts are no Python objects there.
    df = df.astype({"base_seed": "string"})
    found = runs.problem(df, "d[n=1]", "another")
    assert found.configurations == [] and found.best() == {}
