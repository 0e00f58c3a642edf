"""Choose the parameters of methods on a dataset, by the same rules for each.

    python -m benchmark_utils.reporting.tune DATASET [-s METHOD ...] [-j N]

The rules, with T the time of a run of the comparison, ``--max-seconds``:

1. Each method gets the same number of configurations (32), for T / 10 each:
   the defaults of its file, scrambled Sobol' points of its search space
   (``spaces``), and, for a quarter of them each, points of that space halved
   and quartered around the best so far, which may reach beyond its edges.
2. The best 8 run for T / 2, and the best 3 of these for T, from 5 starts;
   where all of them diverge from two or more, the next follow, of the 8 and
   then of the 32.
3. The best are those that diverged least often, as what diverges from one of
   five starts may do so in half of the runs of a comparison. Of these it is
   the one with the lowest median, over starts, of h at the end of the time
   above the lowest that is known from the start, by which comparisons rank as
   well.

That is the same time for each method: 22 T, less where runs diverge, or where
a method has fewer configurations. Evaluations are no part of it: where they
take longer than the runs, ``--evaluations 1`` leaves out most of those before
the end, which decide only where h is the same there.

No start and no sampling of these runs is one of a comparison (``seeds``). The
config of the best is written, beside what it has of methods that were tuned
before, and results are kept in a folder, so that the same command goes on
where it was interrupted. On a cluster: ``--parallel-config``, as in benchopt.
"""
import json
from pathlib import Path

from benchopt.results import read_results
from benchopt.results.parquet import to_parquet

from benchmark_utils.reporting import (
    conditions,
    files,
    record,
    running,
    seeds,
    tables,
)
from benchmark_utils.reporting.commands import (
    add_options_of_runs,
    at_least_one,
    note,
    parser_of,
    positive,
)
from benchmark_utils.reporting.configs import Choices
from benchmark_utils.reporting.search import Tuning
from benchmark_utils.reporting.suite import ROOT, Dataset, methods

RULES = ("configurations", "survivors", "finalists", "starts", "max_seconds",
         "evaluations")


def add_options(parser):
    """Options of the command."""
    parser.add_argument("dataset", help="as after -d in benchopt")
    parser.add_argument(
        "-s", "--solver", action="append", default=[], metavar="METHOD",
        help="as in benchopt; parameters that are given are not chosen "
        "(default: all)")
    for name, default, text in [
            ("configurations", 32, "of each method"),
            ("survivors", 8, "of them, which run longer"),
            ("finalists", 3, "of these, from several starts"),
            ("starts", seeds.FINALISTS, "of a finalist")]:
        parser.add_argument(
            f"--{name}", type=at_least_one, default=default, metavar="N",
            help=f"{text} (default: {default})")
    parser.add_argument("--max-seconds", type=positive, default=5.0,
                        help="of a run of the comparison (default: 5)")
    parser.add_argument("--folder", type=Path,
                        help="where results are kept (default: "
                        "outputs/tune/DATASET of the suite)")
    parser.add_argument("--output", type=Path,
                        help="config file, which must not exist (default: "
                        "best.yml in the folder)")
    add_options_of_runs(parser)


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        _tune(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except running.Interrupted:
        note("interrupted: the same command goes on where it was")
        raise SystemExit(130) from None


def _tune(options):
    if options.output:
        files.output("output", options.output)
    dataset = Dataset(options.dataset)
    chosen, missing = methods(options.solver)
    if missing:
        note(f"not installed: {missing}")
    if not chosen:
        raise ValueError("no solver is left to tune")
    folder = options.folder or ROOT / "outputs" / "tune" / dataset.slug
    output = options.output or folder / "best.yml"
    tuning = Tuning(dataset, chosen, options, folder)
    # Before anything runs: whether what is found can be added.
    Choices(output, dataset, options.max_seconds, chosen)
    files.folder("folder", folder)
    note(f"{dataset.name}: {len(tuning.methods)} methods, at most "
         f"{options.configurations} configurations of each")
    best = tuning.run()
    lines = list(tuning.lines(best))
    rules = {**{name: getattr(options, name) for name in RULES
                if getattr(options, name)},
             "machine": conditions.machine_of(record.machine()),
             "seeds": tuning.seeds}
    said = "    " + ", ".join(f"{k} = {v}" for k, v in rules.items())
    with files.locked(output):
        # What another command has found meanwhile stays as well.
        choices = Choices(output, dataset, options.max_seconds,
                          [tuning.methods[name] for name in best])
        choices.write([
            tuning.methods[name].entry(tuning.parameters[c.name])
            for name, c in best.items()],
            [text for line in lines
             for text in [line, *([] if line.startswith(" ") else [said])]])
    with files.locked(folder / "tune.json"):
        _add_table(folder / f"{dataset.slug}_grid.parquet",
                   tuning.table(), set(tuning.methods))
        _add_record(folder / "tune.json", record.whole(
            dataset=dataset.name, rules=rules, jobs=options.n_jobs or 1,
            seconds={stage.yml.name: stage.story["seconds"]
                     for stage, _ in tuning.stages},
            tried={name: len(found) for name, found in tuning.tried.items()},
            methods=lines))
    print("\n".join(lines))
    note(f"written: {output}" + (
        f", beside what it has of {len(choices.kept)} other methods"
        if choices.kept else ""))


def _add_table(file, df, methods):
    """Write a table of grids, with those of other methods that it has."""
    if file.exists():
        try:
            df = tables.added(read_results(file), df, methods)
        except (OSError, ValueError, LookupError) as error:
            note(f"{file} cannot be added to ({error}), and is kept as "
                 f"{files.aside(file)}")
    with files.replacing(file) as part:
        to_parquet(df, part)


def _add_record(file, found):
    """Write a record, with those of commands that tuned other methods."""
    if file.exists():
        try:
            last = json.loads(file.read_text(encoding="utf-8"))
            records = [last, *last.pop("earlier", [])]
            found["earlier"] = [
                other for other in records
                if not set(other["tried"]) <= set(found["tried"])]
        except (OSError, ValueError, LookupError, AttributeError) as error:
            note(f"{file} is not a record ({error}), and kept as "
                 f"{files.aside(file)}")
    files.write(file, record.text(found))


if __name__ == "__main__":
    main()
