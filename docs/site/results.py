"""What the committed tables say of each method, and its figures."""
import io
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from benchmark_utils.reporting import (
    figures,
    protocol,
    runs,
    styles,
    tables,
)
from benchmark_utils.reporting.overview import short_names
from benchmark_utils.reporting.report import Report

DOCS = Path(__file__).resolve().parents[1]

for _prefix, _name in (("", "2000/svg"), ("xlink", "1999/xlink")):
    ElementTree.register_namespace(_prefix, f"http://www.w3.org/{_name}")

_N_POINTS = 25
_OTHERS = "0.85"  # The grey of the other methods.


@dataclass
class Result:
    """A results table of one problem.

    Attributes
    ----------
    name : str
        Of the table, its page in ``docs/`` and its dashboard.
    problem : runs.Problem
    protocol : int
        The rules that it was made by.
    dataset : str
        Name of the dataset, without parameters.
    rows : dict of {str: dict of {str: str}}
        From methods to what the report has of them, by the heads of its
        columns.
    figure : str
        File of the figure with the best of each family.
    panels : dict of {str: str}
        From methods to the files of their curves.
    """

    name: str
    problem: runs.Problem
    protocol: int
    dataset: str
    rows: dict
    figure: str
    panels: dict

    @property
    def label(self):
        """Its name in tables."""
        return short_names([self.problem.dataset])[0]

    @property
    def is_explained(self):
        """Whether a page in ``docs/`` says what came out."""
        return (DOCS / f"{self.name}.md").exists()

    @property
    def page(self):
        """Where to read on, as seen from the root of the site."""
        return (f"{self.name}.md" if self.is_explained
                else f"problems/{self.dataset}.md")


def slug(method):
    """The name of a file for a method."""
    return re.sub(r"\W+", "-", method).strip("-").lower()


def read(file, folder):
    """Read a results table, and draw what pages show of it.

    Parameters
    ----------
    file : Path
    folder : Path
        For the figures.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If it is no results table of one problem, naming it.
    """
    df = tables.read([file])
    found = df[["dataset_name", "objective_name"]].drop_duplicates()
    if len(found) != 1:
        raise ValueError(
            f"results={str(file)!r} is not valid: runs of one dataset and "
            f"objective are needed, and it has {len(found)}")
    problem = runs.Problem(df, *found.iloc[0])
    report = Report(problem)
    head, *rows = report.rows()
    methods = dict(zip(report.best, rows[1:], strict=True))
    headline = f"{file.stem}.svg"
    name = short_names([problem.dataset])[0]
    (folder / headline).write_text(
        _svg(figures.headline(problem, name)), encoding="utf-8")
    return Result(
        file.stem, problem, max(protocol.names_of(df)),
        tables.method_of(problem.dataset),
        {method: dict(zip(head, cells, strict=True))
         for method, cells in methods.items()},
        headline, _panels(problem, name, file.stem, folder))


def _panels(problem, name, stem, folder):
    """A small figure a method: its curve, all others in grey.

    All curves are drawn once. Each file has what all share, and its own.
    """
    plt = figures.pyplot()
    from matplotlib.collections import LineCollection

    curves = {}
    for method, configuration in problem.best().items():
        x, y, low, high = configuration.median_curve("time", "gap", _N_POINTS)
        kept = y > 1e-16
        if kept.any():
            curves[method] = x[kept], y[kept], low[kept], high[kept]
    if not curves:
        return {}
    lowest = min(y.min() for _, y, *_ in curves.values())
    highest = max(y.max() for _, y, *_ in curves.values())
    figure, ax = plt.subplots(figsize=(3.4, 2.5), layout="constrained")
    ax.set(xscale="log", yscale="log", title=name, xlabel=runs.AXES["time"],
           ylabel=r"h(x) $-$ h*", ylim=(0.6 * lowest, 1.6 * highest))
    ax.title.set_fontsize(10)
    ax.grid(alpha=0.3)
    ax.add_collection(LineCollection(
        [np.column_stack(curve[:2])[::2] for curve in curves.values()],
        color=_OTHERS, linewidth=0.7, zorder=1))
    ax.autoscale_view(scaley=False)
    for k, (method, (x, y, low, high)) in enumerate(curves.items()):
        color = styles.color(method)
        ax.plot(x, y, color=color, linewidth=2.0, zorder=3, gid=f"curve-{k}")
        ax.fill_between(x, np.maximum(low, 1e-16), high, color=color, zorder=2,
                        alpha=0.2, linewidth=0, gid=f"band-{k}")
    svg = ElementTree.fromstring(_svg(figure))
    axes = next(part for part in svg.iter() if part.get("id") == "axes_1")
    parts = {part.get("id"): (place, part) for place, part in enumerate(axes)
             if re.match(r"(curve|band)-", part.get("id", ""))}
    first = min((place for place, _ in parts.values()), default=0)
    for _, part in parts.values():
        axes.remove(part)
    files = {}
    for k, method in enumerate(curves):
        own = [parts[name][1] for name in (f"band-{k}", f"curve-{k}")
               if name in parts]
        axes[first:first] = own
        files[method] = f"{slug(method)}_{stem}.svg"
        (folder / files[method]).write_text(
            ElementTree.tostring(svg, encoding="unicode"), encoding="utf-8")
        for part in own:
            axes.remove(part)
    return files


def _svg(figure):
    """SVG with text as text, and no more digits than a screen shows."""
    plt, file = figures.pyplot(), io.StringIO()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "site"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", file.getvalue())
