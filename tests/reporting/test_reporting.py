"""Curves, choices of parameters and plots, on tables made by hand."""
import numpy as np
import pandas as pd
import pytest
import yaml
from harness import BENCHMARK, ROOT

from benchmark_utils.reporting import results, selection, summary


def table(runs, dataset="d[n=1]", gap=None):
    """A results table from {(solver, repetition): [(time, h), ...]}."""
    rows = []
    for (solver, repetition), curve in runs.items():
        for k, (seconds, h) in enumerate(curve):
            row = {
                "solver_name": solver, "idx_rep": repetition, "stop_val": k,
                "time": seconds, "objective_value": h,
                "objective_grad_norm": h, "objective_oracle_calls": 10 * k,
                "dataset_name": dataset, "objective_name": "o",
                "base_seed": "0",
                "p_solver_step_size": float(
                    solver.split("step_size=")[1].rstrip("]")),
            }
            if gap is not None:
                row["objective_value_gap"] = h - gap
            rows.append(row)
    return pd.DataFrame(rows)


A, B, C = (f"SOBA[step_size={s}]" for s in (0.1, 1.0, 10.0))


def test_best_is_the_median_of_the_lowest_in_time():
    df = table({
        (A, 0): [(0, 9), (1, 3), (5, 0)], (A, 1): [(0, 9), (1, 3)],
        (B, 0): [(0, 9), (1, 1), (2, 8)], (B, 1): [(0, 9), (1, 2)],
    })
    assert results.best_configurations(df, 2.0) == {
        ("d[n=1]", "SOBA"): (B, (1.5, 1.0))}
    # Without a limit, A's first repetition gets to 0.
    assert results.best_configurations(df)["d[n=1]", "SOBA"][0] in (A, B)
    assert results.score(df[df.solver_name == A], 2, np.inf)[0] == 1.5


def test_a_diverged_repetition_counts_as_infinity():
    df = table({
        (A, 0): [(0, 9), (1, 5)], (A, 1): [(0, 9), (1, 5)],
        (A, 2): [(0, 9), (1, 5)],
        # Lower, but two of three repetitions are missing.
        (B, 0): [(0, 9), (1, 1)],
    })
    assert results.best_configurations(df)["d[n=1]", "SOBA"][0] == A


def test_ties_go_to_the_faster():
    df = table({(A, 0): [(0, 9), (2, 1)], (B, 0): [(0, 9), (1, 1)]})
    assert results.best_configurations(df)["d[n=1]", "SOBA"][0] == B


def test_nan_is_never_the_lowest():
    df = table({(A, 0): [(0, 9), (1, np.nan)], (B, 0): [(0, 9), (1, 8)]})
    assert results.best_configurations(df)["d[n=1]", "SOBA"][0] == B


def test_curves_hold_the_last_value_on_a_common_grid():
    df = table({(A, 0): [(0, 9), (1, 4), (100, 1)],
                (A, 1): [(0, 9), (2, 2), (50, 0)]})
    x, median, low, high = results.median_curve(
        df, "time", "objective_value", n_points=5)
    np.testing.assert_allclose(x[[0, -1]], [2.0, 50.0])
    np.testing.assert_allclose(median, [3, 3, 3, 3, 2])
    assert np.all(low <= median) and np.all(median <= high)


def test_reference_says_where_it_is_from(monkeypatch, tmp_path):
    df = table({(A, 0): [(0, 9), (1, 4)]})
    monkeypatch.setattr(results, "REFERENCES", tmp_path / "references.yml")
    results.REFERENCES.write_text("")
    assert results.reference(df, "d[n=1]") == (4.0, "lowest h of this run")
    results.REFERENCES.write_text(yaml.safe_dump(
        {"d[n=1]": {"seed": 0, "value": 3.0, "origin": "long run"}}))
    assert results.reference(df, "d[n=1]") == (3.0, "long run")
    df["base_seed"] = "1"  # Another start: another value may be reached.
    assert results.reference(df, "d[n=1]")[1] == "lowest h of this run"
    results.REFERENCES.write_text(yaml.safe_dump(
        {"d[n=1]": {"value": 3.0, "origin": "long run"}}))  # Of any start.
    assert results.reference(df, "d[n=1]") == (3.0, "long run")
    known = table({(A, 0): [(0, 9), (1, 4)]}, gap=2.5)
    assert results.reference(known, "d[n=1]") == (2.5, "min h")


def test_first_reaching_is_a_median_with_infinity():
    df = table({(A, 0): [(0, 9), (1, 4), (3, 0)], (A, 1): [(0, 9), (2, 1)],
                (A, 2): [(0, 9), (9, 1)]})
    assert results.first_reaching(df, "time", 1.0, 0.0, 3) == 3.0
    assert results.first_reaching(df, "time", 0.5, 0.0, 3) == np.inf
    assert results.first_reaching(
        df, "objective_oracle_calls", 1.0, 0.0, 3) == 10.0
    # Repetitions that are missing have diverged.
    assert results.first_reaching(df, "time", 1.0, 0.0, 5) == 9.0
    assert results.first_reaching(df, "time", 1.0, 0.0, 6) == np.inf


def test_selection_writes_a_config_and_reports_edges(tmp_path, capsys):
    df = table({(A, 0): [(0, 9), (1, 4)], (B, 0): [(0, 9), (1, 3)],
                (C, 0): [(0, 9), (1, 2)]})
    df.to_parquet(tmp_path / "grid.parquet")
    output = tmp_path / "best.yml"
    selection.main([
        str(tmp_path / "grid.parquet"), "--dataset", "d", "--repetitions",
        "3", "--output", str(output)])
    assert yaml.safe_load(output.read_text()) == {
        "dataset": ["d"], "n-repetitions": 3,
        "solver": [{"SOBA": {"step_size": [10]}}]}
    assert ("at the edge of the grid: step_size=10.0 (tried 0.1 to 10.0)"
            in capsys.readouterr().err)
    # Larger steps were in the grid, but diverged.
    (tmp_path / "grid.yml").write_text(yaml.safe_dump(
        {"solver": [{"SOBA": {"step_size": [1.0, 100.0]}}, "HOAG"]}))
    selection.main([
        str(tmp_path / "grid.parquet"), "--dataset", "d", "--grid",
        str(tmp_path / "grid.yml")])
    assert "edge" not in capsys.readouterr().err


def test_shortlist_goes_from_the_best_to_smaller_steps_of_x():
    name = "SOBA[outer_ratio={},step_size={}]".format
    df = table({
        (name(0.1, 1.0), 0): [(0, 9), (1, 5)],  # A larger step, but worse.
        (name(0.32, 1.0), 0): [(0, 9), (1, 2)],  # The best.
        (name(1.0, 1.0), 0): [(0, 9), (1, 4)],
        (name(0.32, 0.32), 0): [(0, 9), (1, 3)],  # The same step of x.
        (name(3.2, 1.0), 0): [(0, 9), (1, 6)],
        (name(10.0, 1.0), 0): [(0, 9), (1, 1.5), (9, 1)],  # Too late.
    })
    chosen = selection.shortlist(df, "d", 0.5, 2)
    assert len(chosen) == 2  # All equal at the start: the largest steps.
    chosen = selection.shortlist(
        df[df.solver_name != name(10.0, 1.0)], "d", 2.0, 3)
    assert [(p["step_size"], p["outer_ratio"]) for _, p in chosen] == [
        (1.0, 0.32), (0.32, 0.32), (1.0, 3.2)]


def test_parameters_are_read_from_a_name():
    assert selection.parameters_of(
        "A[box=(-1.0, 2.0),kind=cubic,prob=None,step_size=0.1]") == {
            "box": (-1.0, 2.0), "kind": "cubic", "prob": None,
            "step_size": 0.1}
    assert selection.parameters_of("A[box=[-5, 5]]") == {"box": [-5, 5]}
    assert selection.parameters_of("A") == {}


def test_summary_draws_and_tabulates(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(results, "REFERENCES", tmp_path / "none.yml")
    (tmp_path / "none.yml").write_text("")
    df = table({
        (A, 0): [(0.0, 9.0), (1.0, 1.005), (4.0, 1.0)],
        (A, 1): [(0.0, 9.0), (3.0, 1.005), (5.0, 1.0)],
        (B, 0): [(0.0, 9.0), (1.0, 8.0)], (B, 1): [(0.0, 9.0), (1.0, 8.0)],
    })
    df.to_parquet(tmp_path / "results.parquet")
    files = [str(tmp_path / f"{k}.svg") for k in range(2)]
    for file in files:
        summary.main([str(tmp_path / "results.parquet"), "--dataset", "d",
                      "--figure", file])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| solver | parameters | h | h - h* | 1e-02")
    assert lines[2] == (
        "| start |  | 9.0000000 | 8.0e+00 | " + " | ".join(["-"] * 5) + " |")
    # The median over both repetitions, of time and of oracle calls.
    assert lines[3] == lines[-1] == (
        "| SOBA | step_size=0.1 | 1.0000000 | 0.0e+00 | 2 s / 1.0e+01 | "
        + " | ".join(["4.5 s / 2.0e+01"] * 4) + " |")
    # A repetition that is missing has diverged: the median knows, and the
    # legend says it.
    lost = df[(df.idx_rep == 0) | (df.solver_name == B)]
    h_star, _, runs = summary.best_runs(lost, "d")
    runs["HOAG"] = lost[(lost.solver_name == A)]
    assert summary.rows(h_star, runs)[-1][0] == "HOAG (1 of 2)"
    assert summary.rows(h_star, runs)[-1][2] == "inf"
    drawn = [(tmp_path / f"{k}.svg").read_text() for k in range(2)]
    assert drawn[0] == drawn[1] and "Oracle calls" in drawn[0]


def test_summary_has_the_scores_of_the_dataset(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "REFERENCES", tmp_path / "none.yml")
    (tmp_path / "none.yml").write_text("")
    df = table({(A, k): [(0.0, 9.0), (1.0, 1.0)] for k in range(3)})
    df["objective_test_error"] = df["objective_value"] / 100 + df["idx_rep"]
    df["objective_weights_auc"] = np.nan  # Of another dataset.
    h_star, _, runs = summary.best_runs(df, "d")
    assert summary.scores_of(runs) == {"objective_test_error": "test error"}
    start, method = summary.rows(h_star, runs)
    assert start[-1] == "0.0900" and method[-1] == "1.0100"


def test_selection_of_an_unknown_dataset(tmp_path):
    df = table({(A, 0): [(0, 9), (1, 4)]})
    with pytest.raises(ValueError, match="dataset='e'"):
        selection.select(df, "e", 1.0)


def test_every_plot_is_valid_on_a_run(finished_run):
    """Each custom plot with each of its options, as benchopt calls it."""
    file, = (finished_run[0] / "outputs").glob("*.parquet")
    df = pd.read_parquet(file)
    own = [plot for plot in BENCHMARK.get_plots()
           if (ROOT / "plots") in getattr(
               plot, "_module_filename", ROOT).parents]
    assert len(own) == len(list((ROOT / "plots").glob("*.py")))
    for plot_class in own:
        plot = plot_class.get_instance()
        plot._check()
        plots, _ = plot._get_all_plots(df)
        assert plots
        for key, data in plots.items():
            assert data["data"], key
            for trace in data["data"]:
                if isinstance(trace, dict):
                    assert len(trace["x"]) == len(trace["y"]) > 0, key


def test_styles_tell_methods_apart():
    methods = [m for _, members in results.FAMILIES.values() for m in members]
    styles = {
        (results.style(m, m)["color"], results.style(m, m)["marker"])
        for m in methods}
    assert len(styles) == len(methods) == 22
