"""Runs on one problem: curves, their medians, the best configurations."""
import json
import weakref
from collections import namedtuple
from pathlib import Path

import numpy as np
import yaml

from benchmark_utils.reporting import tables
from benchmark_utils.reporting.styles import order

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
# The time of a run, which its last evaluation may lie beyond: evaluations are
# further and further apart, and an iteration may take long. What a method has
# reached later does not count.
LIMIT = "p_obj_max_seconds"
# Differences of h, relative to h* where this is above 1, that no evaluation
# resolves: such gaps are 0, and methods that have them are equal.
RESOLUTION = 1e-12
# Beyond what is stored as the lowest value, by more than it is rounded to.
_LOWER = 1e-9

_last = None, {}  # The table that was read last, and its problems.

#: Where a reference is from: of all seeds, or one a seed.
Reference = namedtuple("Reference", ["h_star", "origin"])


class Configuration:
    """A method with its parameters, and what its runs have reached.

    Attributes
    ----------
    name : str
        With its parameters, as in the table.
    method : str
    curves : list of dict of array
        One for each repetition that ended, of any seed: its columns, sorted,
        and the ``gap`` h - h*.
    n_asked : int
        Repetitions that were asked for. One that is missing has diverged.
    """

    def __init__(self, name, curves, n_asked):
        self.name, self.curves = name, curves
        self.method = tables.method_of(name)
        self.n_asked = max(n_asked, len(curves))

    @property
    def parameters(self):
        return tables.parameters_of(self.name)

    def label(self, name=None):
        """Legend of a curve, a median over the repetitions that ended."""
        name = self.method if name is None else name
        if len(self.curves) == self.n_asked:
            return name
        return f"{name} ({len(self.curves)} of {self.n_asked})"

    def score(self, seconds=np.inf, column="objective_value"):
        """Median over repetitions of the lowest h within a time.

        Parameters
        ----------
        seconds : float
        column : str
            "gap" for the lowest h - h*.

        Returns
        -------
        tuple of float
            The median, infinite where half of the repetitions diverged, then,
            to break ties, the median time to get there.
        """
        lowest, times = [], []
        for curve in self.curves:
            h = curve[column][curve["time"] <= seconds]
            if len(h) and not np.all(np.isnan(h)):
                best = np.nanargmin(h)
                lowest.append(h[best])
                times.append(curve["time"][best])
        return (median_with_missing(lowest, self.n_asked),
                median_with_missing(times, self.n_asked))

    def at_end(self, column):
        """Last value of a column, one a repetition that ended."""
        return [curve[column][-1] for curve in self.curves]

    def values(self, column):
        """Last values of all repetitions, infinite where one diverged.

        Returns
        -------
        array of float64, shape (n_asked,)
        """
        found = np.full(self.n_asked, np.inf)
        found[:len(self.curves)] = self.at_end(column)
        return np.where(np.isnan(found), np.inf, found)

    def reaching(self, column, gap):
        """Cost of each repetition to a gap: infinite where never reached.

        Parameters
        ----------
        column : str
            One of the values of ``COSTS``.
        gap : float

        Returns
        -------
        array of float64, shape (n_asked,)
        """
        reached = np.full(self.n_asked, np.inf)
        for k, curve in enumerate(self.curves):
            there = np.flatnonzero(curve["gap"] <= gap)
            if len(there):
                reached[k] = curve[column][there[0]]
        return reached

    def median_curve(self, x_column, y_column, n_points=40):
        """Median and 20-80 % band over repetitions, on a common grid.

        Parameters
        ----------
        x_column, y_column : str
            For instance "time" and "gap".
        n_points : int
            Of the grid, spaced evenly in logarithm, from the first evaluation
            after the start to the last of any repetition: where one has
            ended, it stays, so that the curve ends at the median of the ends.

        Returns
        -------
        x, median, low, high : array of float64
            Free of NaN, possibly empty: a run of one point has no curve.
        """
        xs = [curve[x_column] for curve in self.curves]
        # A repetition that was evaluated at the start alone stays there.
        moved = [x for x in xs if np.any(x > 0)]
        start = max((x[x > 0].min() for x in moved), default=np.inf)
        stop = max((x.max() for x in moved), default=0.0)
        if not start <= stop:
            return (np.empty(0),) * 4
        grid = np.geomspace(start, stop, n_points if stop > start else 1)
        grid[-1] = stop
        values = np.array([
            held(x, curve[y_column], grid)
            for x, curve in zip(xs, self.curves, strict=True)])
        low, median, high = np.quantile(values, [0.2, 0.5, 0.8], axis=0)
        kept = np.isfinite(low) & np.isfinite(median) & np.isfinite(high)
        return grid[kept], median[kept], low[kept], high[kept]


class Problem:
    """All configurations that ran on one dataset with one objective.

    Parameters
    ----------
    df : pandas.DataFrame
        A table that ``tables.prepared`` has made.
    dataset, objective : str
        Full names.
    diverged : iterable of str
        Configurations of which nothing is left, beside those that the table
        names.

    Attributes
    ----------
    configurations : list of Configuration
        In the order of the families, then by name.
    h_star : float
        What gaps are measured from; NaN if each seed has its own.
    origin : str
        Where it is from: see ``reference``.
    different : dict of {str: list}
        What of machines and versions differs: see ``tables.mixed``.
    """

    def __init__(self, df, dataset, objective, diverged=()):
        self.dataset = dataset
        df = df[(df["dataset_name"] == dataset)
                & (df["objective_name"] == objective)]
        df = df[~(df["time"] > df.get(LIMIT, np.inf))]
        references = {
            seed: reference(rows, dataset, seed)
            for seed, rows in df.groupby("base_seed")}
        h_stars = {found.h_star for found in references.values()}
        origins = sorted({found.origin for found in references.values()})
        self.origin = ", ".join(origins)
        self.different = tables.mixed(df)
        self.h_star = h_stars.pop() if len(h_stars) == 1 else np.nan
        h_star = df["base_seed"].map(
            {seed: found.h_star for seed, found in references.items()})
        gap = df["objective_value"] - h_star
        unresolved = gap.abs() <= RESOLUTION * h_star.abs().clip(lower=1.0)
        df = df.assign(gap=gap.mask(unresolved, 0.0))
        columns = ["time", "gap", *(
            column for column in df if column.startswith("objective_")
            and df[column].dtype.kind in "if")]
        df = df.sort_values("stop_val", kind="stable")
        self.configurations = [
            Configuration(
                name, [{column: run[column].to_numpy(dtype=float)
                        for column in columns}
                       for _, run in rows.groupby(["base_seed", "idx_rep"])],
                int(rows["n_asked"].max()))
            for name, rows in df.groupby("solver_name")]
        lost = set(diverged) | {
            name for text in df.get(tables.DIVERGED, df["gap"][:0]).dropna()
            for name in json.loads(text)}
        self.configurations += [
            Configuration(name, [], int(df["n_asked"].max()))
            for name in lost - {c.name for c in self.configurations}]
        self.configurations.sort(key=lambda c: (order(c.method), c.name))

    @property
    def reference_text(self):
        """What gaps are measured from, for titles."""
        if np.isnan(self.h_star):
            return f"h* of each seed ({self.origin})"
        return f"h* = {self.h_star:.8g} ({self.origin})"

    @property
    def n_asked(self):
        """The most repetitions that a configuration was asked for."""
        return max((c.n_asked for c in self.configurations), default=0)

    def best(self, seconds=np.inf):
        """The best parameters of each method.

        Parameters
        ----------
        seconds : float
            Time within which a low h counts.

        Returns
        -------
        dict of {str: Configuration}
            In the order of the families. Methods of which every configuration
            diverged in half of the repetitions are left out.
        """
        best = {}
        for configuration in self.configurations:
            score = configuration.score(seconds), configuration.name
            method = configuration.method
            if np.isfinite(score[0][0]) and (
                    method not in best or score < best[method][0]):
                best[method] = score, configuration
        return {method: configuration
                for method, (_, configuration) in best.items()}

    @property
    def start(self):
        """Columns of the first evaluation of a run, or None."""
        return next((
            {column: values[0] for column, values in curve.items()}
            for c in self.configurations for curve in c.curves), None)

    def scores(self):
        """Those of ``SCORES`` that the dataset has."""
        start = self.start or {}
        return {column: name for column, name in SCORES.items()
                if np.isfinite(start.get(column, np.nan))}


def problem(df, dataset, objective):
    """A ``Problem`` of a table of benchopt, as plots get it."""
    global _last
    df = tables.prepared(df)
    if _last[0] is None or _last[0]() is not df:
        _last = weakref.ref(df), {}
    key = dataset, objective
    if key not in _last[1]:
        _last[1][key] = Problem(df, dataset, objective)
    return _last[1][key]


def reference(rows, dataset, seed):
    """Value that a suboptimality is measured from, and where it is from.

    Parameters
    ----------
    rows : pandas.DataFrame
        Runs on a dataset from one seed.
    dataset : str
        Full name.
    seed : str

    Returns
    -------
    h_star : float
    origin : str
        "min h" where the minimum is known, else the text stored in
        ``references.yml`` beside the lowest value known, else "lowest h of
        this run", which flatters the best run and is no reference. It is
        also what holds where a run has gone below what is stored.
    """
    if "objective_value_gap" in rows:
        gaps = rows["objective_value"] - rows["objective_value_gap"]
        if gaps.notna().any():
            return Reference(float(gaps.median()), "min h")
    lowest = float(rows["objective_value"].min())
    stored = yaml.safe_load(
        REFERENCES.read_text(encoding="utf-8")) or {}
    entry = next((entry for name, entry in stored.items()
                  if tables.same_name(name, dataset)), None)
    if entry and str(entry.get("seed", seed)) == seed:
        h_star = float(entry["value"])
        if not lowest < h_star - _LOWER * max(1.0, abs(h_star)):
            return Reference(h_star, entry["origin"])
    return Reference(lowest, "lowest h of this run")


def held(x, y, grid):
    """What a repetition has reached at each point of a grid.

    Between two evaluations the earlier one holds: nothing is interpolated.
    Before the first one the value is NaN.
    """
    places = np.searchsorted(x, grid, side="right") - 1
    return np.where(places >= 0, y[places], np.nan)


def median_with_missing(values, n_repetitions):
    """Median, where repetitions that have diverged count as infinity."""
    missing = [np.inf] * max(0, n_repetitions - len(values))
    with np.errstate(invalid="ignore"):  # Between two infinities.
        median = np.median([*values, *missing]) if n_repetitions else np.inf
    return float(np.inf if np.isnan(median) else median)
