"""Results tables made by hand."""
import numpy as np
import pandas as pd

from benchmark_utils.reporting import runs, tables

A, B, C = (f"SOBA[step_size={s}]" for s in (0.1, 1.0, 10.0))
OBJECTIVE = "o[max_seconds=2]"


def table(curves, dataset="d[n=1]", gap=None, seed=0, **columns):
    """A results table from {(solver, repetition): [(time, h), ...]}."""
    rows = []
    for (solver, repetition), curve in curves.items():
        for k, (seconds, h) in enumerate(curve):
            row = {
                "solver_name": solver, "idx_rep": repetition, "stop_val": k,
                "file_solver": "solvers/soba.py",
                "time": float(seconds), "objective_value": float(h),
                "objective_grad_norm": h, "objective_oracle_calls": 10 * k,
                "objective_inner_distance": h,
                "sampling_strategy": "Iteration",
                "dataset_name": dataset, "objective_name": OBJECTIVE,
                "base_seed": seed, "run_date": "2026-01-01",
                "p_dataset_n": 1, "version-numpy": "2.0", **columns,
            }
            if gap is not None:
                row["objective_value_gap"] = h - gap
            rows.append(row)
    return pd.DataFrame(rows)


def problem(df):
    """The only problem of a table."""
    df = tables.prepared(df, strict=True)
    return runs.Problem(df, *(
        df[f"{what}_name"].unique().item()
        for what in ("dataset", "objective")))


def problems(df):
    """All problems of a table, as plots see it."""
    pairs = df[["dataset_name", "objective_name"]].drop_duplicates()
    return [runs.problem(df, *pair) for pair in pairs.to_numpy()]


START = [(0, 9)]
SHORT = [(0, 9), (1, 4)]
SABA = "SABA[step_size=1.0]"

TABLES = {
    "one run": table({(A, 0): SHORT}),
    "one point": table({(A, 0): START}),
    "one point of many": table({(A, 0): SHORT, (A, 1): START}),
    "no improvement": table({(A, 0): [(0, 9), (1, 9)],
                             (SABA, 0): [(0, 9), (1, 10)]}),
    "zero gaps": table({(A, 0): [(0, 9), (1, 9)]}, gap=9.0),
    "negative gaps": table({(A, 0): SHORT, (SABA, 0): SHORT}, gap=20.0),
    "most diverged": table({(A, 0): START, (A, 9): SHORT, (SABA, 3): SHORT}),
    "not a number": table({(A, 0): [(0, 9), (1, np.nan)],
                           (SABA, 0): [(0, np.nan)]}),
    "no time": table({(A, 0): [(0, 9), (0, 4)]}),
    "two seeds": pd.concat([table({(A, 0): SHORT}), table(
        {(A, 0): SHORT}, seed=1, gap=1.0)], ignore_index=True),
    "two files": pd.concat([table({(A, 0): SHORT}), table(
        {(A, 0): SHORT}, file_solver="solvers/b.py")], ignore_index=True),
    "twice": pd.concat([table({(A, 0): SHORT}), table(
        {(A, 0): [(0, 9), (2, 5)]}, run_date="2026-01-02")],
        ignore_index=True),
    "two datasets": pd.concat([
        table({(A, 0): SHORT, (SABA, 0): SHORT}, gap=1.0),
        table({(B, 0): START}, dataset="e[n=1]", objective_test_error=0.1)],
        ignore_index=True),
    "two objectives": pd.concat([table({(A, 0): SHORT}), table(
        {(B, 0): SHORT}, objective_name="o[max_seconds=5]")],
        ignore_index=True),
    "outside": table({("Mine", 0): SHORT, ("Yours[step_size=1]", 0): SHORT}),
    "no parameters, no dates": table({("HOAG", 0): SHORT}).drop(
        columns=["run_date", "file_solver", "base_seed"]),
}
