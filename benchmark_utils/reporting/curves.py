"""One repetition: what it has reached at a cost, and what a gap cost it.

A curve is a dictionary of arrays, one number an evaluation: the columns of a
results table, and the ``gap`` h - h*.
"""
import numpy as np

# Differences of h, relative to h* where this is above 1, that no evaluation
# resolves: such gaps are 0, and methods that have them are equal.
RESOLUTION = 1e-12


def cost_to(curve, column, gap):
    """What it took a repetition to come to a gap; infinite if it did not.

    Between the last evaluation above it and the first that is not, the
    logarithm of the gap is taken for linear: else the cost would be that of
    evaluations.

    Parameters
    ----------
    curve : dict of array
    column : str
        One of the values of ``COSTS``.
    gap : float

    Returns
    -------
    float
    """
    there = np.flatnonzero(curve["gap"] <= gap)
    if not len(there):
        return np.inf
    k = there[0]
    cost, gaps = curve[column], np.maximum(curve["gap"], RESOLUTION)
    if k == 0 or gap <= RESOLUTION or not np.isfinite(gaps[k - 1]):
        return cost[k]
    share = np.log(gaps[k - 1] / gap) / np.log(gaps[k - 1] / gaps[k])
    return cost[k - 1] + share * (cost[k] - cost[k - 1])


def gap_at(curve, column, cost):
    """What gap a repetition has at a cost; after its end, that of the end.

    Between two evaluations the logarithm of the gap is taken for linear, as
    in ``cost_to``: evaluations are at times of all methods, and at oracle
    calls of each.

    Parameters
    ----------
    curve : dict of array
    column : str
        One of the values of ``runs.COSTS``.
    cost : float

    Returns
    -------
    float
    """
    costs, gaps = curve[column], curve["gap"]
    k = max(0, int(np.searchsorted(costs, cost, side="right")) - 1)
    if k == len(costs) - 1 or cost <= costs[k]:
        return gaps[k]
    before, after = np.maximum(gaps[k:k + 2], RESOLUTION)
    if not (np.isfinite(after) and before > RESOLUTION):
        return gaps[k]
    share = (cost - costs[k]) / (costs[k + 1] - costs[k])
    return before ** (1 - share) * after ** share


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
