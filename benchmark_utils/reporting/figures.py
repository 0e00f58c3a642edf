"""Figures for a paper: few curves, each with its name at its end.

``headline`` has at most eight; ``families`` has all of them, a panel a family,
with the others in grey. Each is drawn at the width that it is printed at, of a
column or of two, where all text has 7 points.
"""
import re
import textwrap

import numpy as np

from benchmark_utils.reporting import markup, runs, styles, views
from benchmark_utils.reporting.prints import (
    LETTER,
    LINE,
    SIZE,
    WIDTHS,
    pyplot,
)

GREY = "0.82"
#: What is below is 0 to rounding.
SMALLEST = 1e-16
_GAP = "h(x) - h*"
_LOST = re.compile(r" \(\d+/\d+\)$")  # Repetitions, in the name of a curve.


def headline(problem, title, width=WIDTHS[""]):
    """The first of all methods, SOBA and SABA: against time and calls.

    Parameters
    ----------
    problem : Problem
    title : str
    width : float
        In inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = views.first(problem.best())
    text = (f"{title}: median and 20-80 % band of {problem.n_asked} "
            f"repetitions, {problem.reference_text}")
    curves = {cost: {c: c.median_curve(column, "gap") for c in shown}
              for cost, column in runs.COSTS.items()}
    all_curves = [curve for found in curves.values()
                  for curve in found.values()]
    floor = _floor(all_curves)
    figure, axes = _panels(
        width, 2, max(1.7, LINE * (len(shown) + 1)), text + _of_zero(
            all_curves), _names(shown), axis_labels=True)
    axes[1].sharey(axes[0])
    for ax, (cost, found) in zip(axes, curves.items(), strict=True):
        ax._ends = {_name(c): _curve(ax, c.method, curve, floor)
                    for c, curve in found.items()}
        _finish(ax, runs.AXES[cost])
    axes[0].set_ylabel(_GAP, fontsize=SIZE)
    if width < WIDTHS[""]:
        axes[1].set_ylabel(_GAP, fontsize=SIZE)
    _limits(axes, floor)
    for ax in axes:
        _label_ends(ax, ax._ends)
    return figure


def families(problem, title, width=WIDTHS[""], cost="time"):
    """All methods, a panel a family, the others in grey.

    Returns
    -------
    matplotlib.figure.Figure
    """
    best = problem.best()
    families_ = {}
    for method, configuration in best.items():
        families_.setdefault(styles.family_of(method) or "other methods",
                             []).append(configuration)
    families_ = families_ or {"no method": []}
    text = (f"{title}: median of {problem.n_asked} repetitions, "
            f"{problem.reference_text}")
    curves = {c: c.median_curve(runs.COSTS[cost], "gap")
              for c in best.values()}
    floor = _floor(curves.values())
    most = max(map(len, families_.values()))
    n_columns = 2 if width >= WIDTHS[""] else 1
    figure, axes = _panels(
        width, len(families_),
        [max(0.62, LINE * (len(members) + 0.5)) for members in
         families_.values()] if n_columns == 1 else max(
             1.0, LINE * (most + 0.5)),
        text + _of_zero(curves.values()), _names(curves), shared=True)
    for ax, (family, members) in zip(axes, families_.items(), strict=True):
        for c, curve in curves.items():
            if c not in members:
                _curve(ax, c.method, curve, floor, grey=True)
        ax._ends = {_name(c): _curve(ax, c.method, curves[c], floor)
                    for c in members}
        _finish(ax, None)
        ax.set_title(markup.figure(family), fontsize=SIZE, pad=3)
    for k, ax in enumerate(axes):
        if k % n_columns == 0:
            ax.set_ylabel(_GAP, fontsize=SIZE)
        if k + n_columns >= len(axes):
            ax.set_xlabel(runs.AXES[cost], fontsize=SIZE)
        ax.tick_params(labelbottom=k + n_columns >= len(axes),
                       labelleft=k % n_columns == 0)
    _limits(axes, floor)
    for ax in axes:
        _label_ends(ax, ax._ends)
    return figure


def profile(problems, cost, fraction, width=WIDTHS[""]):
    """Performance profile and data profile, of the eight best.

    Parameters
    ----------
    problems : list of Problem
    cost : str
    fraction : float
    width : float
        In inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from benchmark_utils.reporting.profiles import Profiles

    found = Profiles(problems, cost, fraction)
    methods = found.best_methods(views.MOST_PRINTED)
    figure, axes = _panels(
        width, 2, 1.7, f"{len(found.datasets)} problems, gap reduced to "
        f"{fraction:g} of the start; bands: 95 % intervals over repetitions",
        methods, axis_labels=True)
    labels = [f"{cost} / {cost} of the best", runs.AXES[cost]]
    for ax, relative, text in zip(axes, (True, False), labels, strict=True):
        grid, shares = found.curves(relative)
        ax._ends = {}
        for method in methods:
            if method not in shares:
                continue
            share, low, high = shares[method]
            ax.step(grid, share, where="post", color=styles.color(method),
                    linestyle=styles.line(method), linewidth=1.2)
            ax.fill_between(grid, low, high, step="post", linewidth=0,
                            color=styles.color(method), alpha=0.12)
            ax._ends[method] = grid[-1], share[-1]
        if len(grid):
            ax.set_xscale("log")
            ax.set_xlim(grid[0], grid[-1])
            _few_ticks(ax.xaxis, grid[-1] / grid[0])
        ax.set_xlabel(text, fontsize=SIZE)
        ax.set_ylim(-0.02, 1.02)
        ax.grid(alpha=0.3, linewidth=0.5)
    for ax in axes if width < WIDTHS[""] else axes[:1]:
        ax.set_ylabel("share of problems solved", fontsize=SIZE)
    for ax in axes:
        _label_ends(ax, ax._ends)
    return figure


def _panels(width, n, heights, title, names, shared=False,
            axis_labels=False):
    """Panels in one column or two, with room for names on their right.

    Parameters
    ----------
    width : float
        Of the figure; all lengths are in inches.
    n : int
        Panels, in rows.
    heights : float or list of float
        Of panels; a list has one a row.
    title : str
        Cut to as many lines as it needs.
    names : iterable of str
        The longest decides how much room they have.
    shared : bool
        Whether panels share both axes, and only the outer ones have labels.
    axis_labels : bool
        Whether there is room for the label of an axis below each panel.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    plt = pyplot()
    n_columns = 2 if width >= WIDTHS[""] else 1
    n_rows = -(-n // n_columns)
    heights = heights if isinstance(heights, list) else [heights] * n_rows
    lines = textwrap.wrap(title, int(width / LETTER))
    right = 0.22 + LETTER * max(map(len, names), default=0)
    left, top = 0.58, 0.08 + LINE * len(lines)
    between = 0.42 if axis_labels else 0.2
    below = 0.42
    height = top + sum(heights) + between * (n_rows - 1) + below + (
        0.0 if axis_labels else 0.16)
    figure = plt.figure(figsize=(width, height))
    figure.text(0.5, 1 - 0.04 / height, markup.figure("\n".join(lines)),
                ha="center", va="top", fontsize=SIZE)
    inner = 0.15 if shared else left - 0.16  # Beside the second panel.
    own = (width - left - n_columns * right - (n_columns - 1) * inner
           ) / n_columns
    axes = []
    for k in range(n):
        row, place = divmod(k, n_columns)
        y = height - top - sum(heights[:row + 1]) - between * row - (
            0.0 if axis_labels else 0.16)
        x = left + place * (own + right + inner)
        other = axes[0] if shared and axes else None
        axes.append(figure.add_axes(
            (x / width, y / height, own / width, heights[row] / height),
            sharex=other, sharey=other))
        axes[-1].tick_params(labelsize=SIZE, width=0.5, pad=2)
    return figure, axes


def _name(configuration):
    """Short for the label of a configuration: SOBA (9/10)."""
    return configuration.label().replace(" of ", "/")


def _names(configurations):
    return [_name(configuration) for configuration in configurations]


def _floor(curves):
    """Where a gap of 0 is drawn: a decade below all others."""
    lowest = min((y[y > SMALLEST].min() for _, y, *_ in curves
                  if np.any(y > SMALLEST)), default=10 * runs.RESOLUTION)
    return 0.1 * lowest


def _of_zero(curves):
    """What a title says where a curve comes to 0."""
    return "; triangles: a gap of 0 to rounding" if any(
        np.any(y <= SMALLEST) for _, y, *_ in curves) else ""


def _few_ticks(axis, ratio):
    """Ticks of a logarithmic axis that do not overlap, in letters of SIZE."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda x, _: _short(x)))
    axis.set_major_locator(LogLocator(
        subs=(1, 2, 5) if ratio < 100 else (1,), numticks=6))


def _short(number):
    """A number in few letters: an exponent would be smaller than SIZE."""
    if 0.01 <= number < 1000:
        return f"{number:g}"
    return f"{number:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _curve(ax, method, curve, floor, grey=False):
    """Draw a median and its band; return where it ends, or None."""
    x, *curve = curve
    if not len(x):
        return None
    y, low, high = (np.where(values > SMALLEST, values, floor)
                    for values in curve)
    zero = np.flatnonzero(curve[0] <= SMALLEST)
    ax.plot(x, y, linewidth=0.5 if grey else 1.2,
            color=GREY if grey else styles.color(method),
            linestyle="-" if grey else styles.line(method),
            zorder=1 if grey else 3)
    if not grey:
        ax.fill_between(x, low.clip(min=floor), high, linewidth=0,
                        color=styles.color(method), alpha=0.15, zorder=2)
        ax.plot(x[zero[:1]], y[zero[:1]], linestyle="none", marker="v",
                markersize=4, color=styles.color(method), zorder=4,
                gid="zero")
    return x[-1], y[-1]


def _finish(ax, label):
    if any(len(line.get_xdata()) for line in ax.lines):
        ax.set(xscale="log", yscale="log")
        drawn = np.concatenate([line.get_xdata() for line in ax.lines])
        _few_ticks(ax.xaxis, drawn.max() / drawn.min())
    else:
        ax.text(0.5, 0.5, "no curve", ha="center", fontsize=SIZE,
                transform=ax.transAxes)
    if label:
        ax.set_xlabel(label, fontsize=SIZE)
    ax.grid(alpha=0.3, linewidth=0.5)


def _limits(axes, floor):
    """Leave out what only the bands of one method reach; name the floor."""
    drawn = [line.get_ydata() for ax in axes for line in ax.lines
             if len(line.get_ydata())]
    if not drawn:
        return
    lowest, highest = (pick(pick(y) for y in drawn) for pick in (min, max))
    for ax in axes:
        ax.set_ylim(0.6 * lowest, 1.6 * highest)
        _few_ticks(ax.yaxis, highest / lowest)
    if lowest > floor:
        return
    # The decades of gaps, as many as there is room for, and 0.
    first, last = np.ceil(np.log10([2 * floor, highest])).astype(int)
    room = max(2, axes[0].get_window_extent().height / axes[0].figure.dpi
               / (1.6 * LINE))
    step = max(1, int(np.ceil((last - first + 1) / room)))
    decades = list(range(last, first, -step))
    for ax in axes:
        ax.set_yticks([floor, *(10.0**k for k in decades)],
                      ["0", *(_short(10.0**k) for k in decades)])
        ax.yaxis.minorticks_off()


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
    heights = _apart([places[name][1] for name in names],
                     1.15 * SIZE / height)
    for name, at in zip(names, heights, strict=True):
        x, y = places[name]
        color = styles.color(_LOST.sub("", name))
        ax.annotate(
            markup.figure(name), xy=(x, y), xytext=(1.06, at),
            xycoords="axes fraction", textcoords="axes fraction",
            fontsize=SIZE, va="center", color=color,
            annotation_clip=False, arrowprops=dict(
                arrowstyle="-", color=color, linewidth=0.5,
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
