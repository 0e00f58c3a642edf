"""Write the best configuration of each solver to a config file.

    python -m benchmark_utils.reporting.selection outputs/grid.parquet \\
        --grid configs/ijcnn1_grid.yml --dataset ijcnn1 --seconds 2 \\
        --output configs/ijcnn1.yml

The best configuration has the lowest median, over repetitions, of the lowest
h reached within the time. A repetition that diverged counts as infinity; ties
go to the configuration that gets there first. Chosen values at the edge of
the grid are reported: the best may lie beyond. Give the grid's config file, so
that values beyond which all runs diverge do not count as its edge.
"""
import argparse
import ast
import math
import re
import sys
from pathlib import Path

import pandas as pd
import yaml

from benchmark_utils.reporting.results import (
    best_configurations,
    full_name,
    method_of,
    order,
    score,
)


def parameters_of(solver_name):
    """Parameters in a name such as SOBA[step_size=0.1], as Python values."""
    text = solver_name[len(method_of(solver_name)):].strip("[]")
    if solver_name.endswith("]]"):  # A list is the last value.
        text += "]"
    pairs = [pair.split("=", 1) for pair in re.split(r",(?=\w+=)", text)
             if pair]
    return {name: _value(value) for name, value in pairs}


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def tried(df, grid=()):
    """Values of each parameter of each method.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table. What diverged is not in it.
    grid : sequence of dict
        Contents of the config files that it is from.

    Returns
    -------
    dict
        From (method, parameter) to a set of numbers.
    """
    values = {}
    for solver in df["solver_name"].unique():
        for name, value in parameters_of(solver).items():
            values.setdefault((method_of(solver), name), []).append(value)
    for config in grid:
        for entry in config.get("solver", []):
            for method, lists in (
                    entry.items() if isinstance(entry, dict) else ()):
                for name, listed in lists.items():
                    values.setdefault((method, name), []).extend(listed)
    return {key: {v for v in found if isinstance(v, (int, float))}
            for key, found in values.items()}


def edges(values, solver_name):
    """Chosen values at an end of what was tried of a parameter.

    Returns
    -------
    list of str
        One text for each; parameters with a single value have no edge.
    """
    found = []
    for name, value in parameters_of(solver_name).items():
        grid = sorted(values[method_of(solver_name), name])
        if len(grid) > 1 and value in (grid[0], grid[-1]):
            found.append(f"{name}={value} (tried {grid[0]} to {grid[-1]})")
    return found


def select(df, dataset, seconds, grid=()):
    """Best configuration of each solver on one dataset.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table.
    dataset : str
        Name of the dataset, with or without its parameters.
    seconds : float
    grid : sequence of dict
        As in ``tried``.

    Returns
    -------
    list of (str, dict, float, list of str)
        Method, parameters, median lowest h, and chosen values at an edge.

    Raises
    ------
    ValueError
        If the table has no such dataset, or several.
    """
    df = df[df["dataset_name"] == full_name(df, dataset)]
    best = best_configurations(df, seconds)
    values = tried(df, grid)
    return [
        (method, parameters_of(solver), reached[0], edges(values, solver))
        for (_, method), (solver, reached) in sorted(
            best.items(), key=lambda item: order(item[0][1]))
    ]


def shortlist(df, dataset, seconds, n):
    """Candidates for a longer run with repetitions.

    A single repetition favours steps that are only just stable. Of each
    method with a step size, these are its best configuration, and the best
    at each of the next smaller steps of x; of others, the best alone.

    Parameters
    ----------
    df, dataset, seconds
        As in ``select``.
    n : int
        How many of each method.

    Returns
    -------
    list of (str, dict)
        Method and parameters.
    """
    df = df[df["dataset_name"] == full_name(df, dataset)]
    best_at = {}
    for solver, runs in df.groupby("solver_name"):
        parameters = parameters_of(solver)
        step = parameters.get("step_size", 0.0) / parameters.get(
            "outer_ratio", 1.0)
        # Grids are rounded: 0.32 / 0.1 and 1 / 0.32 are one step.
        key = method_of(solver), round(math.log10(step), 1) if step else 0.0
        candidate = score(runs, 1, seconds), solver
        best_at[key] = min(candidate, best_at.get(key, candidate))
    found = []
    for method in sorted({method for method, _ in best_at}, key=order):
        steps = {step: c for (m, step), c in best_at.items() if m == method}
        largest = min(steps, key=steps.get)
        kept = sorted((step for step in steps if step <= largest),
                      reverse=True)
        found += [(method, parameters_of(steps[step][1]))
                  for step in kept[:n]]
    return found


def entry(method, parameters):
    """One solver in a config file."""
    if not parameters:
        return method
    return {method: {name: [value] for name, value in parameters.items()}}


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", nargs="+", help="results tables (parquet)")
    parser.add_argument("--dataset", required=True)
    parser.add_argument(
        "--grid", action="append", default=[],
        help="config file of the grid: knows of values that all diverged")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument(
        "--shortlist", type=int, metavar="N",
        help="write N candidates of each solver, from its best configuration"
        " to smaller steps of x, in place of the best")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--max-seconds", type=float,
                        help="time of a run in the config (default: 2)")
    parser.add_argument("--output", help="config file (default: printed)")
    options = parser.parse_args(arguments)

    df = pd.concat([pd.read_parquet(file) for file in options.results])
    grid = [yaml.safe_load(Path(file).read_text()) for file in options.grid]
    chosen = select(df, options.dataset, options.seconds, grid)
    solvers = [(method, parameters) for method, parameters, *_ in chosen]
    if options.shortlist:
        solvers = shortlist(
            df, options.dataset, options.seconds, options.shortlist)
    config = {
        "dataset": [options.dataset],
        **({"objective": [f"*[max_seconds={options.max_seconds:g}]"]}
           if options.max_seconds else {}),
        "n-repetitions": options.repetitions,
        "solver": [entry(*solver) for solver in solvers],
    }
    # Lists of values on one line each.
    text = yaml.safe_dump(config, sort_keys=False, default_flow_style=None)
    if options.output:
        with open(options.output, "w") as file:
            file.write(text)
    else:
        print(text)
    for method, parameters, h, at_edge in chosen:
        print(f"{method}: h = {h:.8g}, {parameters}", file=sys.stderr)
        for edge in at_edge:
            print(f"    at the edge of the grid: {edge}", file=sys.stderr)
    missing = sorted(
        {method_of(s) for s in df["solver_name"]} - {m for m, *_ in chosen})
    if missing:
        print(f"every configuration diverged: {missing}", file=sys.stderr)


if __name__ == "__main__":
    main()
