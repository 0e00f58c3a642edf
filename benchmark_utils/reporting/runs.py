"""From a results table to curves, best configurations and styles."""
from pathlib import Path

import numpy as np
import yaml

REFERENCES = Path(__file__).resolve().parents[2] / "references.yml"

# What a method is charged for, and the gaps h - h* that tables show.
COSTS = {"time": "time", "oracle calls": "objective_oracle_calls"}
AXES = {"time": "Time [s]", "oracle calls": "Oracle calls"}
GAPS = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
# Metrics that some datasets add, and what tables call them.
SCORES = {
    "objective_test_error": "test error",
    "objective_weights_auc": "AUC of weights",
}

# Solvers of a family share a colour; in it, each has a shade and a marker.
FAMILIES = {
    "one loop": (
        "Blues", ["SOBA", "MA-SOBA", "FSLA", "TTSA", "SUSTAIN", "MRBO"]),
    "variance reduced": ("Oranges", ["SABA", "SRBA", "SPABA", "VRBO"]),
    "two loops": (
        "Greens", ["StocBiO", "AmIGO", "BSA", "F2SA"]),
    "deterministic": (
        "Purples", ["AID-GD", "ITD", "BOME", "HOAG", "L-BFGS"]),
    "black box": ("Greys", ["PZOBO", "Optuna", "RandomSearch"]),
}


def style(method, label):
    """Colour and marker of a method, the same in every plot.

    Parameters
    ----------
    method : str
        ``name`` of a solver. One that is in no family is drawn in red.
    label : str
        Text of the legend.

    Returns
    -------
    dict
        With ``label``, ``color`` (RGBA) and ``marker``, as benchopt's plots
        want them.
    """
    from matplotlib import colormaps

    for first_marker, (colormap, members) in enumerate(FAMILIES.values()):
        if method in members:
            k = members.index(method)
            shade = 0.9 - 0.5 * k / max(1, len(members) - 1)
            return dict(label=label, marker=first_marker + k,
                        color=tuple(colormaps[colormap](shade)))
    return dict(label=label, marker=17, color=(0.8, 0.1, 0.1, 1.0))


def order(method):
    """Sorting key: families in turn, then solvers outside of them."""
    known = [m for _, members in FAMILIES.values() for m in members]
    return (known.index(method) if method in known else len(known), method)


def method_of(solver_name):
    """Name of the method in a parametrised name such as SOBA[...]."""
    return solver_name.split("[")[0]


def family_of(method):
    """Family that a method belongs to, or None."""
    return next((family for family, (_, members) in FAMILIES.items()
                 if method in members), None)


def full_name(df, dataset):
    """Name of a dataset with its parameters, as in the results table.

    Raises
    ------
    ValueError
        If the table has no such dataset, or several.
    """
    known = sorted(df["dataset_name"].unique())
    names = [n for n in known if dataset in (n, n.split("[")[0])]
    if len(names) != 1:
        raise ValueError(f"dataset={dataset!r} is not valid: one of {known} "
                         "is needed")
    return names[0]


def repetitions(runs):
    """Curves of one configuration, sorted by time, one for a repetition."""
    return [curve.sort_values("stop_val")
            for _, curve in runs.groupby("idx_rep")]


def score(runs, n_repetitions, seconds):
    """Median over repetitions of the lowest h within a time.

    Parameters
    ----------
    runs : pandas.DataFrame
        Rows of one configuration on one dataset.
    n_repetitions : int
        How many there should be. One that is missing has diverged, and
        counts as infinity.
    seconds : float
        Time that counts.

    Returns
    -------
    tuple of float
        The median, then, to break ties, the median time to get there.
    """
    lowest, times = [], []
    for curve in repetitions(runs):
        curve = curve[curve["time"] <= seconds]
        h = curve["objective_value"].to_numpy(dtype=float)
        if not len(h) or np.all(np.isnan(h)):
            continue
        best = np.nanargmin(h)
        lowest.append(h[best])
        times.append(curve["time"].to_numpy()[best])
    return (median_with_missing(lowest, n_repetitions),
            median_with_missing(times, n_repetitions))


def best_configurations(df, seconds=np.inf):
    """The best parameters of each method, on each dataset.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table of benchopt.
    seconds : float
        Time within which a low h counts.

    Returns
    -------
    dict
        From (dataset name, method) to (solver name, score). Methods of which
        every configuration diverged are left out.
    """
    best = {}
    for dataset, runs in df.groupby("dataset_name"):
        n_repetitions = runs["idx_rep"].nunique()
        for solver, configuration in runs.groupby("solver_name"):
            key = dataset, method_of(solver)
            candidate = score(configuration, n_repetitions, seconds), solver
            if np.isfinite(candidate[0][0]) and (
                    key not in best or candidate < best[key]):
                best[key] = candidate
    return {key: (solver, s) for key, (s, solver) in best.items()}


def reference(df, dataset):
    """Value that a suboptimality is measured from, and where it is from.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table.
    dataset : str
        Parametrised name of a dataset.

    Returns
    -------
    h_star : float
    origin : str
        "min h" where the minimum is known, else the text stored in
        ``references.yml`` beside the lowest value known, else "lowest h of
        this run", which flatters the best run and is no reference.
    """
    runs = df[df["dataset_name"] == dataset]
    if "objective_value_gap" in runs:
        gaps = runs["objective_value"] - runs["objective_value_gap"]
        if gaps.notna().any():
            return float(gaps.median()), "min h"
    stored = yaml.safe_load(REFERENCES.read_text()) or {}
    seeds = runs["base_seed"].astype(str).unique()
    entry = stored.get(dataset)
    if entry and ("seed" not in entry or list(seeds) == [str(entry["seed"])]):
        return float(entry["value"]), entry["origin"]
    return float(runs["objective_value"].min()), "lowest h of this run"


def at(curve, x_column, y_column, grid):
    """What a repetition has reached at each point of a grid.

    Between two evaluations the earlier one holds: nothing is interpolated.
    Before the first one the value is NaN.
    """
    x = curve[x_column].to_numpy(dtype=float)
    y = curve[y_column].to_numpy(dtype=float)
    places = np.searchsorted(x, grid, side="right") - 1
    return np.where(places >= 0, y[places], np.nan)


def median_curve(runs, x_column, y_column, n_points=40):
    """Median and 20-80 % band over repetitions, on a common grid.

    Parameters
    ----------
    runs : pandas.DataFrame
        Rows of one configuration on one dataset.
    x_column, y_column : str
        For instance "time" and "objective_value".
    n_points : int
        Of the grid, spaced evenly in logarithm, from the first evaluation
        after the start to the end of the shortest repetition.

    Returns
    -------
    x, median, low, high : array of float64
        NaN-free, possibly empty.
    """
    curves = repetitions(runs)
    firsts = [c[x_column][c[x_column] > 0].min() for c in curves]
    start = np.max(firsts)
    stop = np.min([c[x_column].max() for c in curves])
    if not start <= stop:
        return (np.empty(0),) * 4
    grid = np.geomspace(start, stop, n_points if stop > start else 1)
    grid[-1] = stop
    values = np.array([at(c, x_column, y_column, grid) for c in curves])
    low, median, high = np.quantile(values, [0.2, 0.5, 0.8], axis=0)
    kept = np.isfinite(median)
    return grid[kept], median[kept], low[kept], high[kept]


def first_reaching(runs, column, gap, h_star, n_repetitions):
    """Median over repetitions of where h - h_star falls to ``gap``.

    ``column`` is one of ``COSTS``. A repetition that never gets there counts
    as infinity, and so does one that is missing because it has diverged.
    """
    reached = []
    for curve in repetitions(runs):
        there = curve[curve["objective_value"] - h_star <= gap]
        reached.append(there[column].iloc[0] if len(there) else np.inf)
    return median_with_missing(reached, n_repetitions)


def median_with_missing(values, n_repetitions):
    """Median, where repetitions that have diverged count as infinity."""
    missing = [np.inf] * max(0, n_repetitions - len(values))
    return float(np.median([*values, *missing]))


def label(name, runs, n_repetitions):
    """Legend of a curve, which is a median over the repetitions that ended."""
    n_ended = runs["idx_rep"].nunique()
    if n_ended == n_repetitions:
        return name
    return f"{name} ({n_ended} of {n_repetitions})"
