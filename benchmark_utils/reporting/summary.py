"""The figure and the table of a results table, for a README.

    python -m benchmark_utils.reporting.summary results/ijcnn1.parquet \\
        --dataset ijcnn1 --figure docs/ijcnn1.svg

draws the suboptimality of each method, at its best parameters, against time
and oracle calls, and prints what each method needs to reach given gaps, as a
Markdown table. With ``--config``, the file of the run, methods of which every
repetition diverged are named, too.
"""
import numpy as np

from benchmark_utils.reporting import runs, styles, tables
from benchmark_utils.reporting.commands import note, parser_of
from benchmark_utils.reporting.selection import methods_of, read_config


def draw(problem, title):
    """The figure: one panel against time, one against oracle calls.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(11.5, 5), sharey=True)
    for ax, (cost, column) in zip(axes, runs.COSTS.items(), strict=True):
        for method, best in problem.best().items():
            x, y, low, high = best.median_curve(column, "gap")
            shown = y > 0
            if not shown.any():
                continue
            line, = ax.plot(
                x[shown], y[shown], linestyle=styles.line(method),
                label=best.label(), linewidth=1.4,
                color=styles.color(method))
            ax.fill_between(
                x[shown], low[shown].clip(min=1e-16), high[shown],
                color=line.get_color(), alpha=0.15, linewidth=0)
        ax.set(xscale="log", yscale="log", xlabel=runs.AXES[cost])
        ax.grid(alpha=0.3)
    axes[0].set_ylabel(r"$h(x) - h^*$")
    fig.suptitle(
        f"{title}: median and 20-80 % band of {problem.n_asked} repetitions, "
        f"{problem.reference_text}", fontsize=10)
    if not axes[0].lines:
        axes[0].text(0.5, 0.5, "no curve above h*", ha="center",
                     transform=axes[0].transAxes)
    fig.legend(*axes[0].get_legend_handles_labels(), frameon=False,
               loc="center right", fontsize=9)
    fig.tight_layout(rect=(0, 0, 0.84, 1))
    return fig


def rows(problem):
    """Cells of the table: the start of all methods, then a row a method.

    Returns
    -------
    list of list of str
        Method, with the repetitions that ended if some diverged, parameters,
        median h at the end and its gap, then the median seconds and oracle
        calls to each of ``runs.GAPS``, and the median at the end of each of
        the scores of the dataset. A repetition that diverged counts as
        infinity.
    """
    scores = problem.scores()
    start = problem.start
    if start is None:
        return []
    table = [["start", "", f"{start['objective_value']:.7f}",
              f"{start['gap']:.1e}", *["-"] * len(runs.GAPS),
              *(f"{start[column]:.4f}" for column in scores)]]
    for best in problem.best().values():
        h, end = (runs.median_with_missing(best.at_end(column), best.n_asked)
                  for column in ("objective_value", "gap"))
        shown = ", ".join(
            f"{name}={value}" for name, value in best.parameters.items()
            if name not in ("batch_size", "eval_freq"))
        cells = [best.label(), shown, f"{h:.7f}", f"{end:.1e}"]
        for gap in runs.GAPS:
            seconds, calls = (
                runs.median_with_missing(
                    best.reaching(column, gap), best.n_asked)
                for column in runs.COSTS.values())
            cells.append(f"{seconds:.2g} s / {calls:.1e}"
                         if np.isfinite(seconds) else "-")
        cells += [f"{np.median(best.at_end(column)):.4f}"
                  for column in scores]
        table.append(cells)
    return table


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("results", nargs="+", help="results tables (parquet)")
    parser.add_argument("--dataset", required=True,
                        help="as after -d, with the parameters that tell it "
                        "from others in the tables")
    parser.add_argument("--objective", help="likewise, where there are many")
    parser.add_argument("--config", action="append", default=[],
                        help="config file of the run")
    parser.add_argument("--figure", help="file to draw to (svg, png, pdf)")
    options = parser.parse_args(arguments)
    try:
        _print(options)
    except ValueError as error:
        parser.error(str(error))


def _print(options):
    df = tables.read(options.results)
    problem = runs.Problem(df, tables.find_dataset(df, options.dataset),
                           tables.find_objective(df, options.objective))
    header = ["solver", "parameters", "h", "h - h*",
              *(f"{gap:.0e}" for gap in runs.GAPS),
              *problem.scores().values()]
    for cells in [header, ["---"] * len(header), *rows(problem)]:
        print("| " + " | ".join(cells) + " |")
    best = problem.best()
    known = {tables.method_of(name) for name in df["solver_name"]}
    asked = known | methods_of(map(read_config, options.config), known)
    missing = sorted(asked - set(best), key=styles.order)
    if missing:
        note(f"no result, diverged or not run: {missing}")
    fewer = [configuration.method for configuration in best.values()
             if configuration.n_asked < problem.n_asked]
    if fewer:
        note(f"asked for fewer repetitions than others, as far as the tables "
             f"show: {fewer}")
    if options.figure:
        import matplotlib

        matplotlib.use("Agg")
        # The same table gives the same file, to the last byte.
        matplotlib.rcParams["svg.hashsalt"] = "benchmark"
        figure = draw(problem, options.dataset)
        figure.savefig(options.figure, dpi=150, metadata=(
            {"Date": None} if options.figure.endswith(".svg") else None))


if __name__ == "__main__":
    main()
