"""Methods compared over many problems.

E. Dolan, J. Moré, "Benchmarking optimization software with performance
profiles", Mathematical Programming, 2002; J. Moré, S. Wild, "Benchmarking
derivative-free optimization algorithms", SIAM J. Optim., 2009 (data profiles).
A problem is solved where the gap h - h* has fallen to a fraction of its value
at the start, by the median over repetitions.
"""
import numpy as np

from benchmark_utils.reporting import intervals, runs
from benchmark_utils.reporting.styles import order

_N_POINTS = 60
_N_RESAMPLED = 200  # Of each method and problem.


class Profiles:
    """Costs of all methods on all problems.

    Parameters
    ----------
    problems : sequence of runs.Problem
    cost : str
        One of ``runs.COSTS``.
    fraction : float

    Attributes
    ----------
    datasets : list of str
        Those on which some method has improved on the start.
    methods : list of str
        In the order of the families.
    """

    def __init__(self, problems, cost, fraction):
        # Where nothing is below the start there is nothing to solve.
        problems = [problem for problem in problems
                    if problem.start is not None and problem.start["gap"] > 0]
        self.datasets = [problem.dataset for problem in problems]
        best = [problem.best() for problem in problems]
        self.methods = sorted({m for found in best for m in found}, key=order)
        # Medians, then as many of repetitions that are drawn again.
        self._costs = np.array([
            [_costs(found.get(method), runs.COSTS[cost], fraction, seed=k)
             for k, method in enumerate(self.methods)] for found in best
        ]) if self.methods else np.empty((len(problems), 0, 1))

    def curves(self, relative):
        """Share of the problems that each method solves, by its cost.

        Parameters
        ----------
        relative : bool
            To the best method on each problem (performance profile), or not
            (data profile).

        Returns
        -------
        grid : array of float64, shape (60,)
        shares : dict of {str: (array, array, array)}
            Of each method: the share, and its 95 % interval, by drawing the
            repetitions again.
        """
        costs = self._costs
        if relative and costs.size:
            fastest = costs.min(axis=1, keepdims=True)
            # Of two that are at the start, or never there, none is faster.
            with np.errstate(divide="ignore", invalid="ignore"):
                costs = np.where(costs == fastest, np.where(
                    np.isfinite(fastest), 1.0, np.inf), costs / fastest)
        finite = costs[np.isfinite(costs) & (costs > 0)]
        if not finite.size:
            return np.empty(0), {}
        stop = max(2.0 if relative else 0.0, finite.max())
        grid = np.geomspace(
            1.0 if relative else finite.min(), 1.1 * stop, _N_POINTS)
        shares = {}
        for k, method in enumerate(self.methods):
            reached = (costs[:, k, :, None] <= grid).mean(axis=0)
            tail = (1 - intervals.LEVEL) / 2
            low, high = np.quantile(reached[1:], [tail, 1 - tail], axis=0)
            shares[method] = reached[0], low, high
        return grid, shares

    def best_methods(self, n):
        """Those that solve most, and are fastest on the whole.

        Returns
        -------
        list of str
            At most n, in the order of the families.
        """
        _, shares = self.curves(relative=True)
        area = {method: float(share.mean())
                for method, (share, _, _) in shares.items()}
        kept = sorted(area, key=lambda m: (-area[m], order(m)))[:n]
        return sorted(kept, key=order)


def of_table(df, objective, cost, fraction):
    """Profiles over all datasets of a results table of benchopt."""
    names = df["dataset_name"][df["objective_name"] == objective].unique()
    return Profiles([runs.problem(df, dataset, objective)
                     for dataset in sorted(names)], cost, fraction)


def _costs(configuration, column, fraction, seed):
    """Median cost to a fraction of the gap at the start, and resampled."""
    if configuration is None:
        return np.full(1 + _N_RESAMPLED, np.inf)
    reached = configuration.reaching(column, fraction, relative=True)
    median = runs.median_with_missing(
        np.concatenate(reached), configuration.n_asked)
    return np.concatenate(
        [[median], intervals.medians(reached, seed)[:_N_RESAMPLED]])
