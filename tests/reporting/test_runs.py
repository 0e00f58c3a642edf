"""Medians over repetitions, and the best configurations."""
import numpy as np
import pandas as pd
import pytest
import yaml
from handmade import A, B, C, problem, table

from benchmark_utils.reporting import runs


@pytest.fixture(autouse=True)
def references(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "REFERENCES", tmp_path / "references.yml")
    runs.REFERENCES.write_text("")
    return runs.REFERENCES


def best(df, **options):
    return {m: (c.name, c.score(**options))
            for m, c in problem(df).best(**options).items()}


def test_best_is_the_median_of_the_lowest_in_time():
    df = table({
        (A, 0): [(0, 9), (1, 3), (5, 0)], (A, 1): [(0, 9), (1, 3)],
        (B, 0): [(0, 9), (1, 1), (2, 8)], (B, 1): [(0, 9), (1, 2)],
    })
    assert best(df, seconds=2.0) == {"SOBA": (B, (1.5, 1.0))}
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


def test_what_no_evaluation_resolves_is_no_gap():
    # min h = 24, to one part in 10^12.
    ends = {A: 2e-11, B: -2e-14, C: 3e-11}
    df = table({(name, k): [(0, 99), (1, 24 + end)]
                for name, end in ends.items() for k in range(5)}, gap=24.0)
    found = {c.name: c.values("gap")[0] for c in problem(df).configurations}
    assert found[A] == found[B] == 0.0
    assert found[C] == pytest.approx(3e-11, rel=1e-3)


def test_each_seed_has_its_reference():
    df = pd.concat([
        table({(A, 0): [(0, 9), (1, 4)]}, seed=0, gap=3.0),
        table({(A, 0): [(0, 9), (1, 5)]}, seed=1, gap=2.0)])
    curves = problem(df).configurations[0].curves
    assert [curve["gap"][-1] for curve in curves] == [1.0, 3.0]
    assert "each seed" in problem(df).reference_text


def median_cost(df, column, gap, n_asked=None):
    configuration = problem(df).configurations[0]
    configuration.n_asked = n_asked or configuration.n_asked
    return runs.median_with_missing(
        configuration.reaching(column, gap), configuration.n_asked)


def test_reaching_a_gap_is_a_median_with_infinity():
    df = table({(A, 0): [(0, 9), (1, 4), (3, 0)], (A, 1): [(0, 9), (2, 1)],
                (A, 2): [(0, 9), (9, 1)]}, gap=0.0)
    assert median_cost(df, "time", 1.0) == 3.0
    assert median_cost(df, "time", 0.5) == np.inf
    assert median_cost(df, "objective_oracle_calls", 1.0) == 10.0
    # Repetitions that are missing have diverged.
    assert median_cost(df, "time", 1.0, 5) == 9.0
    assert median_cost(df, "time", 1.0, 6) == np.inf


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
