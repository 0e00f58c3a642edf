"""Ranks of methods on several problems, and what they say of others.

On each problem methods are ranked by the median gap h - h* at a common budget:
a share of the time, or a number of oracle calls. Equal methods share the mean
of their ranks, as do all that diverged or did not run, which are the last.
"""
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from benchmark_utils.reporting import intervals, runs
from benchmark_utils.reporting.intervals import Comparison

#: Shares of the time at which methods are ranked, beside its end.
SHARES = (0.1, 0.3)
#: Fewer problems say nothing of how much ranks vary between them.
ENOUGH = 5
#: This share of the methods may have had fewer calls than the budget.
_FEWER = 0.25


def budget_of_calls(problem):
    """Oracle calls that methods on a problem have in common.

    The lower quartile, over methods, of the median calls within the time:
    three quarters of the methods have made as many, and are read there. The
    others are read at the end of their time. The least of all would be that
    of a black box, which makes a hundredth of the calls of others; and what a
    method does after the time, nobody knows. Those that stopped at a
    stationary point do not count for the budget: more calls would change
    nothing.

    Parameters
    ----------
    problem : runs.Problem

    Returns
    -------
    float
        0 where no method has a result.
    """
    best = problem.best()
    spent = {method: np.median(c.at_end(runs.COSTS["oracle calls"]))
             for method, c in best.items()}
    going = [calls for method, calls in spent.items()
             if not problem.has_ended(best[method])]
    found = going or list(spent.values())
    return float(np.quantile(found, _FEWER, method="inverted_cdf")
                 ) if found else 0.0


def time_of(problem):
    """Seconds of a run, or of the longest where the table does not say."""
    return problem.limit if np.isfinite(problem.limit) else max(
        (curve["time"][-1] for c in problem.configurations
         for curve in c.curves), default=0.0)


class Ranks:
    """Methods ranked on each problem, at one kind of budget.

    Parameters
    ----------
    problems : list of runs.Problem
    methods : list of str
    cost : str
        One of ``runs.COSTS``.
    share : float
        Of the time, or of ``budget_of_calls``.

    Attributes
    ----------
    points : array of float64, shape (n_problems, n_methods)
        From 1, by the medians over repetitions.
    mean : dict of {str: float}
        Over problems.
    """

    def __init__(self, problems, methods, cost="time", share=1.0):
        self.methods = list(methods)
        self._values = []
        for problem in problems:
            best, column = problem.best(), runs.COSTS[cost]
            budget = share * (time_of(problem) if cost == "time"
                              else budget_of_calls(problem))
            self._values.append({
                method: best[method].gaps_at(column, budget)
                if method in best else [np.full(intervals.ENOUGH, np.inf)]
                for method in self.methods})
        self.points = np.array([
            rankdata([runs.median_with_missing(np.concatenate(found), 1)
                      for found in values.values()])
            for values in self._values
        ]).reshape(len(problems), len(self.methods))
        self.mean = dict(zip(
            self.methods, self.points.mean(axis=0).tolist(), strict=True)
        ) if len(problems) else {}

    @cached_property
    def _comparisons(self):
        return [Comparison(values) for values in self._values]

    def intervals(self, k):
        """95 % intervals of the ranks on a problem, over repetitions.

        Returns
        -------
        dict of {str: (float, float, float)}
            The rank and the ends.
        """
        return self._comparisons[k].ranks()

    @cached_property
    def interval_of_mean(self):
        """95 % intervals of the mean ranks, of problems drawn again.

        On each problem that is drawn the repetitions are, too.

        Returns
        -------
        dict of {str: (float, float)}
            Empty of fewer than five problems.
        """
        n = len(self._values)
        if n < ENOUGH:
            return {}
        drawn = np.array([found.ranks_drawn()[1]
                          for found in self._comparisons])
        rng = np.random.default_rng(n)
        size = (intervals.N_RESAMPLED, n)
        means = drawn[rng.integers(n, size=size), :,
                      rng.integers(drawn.shape[2], size=size)].mean(axis=1)
        return {method: intervals.interval(values)
                for method, values in zip(self.methods, means.T, strict=True)}
