"""Methods compared over many problems."""
import numpy as np

from benchmark_utils.reporting import runs
from benchmark_utils.reporting.styles import order


def ratios(df, objective, cost, fraction):
    """Cost of each method on each dataset, relative to the best.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table of benchopt.
    objective : str
        Full name.
    cost : str
        One of ``runs.COSTS``.
    fraction : float
        A dataset is solved where the gap h - h* is this fraction of what it
        is at the start.

    Returns
    -------
    datasets : list of str
        Those on which some method has improved on the start.
    ratios : dict of {str: list of float}
        From each method to one number a dataset: at least 1, infinity where
        it was not solved.
    """
    names = df["dataset_name"][df["objective_name"] == objective].unique()
    problems = [runs.problem(df, dataset, objective)
                for dataset in sorted(names)]
    methods = {method for problem in problems for method in problem.best()}
    datasets, found = [], {m: [] for m in sorted(methods, key=order)}
    for problem in problems:
        # Where nothing is below the start there is nothing to solve.
        if problem.start is None or not problem.start["gap"] > 0:
            continue
        datasets.append(problem.dataset)
        best = problem.best()
        costs = {method: median_cost(best[method], cost, fraction)
                 if method in best else np.inf for method in found}
        fastest = min(costs.values(), default=np.inf)
        for method, reached in costs.items():
            found[method].append(
                1.0 if reached == fastest < np.inf
                else reached / fastest if 0 < fastest < np.inf else np.inf)
    return datasets, found


def median_cost(configuration, cost, fraction):
    """Median cost to a fraction of the gap at the start of each run."""
    reached = []
    for curve in configuration.curves:
        there = np.flatnonzero(curve["gap"] <= fraction * curve["gap"][0])
        reached.append(curve[runs.COSTS[cost]][there[0]]
                       if len(there) else np.inf)
    return runs.median_with_missing(reached, configuration.n_asked)
