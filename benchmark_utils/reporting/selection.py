"""Write the best configuration of each solver to a config file.

    python -m benchmark_utils.reporting.selection outputs/grid.parquet \\
        --dataset ijcnn1 --seconds 3 --output configs/ijcnn1.yml

The best configuration has the lowest median, over repetitions, of the lowest
h reached within the time. A repetition that diverged counts as infinity; ties
go to the configuration that gets there first. Chosen values at the edge of
the grid are reported: the best may lie beyond.
"""
import argparse
import re
import sys

import pandas as pd
import yaml

from benchmark_utils.reporting.results import (
    best_configurations,
    full_name,
    method_of,
    order,
)


def parameters_of(df, solver_name):
    """Parameters of a configuration, as Python values."""
    row = df[df["solver_name"] == solver_name].iloc[0]
    names = re.findall(r"[\[,](\w+)=", solver_name)
    values = {name: row[f"p_solver_{name}"] for name in names}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value):
    """A NumPy scalar, or a number stored as text, as a Python value."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return yaml.safe_load(value)
    return value


def edges(df, solver_name):
    """Chosen values at an end of what the grid has of a parameter.

    Returns
    -------
    list of str
        One text for each; parameters with a single value have no edge.
    """
    tried = df[df["solver_name"].map(method_of) == method_of(solver_name)]
    found = []
    for name, value in parameters_of(df, solver_name).items():
        grid = sorted(
            {_plain(v) for v in tried[f"p_solver_{name}"].dropna()
             if isinstance(_plain(v), (int, float))})
        if len(grid) > 1 and value in (grid[0], grid[-1]):
            found.append(f"{name}={value} (tried {grid[0]} to {grid[-1]})")
    return found


def select(df, dataset, seconds):
    """Best configuration of each solver on one dataset.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table.
    dataset : str
        Name of the dataset, with or without its parameters.
    seconds : float

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
    return [
        (method, parameters_of(df, solver), score[0], edges(df, solver))
        for (_, method), (solver, score) in sorted(
            best.items(), key=lambda item: order(item[0][1]))
    ]


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", nargs="+", help="results tables (parquet)")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--max-seconds", type=float,
                        help="time of a run in the config (default: 3)")
    parser.add_argument("--output", help="config file (default: printed)")
    options = parser.parse_args(arguments)

    df = pd.concat([pd.read_parquet(file) for file in options.results])
    chosen = select(df, options.dataset, options.seconds)
    config = {
        "dataset": [options.dataset],
        **({"objective": [f"*[max_seconds={options.max_seconds:g}]"]}
           if options.max_seconds else {}),
        "n-repetitions": options.repetitions,
        "solver": [
            {method: {name: [value] for name, value in parameters.items()}}
            if parameters else method
            for method, parameters, _, _ in chosen
        ],
    }
    text = yaml.safe_dump(config, sort_keys=False)
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
