"""Figure and table of a results table."""
import numpy as np
import pytest
import yaml
from handmade import A, B, problem, table

from benchmark_utils.reporting import references, summary
from benchmark_utils.reporting.report import Report


@pytest.fixture(autouse=True)
def no_references(monkeypatch, tmp_path):
    monkeypatch.setattr(references, "REFERENCES", tmp_path / "none.yml")
    (tmp_path / "none.yml").write_text("")


def rows(df):
    """Cells of the table, without the header."""
    return Report(problem(df)).rows()[1:]


@pytest.fixture
def df():
    return table({
        (A, 0): [(0, 9), (1, 1.005), (4, 1)],
        (A, 1): [(0, 9), (3, 1.005), (5, 1)],
        (B, 0): [(0, 9), (1, 8)], (B, 1): [(0, 9), (1, 8)],
    })


def test_draws_and_tabulates(df, tmp_path, capsys):
    df.to_parquet(tmp_path / "results.parquet")
    files = [str(tmp_path / f"{k}.svg") for k in range(2)]
    for file in files:
        summary.main([str(tmp_path / "results.parquet"), "--dataset", "d",
                      "--figure", file])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| solver | parameters | h | h - h* | 1e-02")
    assert lines[2] == (
        "| start |  | 9.0000000 | 8.0e+00 | " + " | ".join(["-"] * 5) + " |")
    # The median over both repetitions, of time and of oracle calls: between
    # gaps of 8 and 5e-3, then of 5e-3 and 1e-12, which stands for 0. The
    # first is log(800) / log(1600) = 0.906 of 1 s and of 3 s.
    assert lines[3] == (
        "| SOBA | step_size=0.1 | 1.0000000 | 0.0e+00 | 1.8 s / 9.1e+00 | "
        "2.2 s / 1.1e+01 | 2.4 s / 1.2e+01 | 2.7 s / 1.3e+01 | "
        "3 s / 1.4e+01 |")
    assert "over 2 repetitions" in lines[5]
    drawn = [(tmp_path / f"{k}.svg").read_text() for k in range(2)]
    assert drawn[0] == drawn[1] and "Oracle calls" in drawn[0]


def test_a_repetition_that_is_missing_has_diverged(df):
    # The median knows, and the legend says it.
    lost = df[(df.idx_rep == 0) | (df.solver_name == B)].replace(
        {A: "HOAG[step_size=0.1]"})
    lost["objective_value"] -= 7.5 * (lost["solver_name"] == B)
    cells = rows(lost)
    assert [row[0] for row in cells] == ["start", "SOBA"]
    lost = lost[lost["solver_name"] != B]
    assert [row[0] for row in rows(lost)] == [
        "start", "HOAG"]
    three = problem(table({(A, k): [(0, 9), (1, 1)] for k in (0, 2)}))
    assert [row[0] for row in Report(three).rows()[1:]] == [
        "start", "SOBA (2 of 3)"]


def test_names_methods_that_have_no_result(df, tmp_path, capsys):
    df.to_parquet(tmp_path / "results.parquet")
    (tmp_path / "c.yml").write_text(yaml.safe_dump(
        {"solver": ["SOBA", {"SABA": {"step_size": 100}}, "HOAG[memory=2]"]}))
    summary.main([str(tmp_path / "results.parquet"), "--dataset", "d",
                  "--config", str(tmp_path / "c.yml")])
    assert "no result, diverged or not run: ['SABA', 'HOAG']" in (
        capsys.readouterr().err)


def test_has_the_scores_of_the_dataset():
    df = table({(A, k): [(0, 9), (1, 1)] for k in range(3)})
    df["objective_test_error"] = df["objective_value"] / 100 + df["idx_rep"]
    df["objective_weights_auc"] = np.nan  # Of another dataset.
    assert problem(df).scores() == {"objective_test_error": "test error"}
    start, method = rows(df)
    # Medians over repetitions.
    assert start[-1] == "1.0900" and method[-1] == "1.0100"
