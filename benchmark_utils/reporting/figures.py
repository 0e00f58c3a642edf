"""Figures for a paper: few curves, each with its name at its end.

``headline`` has at most ten; ``families`` has all of them, a panel a family,
with the others in grey.
"""
import re
from pathlib import Path

import numpy as np

from benchmark_utils.reporting import files, markup, runs, styles, views

GREY = "0.82"
_SMALLEST = 1e-16  # What is below is 0 to rounding.
_LOST = re.compile(r" \(\d+/\d+\)$")  # Repetitions, in the name of a curve.
_LABEL = 8.0  # Size of the names, in points.


def pyplot():
    """matplotlib, drawing to files, the same table to the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmark"
    styles.embed_fonts()
    from matplotlib import pyplot as plt

    return plt


def save(figure, file):
    """Write a figure as the end of the name says, without the date."""
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    key = keys.get(file.suffix)
    with files.replacing(Path(file)) as part:
        figure.savefig(part, dpi=150, metadata={key: None} if key else None)
    pyplot().close(figure)


def headline(problem, title):
    """The best of each family, SOBA and SABA: against time and calls.

    Parameters
    ----------
    problem : Problem
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 4.6), sharey=True)
    shown = views.headline(problem.best())
    for ax, (cost, column) in zip(axes, runs.COSTS.items(), strict=True):
        ends = {}
        for configuration in shown:
            ends[_name(configuration)] = _curve(
                ax, configuration, column, linewidth=1.8)
        _finish(ax, cost)
        ax._ends = ends
    axes[0].set_ylabel(r"$h(x) - h^*$")
    axes[1].tick_params(labelleft=True)
    _limits(axes)
    figure.suptitle(markup.figure(
        f"{title}: median and 20-80 % band of {problem.n_asked} repetitions, "
        f"{problem.reference_text}"), fontsize=9.5)
    figure.tight_layout(rect=(0, 0, 0.9, 1), w_pad=9)
    for ax in axes:
        _label_ends(ax, ax._ends)
    return figure


def families(problem, title, cost="time"):
    """All methods, a panel a family, the others in grey.

    Returns
    -------
    matplotlib.figure.Figure
    """
    plt = pyplot()
    best = problem.best()
    panels = {}
    for method, configuration in best.items():
        panels.setdefault(styles.family_of(method) or "other methods",
                          []).append(configuration)
    n_columns = min(3, max(1, len(panels)))
    n_rows = -(-max(1, len(panels)) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(4.6 * n_columns, 3.0 * n_rows + 0.5),
        sharex=True, sharey=True, squeeze=False)
    ends = []
    for ax, (family, members) in zip(axes.flat, panels.items(), strict=False):
        for configuration in best.values():
            if configuration not in members:
                _curve(ax, configuration, runs.COSTS[cost], grey=True)
        ends.append((ax, {
            _name(c): _curve(ax, c, runs.COSTS[cost], linewidth=1.6)
            for c in members}))
        _finish(ax, None)
        ax.set_title(family, fontsize=10)
    for ax in axes.flat[len(panels):]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(r"$h(x) - h^*$")
    for k, ax in enumerate(axes.flat[:len(panels)]):
        if k + n_columns >= len(panels):
            ax.set_xlabel(runs.AXES[cost])
            ax.tick_params(labelbottom=True)
    _limits(axes.flat)
    figure.suptitle(markup.figure(
        f"{title}: median of {problem.n_asked} repetitions, "
        f"{problem.reference_text}"), fontsize=10)
    figure.tight_layout(w_pad=7.5, rect=(0, 0, 0.93, 1))
    for ax, names in ends:
        _label_ends(ax, names)
    return figure


def profile(problems, cost, fraction):
    """Performance profile and data profile, of the ten best.

    Parameters
    ----------
    problems : list of Problem
    cost : str
    fraction : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    from benchmark_utils.reporting.profiles import Profiles

    plt = pyplot()
    found = Profiles(problems, cost, fraction)
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 4.4), sharey=True)
    labels = [f"{cost} / {cost} of the best", runs.AXES[cost]]
    for ax, relative, text in zip(axes, (True, False), labels, strict=True):
        grid, shares = found.curves(relative)
        ends = {}
        for method in found.best_methods(views.MOST):
            if method not in shares:
                continue
            share, low, high = shares[method]
            ax.step(grid, share, where="post", color=styles.color(method),
                    linestyle=styles.line(method), linewidth=1.8)
            ax.fill_between(grid, low, high, step="post", linewidth=0,
                            color=styles.color(method), alpha=0.12)
            ends[method] = grid[-1], share[-1]
        if len(grid):
            ax.set_xscale("log")
            ax.set_xlim(grid[0], grid[-1])
            _few_ticks(ax.xaxis, grid[-1] / grid[0])
        ax.set(xlabel=text, ylim=(-0.02, 1.02))
        ax.grid(alpha=0.3)
        ax._ends = ends
    axes[0].set_ylabel("share of problems solved")
    figure.suptitle(
        f"{len(found.datasets)} problems, gap reduced to {fraction:g} of the "
        "start; bands: 95 % intervals over repetitions", fontsize=10)
    figure.tight_layout(rect=(0, 0, 0.9, 1), w_pad=9)
    for ax in axes:
        _label_ends(ax, ax._ends)
    return figure


def _name(configuration):
    """Short for the label of a configuration: SOBA (9/10)."""
    return configuration.label().replace(" of ", "/")


def _few_ticks(axis, ratio):
    """Ticks of a logarithmic axis that do not overlap."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_minor_formatter(NullFormatter())
    if ratio < 100:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _curve(ax, configuration, column, grey=False, linewidth=1.0):
    """Draw a median and its band; return where it ends, or None."""
    x, y, low, high = configuration.median_curve(column, "gap")
    kept = y > _SMALLEST
    if not kept.any():
        return None
    method = configuration.method
    ax.plot(x[kept], y[kept], linewidth=0.8 if grey else linewidth,
            color=GREY if grey else styles.color(method),
            linestyle="-" if grey else styles.line(method),
            zorder=1 if grey else 3)
    if not grey:
        ax.fill_between(
            x[kept], low[kept].clip(min=_SMALLEST), high[kept], linewidth=0,
            color=styles.color(method), alpha=0.15, zorder=2)
    return x[kept][-1], y[kept][-1]


def _finish(ax, cost):
    if ax.lines:
        ax.set(xscale="log", yscale="log")
    else:
        ax.text(0.5, 0.5, "no curve above h*", ha="center",
                transform=ax.transAxes)
    if cost:
        ax.set_xlabel(runs.AXES[cost])
    ax.grid(alpha=0.3)


def _limits(axes):
    """Leave out what only the bands of one method reach."""
    lowest = [line.get_ydata().min() for ax in axes for line in ax.lines]
    highest = [line.get_ydata().max() for ax in axes for line in ax.lines]
    if lowest:
        for ax in axes:
            ax.set_ylim(0.6 * min(lowest), 1.6 * max(highest))


def _label_ends(ax, ends):
    """Names beside the ends of curves, moved apart where they would overlap.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        In its final place.
    ends : dict of {str: (float, float) or None}
        From names, which begin with that of the method, to where the curves
        end; None for no curve.
    """
    ends = {name: end for name, end in ends.items() if end is not None}
    if not ends:
        return
    figure = ax.figure
    height = ax.get_window_extent().height * 72 / figure.dpi
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    places = {name: to_axes(end) for name, end in ends.items()}
    names = sorted(places, key=lambda name: places[name][1])
    size = min(_LABEL, 0.95 * height / (1.15 * len(names)))
    heights = _apart([places[name][1] for name in names],
                     1.15 * size / height)
    for name, at in zip(names, heights, strict=True):
        x, y = places[name]
        color = styles.color(_LOST.sub("", name))
        ax.annotate(
            markup.figure(name), xy=(x, y), xytext=(1.06, at),
            xycoords="axes fraction", textcoords="axes fraction",
            fontsize=size, va="center", color=color,
            annotation_clip=False, arrowprops=dict(
                arrowstyle="-", color=color, linewidth=0.6,
                relpos=(0, 0.5), shrinkA=1, shrinkB=1))


def _apart(wanted, distance):
    """Sorted places at least a distance apart, as near as can be.

    By merging neighbours that are too near to blocks (the least squares
    solution), which then are moved into [0, 1].
    """
    blocks = []  # Middle and number of names.
    for place in wanted:
        blocks.append([place, 1])
        while len(blocks) > 1 and (
                blocks[-1][0] - blocks[-2][0]
                < distance * (blocks[-1][1] + blocks[-2][1]) / 2):
            (middle, n), (other, m) = blocks.pop(), blocks.pop()
            blocks.append([(middle * n + other * m) / (n + m), n + m])
    places = np.array([
        middle + distance * (k - (n - 1) / 2)
        for middle, n in blocks for k in range(n)])
    low = np.arange(len(places)) * distance
    return np.maximum(np.minimum(places, 1.0 - low[::-1]), low)
