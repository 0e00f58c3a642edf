"""Runs on one problem: curves, their medians, the best configurations."""
import json
import weakref
from functools import cached_property

import numpy as np
import pandas as pd

from benchmark_utils.reporting import references, tables
from benchmark_utils.reporting.curves import (
    RESOLUTION,
    cost_to,
    gap_at,
    held,
    median_with_missing,
)
from benchmark_utils.reporting.styles import order

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

#: A run that is read before this share of the time is said to be.
CLOSE = 0.97
#: Norm of the gradient, relative to that at the start, that is none.
FLAT = 1e-9

_last = None, {}  # The table that was read last, and its problems.

class Configuration:
    """A method with its parameters, and what its runs have reached.

    Parameters
    ----------
    name : str
        With its parameters, as in the table.
    starts : list of (list of dict of array, int)
        Of each start: the repetitions that ended, a curve each, and how many
        were asked for. One that is missing has diverged. A curve has the
        columns, sorted, and the ``gap`` h - h*.
    """

    def __init__(self, name, starts):
        self.name, self.method = name, tables.method_of(name)
        self.starts = [(curves, max(n_asked, len(curves)))
                       for curves, n_asked in starts]

    @property
    def curves(self):
        """Those of all starts."""
        return [curve for curves, _ in self.starts for curve in curves]

    @property
    def n_asked(self):
        """Repetitions that were asked for, over all starts."""
        return sum(n_asked for _, n_asked in self.starts)

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
        """Median over repetitions of h at the end of a time.

        What comparisons rank by, and what choices of parameters minimise.

        Parameters
        ----------
        seconds : float
        column : str
            "gap" for h - h*.

        Returns
        -------
        tuple of float
            The median, infinite where half of the repetitions diverged, then,
            to break ties, the median time to get there.
        """
        reached, times = [], []
        for curve in self.curves:
            within = curve["time"] <= seconds
            h = curve[column][within]
            if len(h) and not np.isnan(h[-1]):
                reached.append(h[-1])
                there = h <= h[-1] + RESOLUTION * max(1.0, abs(h[-1]))
                times.append(curve["time"][within][there][0])
        return (median_with_missing(reached, self.n_asked),
                median_with_missing(times, self.n_asked))

    def at_end(self, column):
        """Last value of a column, one a repetition that ended."""
        return [curve[column][-1] for curve in self.curves]

    def values(self, column):
        """Last values of all repetitions, infinite where one diverged.

        Returns
        -------
        list of array of float64, shape (n_asked,)
            One array a start.
        """
        return self._by_start(lambda curve: curve[column][-1])

    def reaching(self, column, gap, relative=False):
        """Cost of each repetition to a gap: infinite where never reached.

        Parameters
        ----------
        column : str
            One of the values of ``COSTS``.
        gap : float
        relative : bool
            To the gap at the start of the repetition.

        Returns
        -------
        list of array of float64, shape (n_asked,)
            One array a start.
        """
        return self._by_start(lambda curve: cost_to(
            curve, column, gap * curve["gap"][0] if relative else gap))

    def gaps_at(self, column, cost):
        """Gap of each repetition at a cost, infinite where one diverged.

        Returns
        -------
        list of array of float64, shape (n_asked,)
            One array a start.
        """
        return self._by_start(lambda curve: gap_at(curve, column, cost))

    def _by_start(self, number):
        found = []
        for curves, n_asked in self.starts:
            numbers = np.full(n_asked, np.inf)
            numbers[:len(curves)] = [number(curve) for curve in curves]
            found.append(np.where(np.isnan(numbers), np.inf, numbers))
        return found

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
    diverged : iterable of (str, int, int)
        A configuration, the seed from which nothing is left of it, and how
        many repetitions it was asked for; beside those that the table names.

    Attributes
    ----------
    configurations : list of Configuration
        In the order of the families, then by name.
    h_star : float
        What gaps are measured from; NaN if each seed has its own.
    origin : str
        Where it is from: see ``references``.
    references : dict of {str: references.Reference}
        By seed: what gaps are measured from.
    limit : float
        Seconds of a run; infinite where the table does not say.
    different : dict of {str: list}
        What of machines and versions differs: see ``tables.mixed``.
    """

    def __init__(self, df, dataset, objective, diverged=()):
        self.dataset = dataset
        df = df[(df["dataset_name"] == dataset)
                & (df["objective_name"] == objective)]
        self.limit = float(df[LIMIT].max()) if LIMIT in df else np.inf
        df = df[~(df["time"] > df.get(LIMIT, np.inf))]
        self.references = references.by_seed(df, dataset)
        h_stars = {found.h_star for found in self.references.values()}
        self.origin = ", ".join(sorted({
            found.origin for found in self.references.values()}))
        self.different = tables.mixed(df)
        self.h_star = h_stars.pop() if len(h_stars) == 1 else np.nan
        h_star = df["base_seed"].map(
            {seed: found.h_star for seed, found in self.references.items()})
        h_star = h_star.astype(float)  # Also of no rows at all.
        gap = df["objective_value"] - h_star
        unresolved = gap.abs() <= RESOLUTION * h_star.abs().clip(lower=1.0)
        df = df.assign(gap=gap.mask(unresolved, 0.0))
        columns = ["time", "gap", *(
            column for column in df if column.startswith("objective_")
            and df[column].dtype.kind in "if")]
        df = df.sort_values("stop_val", kind="stable")
        found = {name: {} for name in df["solver_name"]}
        for (name, seed), rows in df.groupby(["solver_name", "base_seed"]):
            curves = [{column: run[column].to_numpy(dtype=float)
                       for column in columns}
                      for _, run in rows.groupby("idx_rep")]
            found[name][seed] = curves, int(rows["n_asked"].max())
        for seed, rows in df.groupby("base_seed"):
            # Of these nothing is left from this seed.
            lost = set().union(*(
                json.loads(text) for text in
                rows.get(tables.DIVERGED, rows["gap"][:0]).dropna()))
            for name in lost:
                found.setdefault(name, {}).setdefault(
                    seed, ([], int(rows["n_asked"].max())))
        for name, seed, n_asked in diverged:
            found.setdefault(name, {}).setdefault(str(seed), ([], n_asked))
        self.configurations = sorted(
            (Configuration(name, list(starts.values()))
             for name, starts in found.items()),
            key=lambda c: (order(c.method), c.name))

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
            score = (configuration.score(seconds, "gap"),
                     configuration.name)
            method = configuration.method
            if np.isfinite(score[0][0]) and (
                    method not in best or score < best[method][0]):
                best[method] = score, configuration
        return {method: configuration
                for method, (_, configuration) in best.items()}

    @cached_property
    def start(self):
        """Columns of the first evaluation, medians over runs, or None."""
        first = pd.DataFrame([
            {column: values[0] for column, values in curve.items()}
            for c in self.configurations for curve in c.curves])
        return first.median().to_dict() if len(first) else None

    def read_early(self, best):
        """Methods whose last evaluation is not at the end of the time.

        Parameters
        ----------
        best : dict of {str: Configuration}

        Returns
        -------
        dict of {str: float}
            The median share of the time at which a method was read, where it
            is below 97 % and the gradient has not vanished by then.
        """
        if not np.isfinite(self.limit):
            return {}
        shares = {method: float(np.median(c.at_end("time"))) / self.limit
                  for method, c in best.items()}
        return {method: share for method, share in shares.items()
                if share < CLOSE and not self._is_flat(best[method])}

    def has_ended(self, configuration):
        """Whether it stopped before the time, as the gradient vanished."""
        early = np.median(configuration.at_end("time")) < CLOSE * self.limit
        return bool(early) and self._is_flat(configuration)

    def has_blown_up(self, configuration):
        """Whether it ends above the start, where the gradient vanishes."""
        above = np.median(configuration.at_end("gap")) > self.start["gap"]
        return bool(above) and self._is_flat(configuration)

    def _is_flat(self, configuration):
        column = "objective_grad_norm"
        return np.median(configuration.at_end(column)) <= (
            FLAT * self.start[column])

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
