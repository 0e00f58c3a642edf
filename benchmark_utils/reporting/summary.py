"""Print the table of results tables, and draw their figure.

    python -m benchmark_utils.reporting.summary results/ijcnn1.parquet \\
        --dataset ijcnn1 --figure docs/ijcnn1.svg

is the short form of ``compare --table``, which writes all there is to say to
a folder. With ``--config``, the file of the run, methods of which every
repetition diverged are named, too.
"""
from pathlib import Path

from benchmark_utils.reporting import (
    figures,
    files,
    prints,
    runs,
    styles,
    tables,
)
from benchmark_utils.reporting.commands import note, parser_of
from benchmark_utils.reporting.configs import methods_of, read_config
from benchmark_utils.reporting.report import Report


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
    parser.add_argument("--figure", type=Path,
                        help="file to draw to (svg, png, pdf), which must "
                        "not exist")
    options = parser.parse_args(arguments)
    try:
        _print(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _print(options):
    if options.figure:
        files.output("figure", options.figure)
    df = tables.read(options.results)
    dataset = tables.find_dataset(df, options.dataset)
    rows = df[df["dataset_name"] == dataset]
    problem = runs.Problem(
        df, dataset, tables.find_objective(rows, options.objective))
    report = Report(problem)
    print(report.markdown())
    known = {tables.method_of(name) for name in df["solver_name"]}
    asked = known | methods_of(map(read_config, options.config), known)
    missing = sorted(asked - set(report.best), key=styles.order)
    if missing:
        note(f"no result, diverged or not run: {missing}")
    fewer = [method for method, configuration in report.best.items()
             if configuration.n_asked < problem.n_asked]
    if fewer:
        note(f"asked for fewer repetitions than others, as far as the tables "
             f"show: {fewer}")
    if options.figure:
        prints.save(figures.headline(problem, options.dataset),
                    options.figure)


if __name__ == "__main__":
    main()
