"""What a grid of configurations says of a method beside its best.

J. Dodge, S. Gururangan, D. Card, R. Schwartz, N. Smith, "Show your work:
improved reporting of experimental results", EMNLP 2019, for the expected best
of k; here without replacement, of the configurations that were tried.
"""
import numpy as np


def gaps_by_method(problem):
    """Gap of each configuration of each method, sorted.

    Returns
    -------
    dict of {str: array of float64}
        Of methods with at least two configurations. One that diverged has
        the gap of the start, which it does not improve on.
    """
    found = {}
    start = np.nan if problem.start is None else problem.start["gap"]
    for configuration in problem.configurations:
        gap = configuration.score(column="gap")[0]
        found.setdefault(configuration.method, []).append(
            gap if gap < start else start)
    return {method: np.sort(gaps) for method, gaps in found.items()
            if len(gaps) > 1 and np.all(np.isfinite(gaps))}


def best_of(gaps):
    """The best gap of k random configurations, for each k.

    Parameters
    ----------
    gaps : array of float64, shape (n,)
        Sorted.

    Returns
    -------
    k : array of int64, shape (n,)
        From 1 to n.
    expected, low, high : array of float64, shape (n,)
        Mean, and the 20 and 80 % quantiles.
    """
    n = len(gaps)
    k = np.arange(1, n + 1)
    # P(the best of k is none of the first i): (n - i)! (n - k)! / ...
    i = np.arange(n + 1)[:, None]
    factors = np.clip((n - i - (k - 1)) / (n - (k - 1)), 0.0, None)
    beyond = np.cumprod(factors, axis=1)
    expected = gaps @ (beyond[:-1] - beyond[1:])
    reached = 1.0 - beyond[1:]
    low, high = (
        gaps[np.argmax(reached >= quantile - 1e-12, axis=0)]
        for quantile in (0.2, 0.8))
    return k, expected, low, high


def cells(configurations):
    """Final gap of a method over its two step sizes.

    Returns
    -------
    dict of {(float, float): float}
        From (step_size, outer_ratio) to the lowest gap over the other
        parameters: infinite where all that was tried diverged.
    """
    found = {}
    for configuration in configurations:
        parameters = configuration.parameters
        if {"step_size", "outer_ratio"} <= set(parameters):
            pair = parameters["step_size"], parameters["outer_ratio"]
            found[pair] = min(found.get(pair, np.inf),
                              configuration.score(column="gap")[0])
    return found


def boxes(pairs):
    """Where the cells of a heat map are, in logarithms to base ten.

    Values are not evenly spaced, and a row has values that others have not:
    each row is cut half-way between its own neighbours.

    Returns
    -------
    dict of {(float, float): (float, float, float, float)}
        From each pair to left, bottom, width and height.
    """
    rows = {}
    for row, column in pairs:
        rows.setdefault(row, []).append(column)
    columns = _edges({column for _, column in pairs}, np.inf)
    widest = np.median([right - left for left, right in columns.values()])
    heights = _edges(rows, np.inf)
    highest = np.median([top - bottom for bottom, top in heights.values()])
    heights = _edges(rows, highest)
    found = {}
    for row, own in rows.items():
        bottom, top = heights[row]
        for column, (left, right) in _edges(own, widest).items():
            found[row, column] = left, bottom, right - left, top - bottom
    return found


def _edges(values, widest):
    """Ends of an interval around each value, up to half-way to the next."""
    logs = np.log10(sorted(values))
    halves = np.minimum(np.diff(logs) / 2, widest)
    end = min(widest / 2, np.median(halves) if len(halves) else 0.5)
    before, after = np.append(end, halves), np.append(halves, end)
    return {value: (at - lower, at + upper) for value, at, lower, upper in zip(
        sorted(values), logs, before, after, strict=True)}


def draw_cells(found, lowest, highest):
    """A heat map as an image.

    Parameters
    ----------
    found : dict
        As ``cells`` returns it.
    lowest, highest : float
        Ends of the scale of colours, the same for all methods.

    Returns
    -------
    array of float64, shape (height, width, 3)
        Between 0 and 1.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    colors = ScalarMappable(LogNorm(lowest, highest), "viridis_r")
    places = boxes(found)
    best = min(found, key=found.get)
    for pair, gap in found.items():
        left, bottom, width, height = places[pair]
        middle = left + width / 2, bottom + height / 2
        ends = np.isfinite(gap)
        shown = min(max(gap, lowest), highest)
        ax.add_patch(Rectangle(
            (left, bottom), width, height, edgecolor="white", linewidth=0.5,
            facecolor=colors.to_rgba(shown) if ends else "0.93"))
        if ends:
            ax.text(*middle, _short(shown), ha="center", va="center",
                    fontsize=7, rotation=0 if width > 0.7 else 90,
                    color="black" if shown**2 < lowest * highest else "white")
        else:
            ax.plot(*middle, "x", color="firebrick", markersize=7,
                    markeredgewidth=1.8)
    left, bottom, width, height = places[best]
    ax.add_patch(Rectangle((left, bottom), width, height, fill=False,
                           edgecolor="black", linewidth=2.5, zorder=5))
    ax.autoscale_view()
    for axis, k in ((ax.yaxis, 0), (ax.xaxis, 1)):
        values = sorted({pair[k] for pair in found})
        axis.set_ticks(np.log10(values), [f"{value:g}" for value in values])
    ax.tick_params(axis="x", rotation=90, labelsize=8)
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel="outer_ratio", ylabel="step_size")
    figure.colorbar(colors, ax=ax, shrink=0.9).ax.tick_params(labelsize=8)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255.0


def _short(value):
    """A number of one digit, such as 3e-5."""
    digit, power = f"{value:.0e}".split("e")
    return f"{digit}e{int(power)}"
