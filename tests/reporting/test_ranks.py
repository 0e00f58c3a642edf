"""Ranks over problems, and what they separate."""
import json

import numpy as np
import pandas as pd
import pytest
from handmade import SABA, SHORT, A, B, problem, problems, table

from benchmark_utils.reporting import (
    compare,
    overview,
    prints,
    protocol,
    record,
    tables,
)
from benchmark_utils.reporting.ranks import Ranks, budget_of_calls
from benchmark_utils.reporting.separation import (
    Separation,
    critical_difference,
    friedman,
)

NAMES = ["SOBA", "SABA", "Mine"]


def of_gaps(*gaps, n=5, **options):
    """Problems on which methods end at these gaps, by method."""
    return problems(pd.concat([
        table({(f"{method}[step_size=1.0]", k): [(0, 9), (1, gap)]
               for method, gap in found.items() for k in range(n)
               if np.isfinite(gap)}, dataset=f"d[n={number}]", gap=0.0,
              **options)
        for number, found in enumerate(gaps)], ignore_index=True))


def test_ties_share_their_mean_rank():
    ranks = Ranks(of_gaps({"SOBA": 1, "SABA": 1, "Mine": 2},
                          {"SOBA": 1, "SABA": 3}), [*NAMES, "HOAG"])
    # Those that did not run, or diverged, are the last together.
    np.testing.assert_array_equal(
        ranks.points, [[1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5]])
    assert ranks.mean["Mine"] == 3.25
    assert ranks.interval_of_mean == {}  # Of two problems.


def test_mean_ranks_vary_with_the_problems():
    """SABA is first on five and last on one, always by far."""
    found = Ranks(of_gaps(
        *[{"SABA": 1, "SOBA": 2, "Mine": 3}] * 5,
        {"SOBA": 1, "Mine": 2, "SABA": 3}), NAMES)
    assert found.mean["SABA"] == pytest.approx(8 / 6)
    # All of six drawn are among the five with probability .33: rank 1.
    low, high = found.interval_of_mean["SABA"]
    assert low == 1.0 and high == pytest.approx(1 + 2 * 3 / 6)


def test_ranks_earlier_and_by_calls():
    """SOBA falls at once and stays; SABA passes it, with half of its calls."""
    df = table({("SOBA[step_size=1.0]", k): [(0, 8), (1, 1), (8, 1), (10, 1)]
                for k in range(5)} | {
        ("SABA[step_size=1.0]", k): [(0, 8), (1, 6), (8, 0.5), (10, 0.1)]
        for k in range(5)}, gap=0.0, p_obj_max_seconds=10.0)
    df["objective_oracle_calls"] *= np.where(
        df["solver_name"].str.startswith("SABA"), 1, 10)
    found, = problems(df)
    assert budget_of_calls(found) == 30  # SABA's; SOBA has 300.
    for options, first in [
            (dict(), "SABA"), (dict(share=0.1), "SOBA"),
            (dict(share=0.7), "SABA"),  # Between 6 at 1 s and .5 at 8 s.
            (dict(share=0.5), "SOBA"),
            (dict(cost="oracle calls"), "SABA"),
            (dict(cost="oracle calls", share=0.5), "SABA")]:
        ranks = Ranks([found], ["SOBA", "SABA"], **options)
        assert min(ranks.mean, key=ranks.mean.get) == first, options
    text = overview.Overview([found]).markdown()
    assert "by oracle calls | at 10 % of the time | at 30 % of the time" in (
        text.replace("\\", ""))


def test_who_is_done_has_the_calls_of_others():
    df = table({(f"M{k}[step_size=1.0]", 0): [(0, 9), (2, 5)]
                for k in range(6)} | {
        (f"N{k}[step_size=1.0]", 0): [(0, 9), (0.1, 1e-12)]
        for k in range(6)}, gap=0.0, p_obj_max_seconds=2.0)
    stands = df["solver_name"].str.startswith("N") & (df["time"] > 0)
    df.loc[stands, "objective_oracle_calls"] = 1.0
    assert budget_of_calls(*problems(df)) == 10.0


def test_critical_difference_is_that_of_the_tables():
    """J. Demsar, 2006, table 5a: q of .05, over the root of two."""
    for k, q in [(2, 1.960), (5, 2.728), (10, 3.164)]:
        assert critical_difference(k, 9) == pytest.approx(
            q * np.sqrt(k * (k + 1) / 54), rel=1e-3)


def test_friedman_by_hand():
    """Three methods in one order on four problems: chi2 = 8, exp(-4)."""
    assert friedman(np.tile([1.0, 2.0, 3.0], (4, 1))) == pytest.approx(
        np.exp(-4))
    assert friedman(np.full((4, 3), 2.0)) == 1.0
    assert friedman(np.ones((1, 3))) is None
    assert friedman(np.ones((4, 2))) is None


def test_groups_are_what_is_nearer_than_the_difference():
    names = [f"M{k}" for k in range(4)]
    found = Separation(names, np.tile([1.0, 2.0, 3.0, 4.0], (20, 1)))
    assert 1.0 < found.difference < 1.1
    assert found.top == ["M0", "M1"]
    assert found.groups == [(0, 1), (1, 2), (2, 3)]
    assert found.text().splitlines()[1] == "  2.00  M1  ||"
    assert found.claims()[0].startswith("The top is not separated: 2 of 4")
    far = Separation(names[:3], np.tile([1.0, 2.0, 3.0], (90, 1)))
    assert far.top == ["M0"] and far.groups == []
    assert far.claims()[0].startswith("M0 is separated from all others")


def test_without_friedman_nothing_is_separated():
    rng = np.random.default_rng(0)
    ranks = rng.permuted(np.tile(np.arange(1.0, 11.0), (8, 1)), axis=1)
    found = Separation([f"M{k}" for k in range(10)], ranks)
    assert found.p > 0.05 and len(found.top) == 10
    assert found.groups == [(0, 9)]
    assert found.claims()[0].startswith("No method is separated")


@pytest.mark.parametrize("gaps, said", [
    ([{"SOBA": 1, "SABA": 2, "Mine": 3}], "3 methods on 1 problem, and"),
    ([{"SOBA": 1}] * 6, "1 method on 6 problems, and"),
    ([{"SOBA": 0, "SABA": 0, "Mine": 0}] * 6, "No method is separated"),
    ([{"SOBA": np.nan, "SABA": 5}] * 2, "needs three methods and two")])
def test_what_says_nothing_says_so(gaps, said, tmp_path):
    found = overview.Overview(of_gaps(*gaps))
    assert said in found.markdown().splitlines()[0].replace("\\", "")
    for name, draw in {"ranks": found.draw,
                       "cd": found.separation.draw}.items():
        prints.print_to(tmp_path, name, draw)
    assert len(list(tmp_path.iterdir())) == 8


def test_nothing_at_all(tmp_path):
    df = table({(A, 0): [(0, np.nan)]})
    comparison = compare.Comparison(
        df, "d[n=1]", df["objective_name"].iloc[0], tmp_path / "d", {})
    comparison.write(with_dashboard=False)
    assert comparison.report.claims() == [
        "Nothing is compared: no method ended, or all diverged."]
    empty = overview.Overview([comparison.problem])
    assert "Nothing is separated" in empty.markdown()
    assert overview.Overview([]).markdown().startswith("- No method")


def test_few_starts_are_said_to_be():
    def claims(starts):
        df = pd.concat([
            table({(name, k): [(0, 9), (1, h)] for name, h in (
                (A, 1), (SABA, 2)) for k in range(5)}, seed=seed, gap=0.0)
            for seed in range(starts)], ignore_index=True)
        return compare.Report(problem(df)).claims()

    assert "All runs are from one start" in claims(1)[-1]
    assert "3 starts that ran" in claims(3)[-1] and "0.25" in claims(3)[-1]
    assert "starts" not in claims(6)[-1]
    assert claims(3)[0] == (
        "At the end: the lowest median is that of SOBA, lower than the other "
        "one (Holm's p <= 0.001).")


def test_the_top_comes_first():
    df = table({(name, k): [(0, 9), (1, h + k % 3)] for name, h in (
        (A, 1), (SABA, 1.1)) for k in range(5)}, gap=0.0)
    assert compare.Report(problem(df)).claims()[0].startswith(
        "At the end: the top is not separated: ")


def test_a_sentence_does_not_have_the_names_of_all_methods():
    def claim(n):
        df = table({(f"M{k}[a=1]", r): [(0, 9), (1, 1 + r + k / 99)]
                    for k in range(n) for r in range(5)}, gap=0.0)
        return compare.Report(problem(df)).claims()[0]

    assert "apart from M1, M2 and M3" in claim(4), claim(4)
    assert "apart from 11 methods, which have a star" in claim(12), claim(12)


def test_two_protocols_are_refused(tmp_path, capsys):
    old = table({(A, k): SHORT for k in range(5)})
    new = table({(SABA, k): SHORT for k in range(5)}, dataset="e[n=1]",
                **{protocol.COLUMN: protocol.PROTOCOL})
    assert record.columns()[protocol.COLUMN] == protocol.PROTOCOL
    files = []
    for name, df in (("old", old), ("new", new)):
        files += ["--table", str(tmp_path / f"{name}.parquet")]
        df.to_parquet(files[-1])
    options = ["--no-dashboard", "--mixed", "--folder", str(tmp_path / "c")]
    with pytest.raises(SystemExit) as ended:
        compare.main(["d", "e", *files, *options])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "tables of two protocols" in said
    assert "old.parquet from before" in said
    assert "new.parquet by protocol 2" in said
    assert not (tmp_path / "c" / "d" / "record.json").exists()
    # Each by itself is shown, and one that has both in it is not.
    compare.main(["d", *files[:2], *options])
    assert json.loads((tmp_path / "c" / "d" / "record.json").read_text(
        ))["references"]["0"]["h_star"] == 4.0
    both = pd.concat([old, new.assign(dataset_name="d[n=1]")])
    both.to_parquet(tmp_path / "both.parquet")
    with pytest.raises(ValueError, match="both.parquet from before.*and"
                       "|both.parquet by protocol"):
        tables.read([tmp_path / "both.parquet"])
    with pytest.raises(ValueError, match="two protocols"):
        tables.added(old, new.replace({SABA: B}), {"SABA"})
