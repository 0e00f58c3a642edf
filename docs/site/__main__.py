"""Build the site of the suite, without a network.

    python -m docs.site OUTPUT [-j N]

makes of the pages in ``docs/``, the solvers, the datasets and the results
tables a folder of static pages that can be read from a disk, searched, and
published. It needs ``pip install -r requirements-docs.txt``.
"""
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchopt.benchmark import Benchmark
from sphinx.cmd.build import build_main

from benchmark_utils.reporting import pages
from benchmark_utils.reporting.commands import (
    at_least_one,
    note,
    parser_of,
)
from benchmark_utils.reporting.overview import Overview
from docs.site import methods, problems, results
from docs.site.results import DOCS, slug
from docs.site.sources import ROOT, Sources

#: What Sphinx leaves in a folder that it has built.
MARK = "objects.inv"


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("output", type=Path, help="folder of the site")
    parser.add_argument("-t", "--table", type=Path, action="append",
                        help="results tables (default: all in results/)")
    parser.add_argument("-j", "--jobs", type=at_least_one, default=2,
                        help="tables that are drawn at a time (default: 2)")
    options = parser.parse_args(arguments)
    tables = options.table or sorted((ROOT / "results").glob("*.parquet"))
    try:
        build(options.output, tables, options.jobs)
    except ValueError as error:
        parser.error(str(error))


def build(output, tables, n_jobs=2):
    """Build the site.

    Parameters
    ----------
    output : Path
        A folder that is new, empty, or has an earlier site.
    tables : list of Path
    n_jobs : int

    Raises
    ------
    ValueError
        If the folder has something else, a table cannot be drawn, or Sphinx
        warns, of a link that leads nowhere for instance.
    """
    if output.exists() and not (
            output.is_dir()
            and ((output / MARK).exists() or not any(output.iterdir()))):
        raise ValueError(
            f"output={str(output)!r} is not valid: a folder that is new, "
            "empty or has an earlier site is needed")
    benchmark = Benchmark(ROOT)
    solvers = benchmark.get_solvers()
    datasets = sorted(benchmark.get_datasets(), key=lambda cls: cls.name)
    with tempfile.TemporaryDirectory() as work:
        stage, site = Path(work, "sources"), Path(work, "site")
        figures, boards = site / "figures", site / "dashboards"
        for folder in (stage / "figures", figures, boards):
            folder.mkdir(parents=True)
        with ProcessPoolExecutor(n_jobs) as pool:
            drawn = pool.map(partial(_drawn, figures, boards), tables)
            found = list(drawn)
        for result in found:
            shutil.move(figures / result.figure, stage / "figures")
        _write_pages(stage, solvers, datasets, found)
        note(f"{len(solvers)} methods, {len(datasets)} problems, "
             f"{len(found)} dashboards; now the pages")
        if build_main(["-b", "html", "-q", "-W", "--keep-going", "-c",
                       str(DOCS), "-d", str(Path(work, "doctrees")),
                       str(stage), str(site)]):
            raise ValueError("Sphinx has warned: see above")
        shutil.copytree(site, output, dirs_exist_ok=True)
    note(f"the site begins with {output / 'index.html'}")


def _drawn(figures, boards, table):
    """Figures and dashboard of a table."""
    found = results.read(table, figures)
    shutil.copy(table, boards)
    with tempfile.TemporaryDirectory(dir=boards) as folder:
        page = pages.dashboard(table, Path(folder))
        page.rename(boards / f"{table.stem}.html")
        for file in Path(folder).iterdir():  # What the page loads.
            file.replace(boards / file.name)
    return found


def _write_pages(stage, solvers, datasets, found):
    # Methods are ranked over tables of the same rules, the newest.
    newest = max(result.protocol for result in found)
    current = [result for result in found if result.protocol == newest]
    ranks = Overview([result.problem for result in current])
    of_all = Overview([result.problem for result in found])
    sources = Sources(stage, solvers, datasets)
    sources.copy()
    head, costs = methods.costs_of(
        (DOCS / "methods.md").read_text(encoding="utf-8"))
    for cls in solvers:
        sources.add(f"methods/{slug(cls.name)}.md", methods.page(
            cls, [head, *costs.get(cls.name, [])], current, ranks))
    sources.add("methods/index.md", methods.index(solvers, current, ranks))
    names = {cls.name for cls in solvers}
    for cls in datasets:
        sources.add(f"problems/{cls.name}.md", problems.page(
            cls, found, of_all, names))
    sources.add("problems.md", problems.index(datasets))
    sources.add("dashboards.md", problems.dashboards(found))
    sources.add("index.md", sources.contents({
        "What came out": ["dashboards"],
        "What is compared": ["methods/index"],
        "How it is made": ["contributing", "changelog"]}))


if __name__ == "__main__":
    main()
