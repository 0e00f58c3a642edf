"""How sure a median is, and a difference: the bootstrap over runs.

B. Efron, "Bootstrap methods: another look at the jackknife", Annals of
Statistics, 1979, in its percentile form, of two levels: starts are drawn with
replacement, then repetitions within each (A. C. Davison, D. V. Hinkley,
"Bootstrap methods and their application", 1997, section 3.8). Repetitions that
diverged, or never got there, are infinite: a percentile is thus one of the
resampled values, never a point between two. Of ten repetitions from one start,
an interval of nominally 95 % holds the true median in about nine cases of ten;
of three starts it is narrower than their number allows to say.

All methods have the same starts, and these are drawn for all at once: what
makes a start hard for each of them is no difference between two.
"""
from functools import cached_property
from math import comb, prod

import numpy as np
from scipy.stats import rankdata

#: Fewer repetitions say nothing of how much they vary.
ENOUGH = 5
#: So many that Holm's correction over a hundred methods leaves the lowest
#: p-value, 2 / (N_RESAMPLED + 1), below 5 %.
N_RESAMPLED = 5000
LEVEL = 0.95


def medians(starts, seed=0):
    """Medians of samples that are drawn again from the repetitions.

    Parameters
    ----------
    starts : list of array-like of float
        Of each start, one number a repetition, possibly infinite.
    seed : int
        Of the repetitions. Starts are drawn alike for all that have as many.

    Returns
    -------
    array of float64, shape (N_RESAMPLED,)
    """
    starts = [np.asarray(values, dtype=float) for values in starts]
    sizes = np.array([len(values) for values in starts])
    rng = np.random.default_rng([seed, *sizes])
    table = np.full((len(starts), sizes.max()), np.nan)
    for row, values in zip(table, starts, strict=True):
        row[:len(values)] = values
    drawn = np.random.default_rng(len(starts)).integers(
        len(starts), size=(N_RESAMPLED, len(starts)))
    # Which repetition of the start, of as many as that has.
    places = (rng.random((*drawn.shape, table.shape[1]))
              * sizes[drawn][..., None]).astype(int)
    values = table[drawn[..., None], places]
    values[np.arange(table.shape[1]) >= sizes[drawn][..., None]] = np.nan
    return _middle(values.reshape(N_RESAMPLED, -1))


def interval(resampled, level=LEVEL):
    """Percentile interval of resampled values.

    Returns
    -------
    low, high : float
        Possibly infinite.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(
        resampled, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def holm(p_values):
    """p-values that hold for all of several comparisons at once.

    S. Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics, 1979.

    Parameters
    ----------
    p_values : dict of {str: float}

    Returns
    -------
    dict of {str: float}
        The lowest times their number, the next times one less, and so on:
        never less than the one before, and at most 1.
    """
    adjusted, least = {}, 0.0
    for k, name in enumerate(sorted(p_values, key=p_values.get)):
        least = max(least, (len(p_values) - k) * p_values[name])
        adjusted[name] = min(1.0, least)
    return adjusted


class Comparison:
    """Methods compared by one number a repetition, of which less is better.

    Parameters
    ----------
    values : dict of {str: list of array-like of float}
        From each method to its repetitions, an array a start; infinite where
        one diverged or did not get there.

    Attributes
    ----------
    median : dict of {str: float}
    best : str or None
        The method with the lowest median; None if all are infinite.
    sure : set of str
        Methods with enough repetitions for intervals.
    p_values : dict of {str: float}
        Holm's p-values of the best being lower than each other method that
        has enough repetitions, also where it never got there. Empty if the
        best has too few.
    """

    def __init__(self, values):
        values = {method: found for method, found in values.items()
                  if sum(map(len, found))}
        self.sure = {method for method, found in values.items()
                     if sum(map(len, found)) >= ENOUGH}
        self._sizes = {method: [*map(len, found)]
                       for method, found in values.items()}
        self._resampled = {method: medians(found, seed=k)
                           for k, (method, found) in enumerate(values.items())}
        self.median = {method: float(_middle(np.concatenate(found)[None])[0])
                       for method, found in values.items()}
        finite = [m for m, median in self.median.items()
                  if np.isfinite(median)]
        self.best = min(finite, key=self.median.get, default=None)

    def interval(self, method):
        """Interval of the median, or None without enough repetitions."""
        return (interval(self._resampled[method]) if method in self.sure
                else None)

    def difference(self, method, other):
        """Interval of the median of a method minus that of another.

        Two that are both infinite do not differ.

        Returns
        -------
        tuple of float or None
            None without enough repetitions.
        """
        if not {method, other} <= self.sure:
            return None
        with np.errstate(invalid="ignore"):
            found = self._resampled[method] - self._resampled[other]
        return interval(np.where(np.isnan(found), 0.0, found))

    def p_value(self, method, other):
        """Two-sided p-value of a method being lower than another.

        Twice the share of the resampled differences that are not below 0,
        of which one always is, and never less than a permutation test could
        come to: resampling few repetitions knows no others. That exchanges
        the repetitions of two methods from each start, so that five of each
        from one start come to 2 / 252 at the least.

        Returns
        -------
        float or None
            At most 1. None without enough repetitions.
        """
        if not {method, other} <= self.sure:
            return None
        n_not = np.sum(self._resampled[method] >= self._resampled[other])
        ours, theirs = self._sizes[method], self._sizes[other]
        if len(ours) != len(theirs):
            ours, theirs = [sum(ours)], [sum(theirs)]
        ways = prod(comb(n + m, n) for n, m in zip(ours, theirs, strict=True))
        return min(1.0, 2 * max((1 + int(n_not)) / (1 + N_RESAMPLED),
                                1 / ways))

    @cached_property
    def p_values(self):
        if self.best not in self.sure:
            return {}
        return holm({method: self.p_value(self.best, method)
                     for method in self.median
                     if method in self.sure and method != self.best})

    def not_told_apart(self):
        """Methods than which none is better for sure: the best and others.

        Returns
        -------
        list of str
            Empty without enough repetitions, or if none got there.
        """
        if self.best not in self.sure:
            return []
        return [method for method, median in self.median.items()
                if np.isfinite(median)
                and not self.p_values.get(method, 1.0) < 1 - LEVEL]

    def ranks(self):
        """Rank of each method, with its interval.

        Returns
        -------
        dict of {str: (float, float, float)}
            The rank by the medians, and the interval of the rank; equal
            medians share the mean of their ranks. Without enough repetitions
            the interval is that of all ranks.
        """
        names = list(self.median)
        ranks, drawn = self.ranks_drawn()
        return {m: (float(r), *(interval(row) if m in self.sure
                                else (1.0, float(len(names)))))
                for m, r, row in zip(names, ranks, drawn, strict=True)}

    def ranks_drawn(self):
        """Ranks by the medians, and by those that are drawn again.

        Returns
        -------
        ranks : array of float64, shape (n_methods,)
            In the order of ``median``.
        drawn : array of float64, shape (n_methods, N_RESAMPLED)
        """
        if not self.median:
            return np.empty(0), np.empty((0, N_RESAMPLED))
        return rankdata(list(self.median.values())), rankdata(
            [self._resampled[m] for m in self.median], axis=0)


def _middle(values):
    """Medians of rows without their NaN; infinite where half of one is."""
    ordered = np.sort(values, axis=1)  # NaN is last.
    n = np.sum(~np.isnan(ordered), axis=1)
    rows = np.arange(len(ordered))
    return (ordered[rows, (n - 1) // 2] + ordered[rows, n // 2]) / 2
