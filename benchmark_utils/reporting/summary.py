"""The figure and the table of a results table, for a README.

    python -m benchmark_utils.reporting.summary results/ijcnn1.parquet \\
        --dataset ijcnn1 --figure docs/ijcnn1.svg

draws the suboptimality of each method, at its best parameters, against time
and oracle calls, and prints what each method needs to reach given gaps, as a
Markdown table.
"""
import argparse

import numpy as np
import pandas as pd

from benchmark_utils.reporting import results
from benchmark_utils.reporting.selection import parameters_of

# Families differ by line style too: colours are not seen by all.
LINES = dict(zip(results.FAMILIES, ["-", "-", "--", "-.", ":"], strict=True))
WIDTHS = {"variance reduced": 2.4}


def best_runs(df, dataset):
    """Runs of one dataset at the best parameters of each method.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table.
    dataset : str
        Name of the dataset, with or without its parameters.

    Returns
    -------
    h_star : float
        What gaps are measured from.
    origin : str
        Where it is from, as ``results.reference`` says.
    runs : dict
        From the method's name to its rows, in the order of the families.

    Raises
    ------
    ValueError
        If the table has no such dataset, or several.
    """
    name = results.full_name(df, dataset)
    df = df[df["dataset_name"] == name]
    best = {method: solver for (_, method), (solver, _)
            in results.best_configurations(df).items()}
    runs = {method: df[df["solver_name"] == best[method]]
            for method in sorted(best, key=results.order)}
    return *results.reference(df, name), runs


def _n_repetitions(runs):
    """How many there are, of which some methods may have lost some."""
    return len({k for curves in runs.values() for k in curves["idx_rep"]})


def draw(h_star, origin, runs, title):
    """The figure: one panel against time, one against oracle calls.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(11.5, 5), sharey=True)
    n_repetitions = _n_repetitions(runs)
    for ax, (cost, column) in zip(axes, results.COSTS.items(), strict=True):
        for method, curves in runs.items():
            curves = curves.assign(gap=curves["objective_value"] - h_star)
            x, y, low, high = results.median_curve(curves, column, "gap")
            shown = y > 0
            family = results.family_of(method)
            line, = ax.plot(
                x[shown], y[shown], LINES.get(family, "-"),
                label=results.label(method, curves, n_repetitions),
                linewidth=WIDTHS.get(family, 1.4),
                color=results.style(method, method)["color"])
            ax.fill_between(
                x[shown], low[shown].clip(min=1e-16), high[shown],
                color=line.get_color(), alpha=0.15, linewidth=0)
        ax.set(xscale="log", yscale="log", xlabel=results.AXES[cost])
        ax.grid(alpha=0.3)
    axes[0].set_ylabel(r"$h(x) - h^*$")
    fig.suptitle(
        f"{title}: median and 20-80 % band of {n_repetitions} repetitions, "
        f"h* = {h_star:.8g} ({origin})", fontsize=10)
    fig.legend(*axes[0].get_legend_handles_labels(), frameon=False,
               loc="center right", fontsize=9)
    fig.tight_layout(rect=(0, 0, 0.84, 1))
    return fig


def scores_of(runs):
    """Those of ``results.SCORES`` that the dataset of the runs has."""
    curves = next(iter(runs.values()), {})
    return {column: name for column, name in results.SCORES.items()
            if column in curves and curves[column].notna().all()}


def rows(h_star, runs):
    """Cells of the table: the start of all methods, then a row a method.

    Returns
    -------
    list of list of str
        Method, with the repetitions that ended if some diverged, parameters,
        median h at the end and its gap, then the median seconds and oracle
        calls to each of ``results.GAPS``, and the median at the end of each
        of the ``scores_of`` the runs. A repetition that diverged counts as
        infinity.
    """
    scores = scores_of(runs)
    start = results.repetitions(next(iter(runs.values())))[0].iloc[0]
    h = start["objective_value"]
    table = [["start", "", f"{h:.7f}", f"{h - h_star:.1e}",
              *["-"] * len(results.GAPS),
              *(f"{start[column]:.4f}" for column in scores)]]
    n_repetitions = _n_repetitions(runs)
    for method, curves in runs.items():
        ends = [c.iloc[-1] for c in results.repetitions(curves)]
        h = results.median_with_missing(
            [end["objective_value"] for end in ends], n_repetitions)
        solver = curves["solver_name"].iloc[0]
        shown = ", ".join(
            f"{name}={value}" for name, value in parameters_of(solver).items()
            if name not in ("batch_size", "eval_freq"))
        cells = [results.label(method, curves, n_repetitions), shown,
                 f"{h:.7f}", f"{h - h_star:.1e}"]
        for gap in results.GAPS:
            seconds, calls = (
                results.first_reaching(
                    curves, column, gap, h_star, n_repetitions)
                for column in results.COSTS.values())
            cells.append(f"{seconds:.2g} s / {calls:.1e}"
                         if np.isfinite(seconds) else "-")
        cells += [f"{np.median([end[column] for end in ends]):.4f}"
                  for column in scores]
        table.append(cells)
    return table


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", help="results table (parquet)")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--figure", help="file to draw to (svg, png, pdf)")
    options = parser.parse_args(arguments)

    df = pd.read_parquet(options.results)
    h_star, origin, runs = best_runs(df, options.dataset)
    header = ["solver", "parameters", "h", "h - h*",
              *(f"{gap:.0e}" for gap in results.GAPS),
              *scores_of(runs).values()]
    for cells in [header, ["---"] * len(header), *rows(h_star, runs)]:
        print("| " + " | ".join(cells) + " |")
    if options.figure:
        import matplotlib

        matplotlib.use("Agg")
        # The same table gives the same file, to the last byte.
        matplotlib.rcParams["svg.hashsalt"] = "benchmark"
        figure = draw(h_star, origin, runs, options.dataset)
        figure.savefig(options.figure, dpi=150, metadata=(
            {"Date": None} if options.figure.endswith(".svg") else None))


if __name__ == "__main__":
    main()
