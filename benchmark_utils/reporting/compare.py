"""Compare methods at their chosen parameters: figures, tables, a dashboard.

    python -m benchmark_utils.reporting.compare DATASET [DATASET ...] [-j N]

runs each method with repetitions at the parameters that ``tune`` has chosen
(or those in ``configs/``, or those of ``--config``), or takes the results
tables of ``--table``. For each dataset it writes

- ``figure``, the first five, SOBA and SABA against time and oracle calls, and
  ``families``, all methods, as SVG and PDF at the width of two columns, and
  of one (``figure_column``);
- ``table``, the cost to gaps, as Markdown, LaTeX (booktabs) and CSV. Each
  median has an interval, by drawing the repetitions again, and a method is
  called faster than others only where tests say so, with Holm's correction;
- the results table, ``dashboard.html``, and ``record.json``: machine,
  versions, commit, seeds, and how it was run;

and for several datasets ``overview``: ranks and profiles over all, and which
methods they separate (``critical_difference``). Runs are new, also where those
of ``tune`` are kept, and then kept beside the comparison: the same command
goes on where it was interrupted.
"""
import json
import re
from functools import partial
from pathlib import Path

import pandas as pd
from benchopt.results.parquet import to_parquet
from benchopt.utils.parametrized_name_mixin import is_matched

from benchmark_utils.reporting import (
    conditions,
    figures,
    files,
    markup,
    overview,
    pages,
    prints,
    protocol,
    record,
    running,
    seeds,
    tables,
)
from benchmark_utils.reporting.chosen import Chosen
from benchmark_utils.reporting.commands import (
    add_options_of_runs,
    at_least_one,
    note,
    parser_of,
    positive,
)
from benchmark_utils.reporting.report import Report
from benchmark_utils.reporting.runs import Problem
from benchmark_utils.reporting.styles import order
from benchmark_utils.reporting.suite import ROOT, Dataset
from benchmark_utils.reporting.written import Written

FRACTION = 1e-2  # Of the gap at the start, in the profiles of the overview.
# What is written of a dataset, and of several, beside tables and dashboards.
FIGURES = {"figure": figures.headline, "families": figures.families}
FILES = [*prints.files_of(FIGURES), "table.md", "table.tex", "table.csv"]
OVERVIEW = [*prints.files_of(["ranks", "critical_difference", "profile"]),
            "ranks.md", "overview.parquet"]


class Comparison:
    """All that is written of one dataset.

    Parameters
    ----------
    df : pandas.DataFrame
        Results of benchopt; others than those of the dataset are left out.
    dataset, objective : str
        Full names.
    folder : Path
    more : dict
        For the record.
    mixed : bool
        Allow runs of several machines or versions.
    diverged : iterable of (str, int, int)
        Of which nothing is left: see ``Problem``.
    lost : list of str
        What else a reader must know of what is missing.
    """

    def __init__(self, df, dataset, objective, folder, more, mixed=False,
                 diverged=(), lost=()):
        self.folder, self.more, self.lost = folder, more, list(lost)
        self.table = df[(df["dataset_name"] == dataset)
                        & (df["objective_name"] == objective)]
        self.different = tables.mixed(self.table)
        if self.different and not mixed:
            raise ValueError(
                "runs of several machines or versions cannot be compared by "
                f"time: {self.different}; --mixed takes them as they are")
        self.problem = Problem(
            tables.prepared(self.table, strict=True), dataset, objective,
            diverged)
        self.report = Report(self.problem)

    def write(self, with_dashboard=True):
        """Write all files, in place of those of the last comparison.

        What somebody has edited gets another name.
        """
        written = Written(self.folder, self.problem.dataset)
        with files.locked(written.record):
            names = [*FILES, self._table.name,
                     *(pages.FILES if with_dashboard else ())]
            written.make_room(names)
            story = self._write(with_dashboard)
            written.store(names, story)

    @property
    def _table(self):
        return self.folder / f"{self.folder.name}.parquet"

    def _write(self, with_dashboard):
        folder, problem = self.folder, self.problem
        title = overview.short_names([problem.dataset])[0] + (
            " (runs of several machines or versions)"
            if self.different else "")
        for name, draw in FIGURES.items():
            prints.print_to(folder, name, partial(draw, problem, title))
        report = self.report
        files.write(folder / "table.md", "\n".join([
            report.markdown(), *(f"- {markup.markdown(text)}" for text in [
                *report.claims(), *self.notes()]), ""]))
        files.write(folder / "table.tex",
                    report.latex("time") + "\n" + report.latex("oracle calls"))
        files.write(folder / "table.csv", report.csv())
        with files.replacing(self._table) as part:
            to_parquet(self.table, part)
        if with_dashboard:
            pages.dashboard(self._table, folder)
        return record.whole(
            dataset=problem.dataset, reference=problem.reference_text,
            references={seed: found._asdict() for seed, found in
                        problem.references.items()},
            seeds={"of the comparison": sorted(
                self.table["base_seed"].astype(str).unique())},
            configurations={method: configuration.name for
                            method, configuration in report.best.items()},
            repetitions={method: [len(c.curves), c.n_asked]
                         for method, c in report.best.items()},
            rows={column: sorted(map(str, self.table[column].unique()))
                  for column in [*tables.MACHINE, *tables.CODE,
                                 "benchmark-commit", "run_date"]
                  if column in self.table},
            mixed=self.different, notes=self.notes()) | self.more

    def notes(self):
        """What a reader must know of the runs."""
        best = self.report.best
        lost = sorted({c.method for c in self.problem.configurations}
                      - set(best), key=order)
        fewer = [m for m, c in best.items()
                 if c.n_asked < self.problem.n_asked]
        missing = [
            f"{c.n_asked - len(c.curves)} of {c.n_asked} of {method}"
            for method, c in best.items() if len(c.curves) < c.n_asked]
        return [f"{text}: {', '.join(names)}." for text, names in [
            ("Diverged in at least half of the repetitions", lost),
            ("Repetitions that diverged", missing),
            ("Asked for fewer repetitions than others", fewer),
            ("Read before 97 % of the time" + (
                ", as the next evaluation came after its end"
                if protocol.names_of(self.table) == [protocol.PROTOCOL]
                else ""), [
                 f"{method} at {share:.0%}"
                 for method, share in self.problem.read_early(best).items()]),
            ("Blew up, and stand still where the gradient of h vanishes", [
                method for method, c in best.items()
                if self.problem.has_blown_up(c)]),
            ("Of several machines or versions",
             [f"{k}: {v}" for k, v in self.different.items()]),
            ("Not compared", self.lost),
        ] if names] + conditions.notes(self.table)


def add_options(parser):
    """Options of the command."""
    parser.add_argument("dataset", nargs="+", help="as after -d in benchopt")
    parser.add_argument("-s", "--solver", action="append", default=[],
                        metavar="METHOD", help="only these")
    parser.add_argument("--config", action="append", default=[], type=Path,
                        metavar="FILE", help="parameters; the last file that "
                        "has a method counts")
    parser.add_argument("--defaults", action="store_true", help="all methods "
                        "at the defaults of their files: the track without "
                        "tuning")
    parser.add_argument("--table", action="append", default=[], type=Path,
                        metavar="FILE", help="results; nothing is run")
    parser.add_argument("--objective", help="of the tables, if they have "
                        "several")
    for name, default, text in [
            ("starts", seeds.STARTS, "of each method; what is simulated is "
             "simulated anew"),
            ("repetitions", seeds.REPETITIONS, "samplings of each start")]:
        parser.add_argument(
            f"--{name}", type=at_least_one, default=default, metavar="N",
            help=f"{text} (default: {default})")
    parser.add_argument("--max-seconds", type=positive, metavar="SECONDS",
                        help="(default: as in the config, or 5)")
    parser.add_argument("--folder", type=Path,
                        default=ROOT / "outputs" / "compare",
                        help="(default: outputs/compare of the suite)")
    parser.add_argument("--mixed", action="store_true", help="take tables of "
                        "several machines or versions as they are")
    parser.add_argument("--changed", action="store_true", help="compare code "
                        "that differs from its commit, or that git does not "
                        "know; the record says so")
    parser.add_argument("--no-dashboard", action="store_true")
    add_options_of_runs(parser)


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        _compare(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except running.Interrupted:
        note("interrupted: the same command goes on where it was")
        raise SystemExit(130) from None


def _compare(options):
    files.folder("folder", options.folder)
    compared, failed = [], []
    todo = (_of_tables if options.table else _of_runs)(options)
    for name, make in todo.items():
        try:
            comparison = make()
            comparison.write(not options.no_dashboard)
        except (ValueError, OSError) as error:
            # The others are compared all the same.
            if len(todo) == 1:
                raise
            failed.append(f"{name}: {error}")
            note(failed[-1])
            continue
        compared.append(comparison)
        for text in [*comparison.report.claims(), *comparison.notes()]:
            print(f"{comparison.folder.name}: {text}")
    if len(compared) > 1:
        _write_overview(compared, options)
    if failed:
        raise ValueError("; ".join(failed))


def _folders(options, names, slugs):
    """A folder for each dataset, which is its own.

    Raises
    ------
    ValueError
        Naming two datasets of one folder, or one that is there twice.
    """
    taken = {"overview": "the overview of several datasets"}
    for name, slug in zip(names, slugs, strict=True):
        if name in taken.values():
            raise ValueError(f"{name} is asked for twice")
        if slug in taken:
            raise ValueError(f"{taken[slug]} and {name} would both be written "
                             f"to {options.folder / slug}")
        taken[slug] = name
        Written(options.folder / slug, name)
    return [options.folder / slug for slug in slugs]


def _of_tables(options):
    df = tables.read(options.table, prepare=False)
    if options.solver:
        df = df[[is_matched(tables.method_of(name), options.solver)
                 for name in df["solver_name"]]]
    names = [tables.find_dataset(df, typed) for typed in options.dataset]
    folders = _folders(options, names, [_slug(t) for t in options.dataset])

    def make(name, folder):
        rows = df[df["dataset_name"] == name]
        return Comparison(
            df, name, tables.find_objective(rows, options.objective), folder,
            {"tables": options.table}, options.mixed)

    return {name: partial(make, name, folder)
            for name, folder in zip(names, folders, strict=True)}


def _of_runs(options):
    datasets = [Dataset(typed) for typed in options.dataset]
    # All of them before anything runs.
    choices = [Chosen(dataset, options.config, options.solver,
                      options.defaults) for dataset in datasets]
    if (record.commit() or {}).get("changed") and not options.changed:
        raise ValueError(
            "the code differs from its commit, and nobody could run the "
            "comparison again: commit first, or give --changed")
    own = seeds.of_comparison(options.seed, options.starts)
    for dataset, chosen in zip(datasets, choices, strict=True):
        if set(own) & set(chosen.seeds):
            raise ValueError(
                f"seed={options.seed} is not valid on {dataset.name}: "
                f"parameters were chosen on the seeds {chosen.seeds}, and "
                f"those of the comparison would be {own}")
    names = [dataset.name for dataset in datasets]
    end = "_defaults" if options.defaults else ""
    folders = _folders(options, names, [d.slug + end for d in datasets])
    return {name: partial(_run, options, own, *parts) for name, *parts in zip(
        names, datasets, choices, folders, strict=True)}


def _run(options, own, dataset, chosen, folder):
    """Run the methods on a dataset, a stage for each start."""
    for file in dict.fromkeys(chosen.sources.values()):
        names = [m.name for m, _ in chosen.entries
                 if chosen.sources[m.name] == file]
        if not options.defaults:
            note(f"{dataset.name}: parameters of {len(names)} methods from "
                 f"{file}")
    seconds = options.max_seconds or chosen.settings.get("max_seconds", 5.0)
    stages = [running.Stage(
        folder / "runs", f"start-{seed}", dataset, chosen.entries, seconds,
        options.repetitions, options, seed,
        cache=(folder / "runs" / "kept").resolve()) for seed in own]
    found = [stage.run() for stage in stages]
    if not any(map(len, found)):
        raise ValueError(f"every run diverged: see {stages[-1].log}")
    for text in dict.fromkeys(
            text for stage in stages for text in stage.unusual()):
        note(text)
    df = pd.concat([df for df in found if len(df)], ignore_index=True)
    df[conditions.TUNED_ON] = df["solver_name"].map(
        lambda name: chosen.machines.get(tables.method_of(name)))
    ends = [(name, end or "no end") for stage in stages
            for name, end in stage.ends.items()]
    return Comparison(
        df, dataset.name, tables.find_objective(df), folder,
        {"runs": [stage.story for stage in stages],
         "seeds": {"of the comparison": own, "of the choice": chosen.seeds},
         "sources": {m.name: _within(chosen.sources[m.name])
                     for m, _ in chosen.entries},
         "config": stages[0].config},
        mixed=True,
        diverged=[of for stage in stages for of in stage.diverged],
        lost=sorted({f"{tables.method_of(name)} ({end})" for name, end in ends
                     if not end.startswith(("done", "diverged"))}))


def _within(file):
    """A file as seen from the suite's folder, if it is in it."""
    file = Path(file).resolve()
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


def _slug(typed):
    """Name of a folder for a dataset, of the suite or only of a table."""
    try:
        return Dataset(typed).slug
    except ValueError:
        return files.short(re.sub(r"[^\w=-]+", "_", typed).strip("_"))


def _write_overview(compared, options):
    """Ranks and profiles over all datasets."""
    folder = options.folder / "overview"
    problems = [comparison.problem for comparison in compared]
    ranks = overview.Overview(problems)
    written = Written(folder, None)
    names = [*OVERVIEW, *(() if options.no_dashboard else pages.FILES)]
    with files.locked(written.record):
        written.make_room(names)
        files.write(folder / "ranks.md", ranks.markdown())
        for name, draw in {
                "ranks": ranks.draw,
                "critical_difference": ranks.separation.draw,
                "profile": partial(figures.profile, problems, "time",
                                   FRACTION)}.items():
            prints.print_to(folder, name, draw)
        table = folder / "overview.parquet"
        with files.replacing(table) as part:
            to_parquet(pd.concat([c.table for c in compared],
                                 ignore_index=True), part)
        if not options.no_dashboard:
            pages.dashboard(table, folder)
        written.store(names, {"date": record.now(), "comparisons": {
            c.problem.dataset: json.loads((c.folder / "record.json").read_text(
                encoding="utf-8")) for c in compared}})
    print(ranks.markdown())


if __name__ == "__main__":
    main()
