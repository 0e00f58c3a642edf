"""Choose the parameters of methods on a dataset, by the same rules for each.

    python -m benchmark_utils.reporting.tune DATASET [-s METHOD ...] [-j N]

The rules, with T the time of a run of the comparison, ``--max-seconds``:

1. Each method gets the same number of configurations (32), for T / 10 each:
   the defaults of its file, scrambled Sobol' points of its search space
   (``spaces``), and, for a quarter of them each, points of that space halved
   and quartered around the best so far, which may reach beyond its edges.
2. The best 8 run for T / 2, and the best 3 of these for T, with 5 samplings;
   where none of them holds, the next follow, of the 8 and then of the 32.
3. The best are those with the lowest median, over samplings, of h at the end
   of the time, by which comparisons rank as well; a run that diverges counts
   as infinity. What diverged in more than one of five is taken only where
   nothing else is left: in half of the runs of a comparison it might.

That is the same time for each method: 22 T, less where runs diverge, or where
a method has fewer configurations. No start and no sampling of these runs is
one of a comparison (``seeds``). The config of the best is written, beside what
it has of methods that were tuned before, and results are kept in a folder, so
that the same command goes on where it was interrupted. On a cluster:
``--parallel-config``, as in benchopt.
"""
import json
import math
from pathlib import Path

import pandas as pd
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
    at_least_one,
    note,
    parser_of,
    positive,
)
from benchmark_utils.reporting.configs import Choices
from benchmark_utils.reporting.runs import Problem
from benchmark_utils.reporting.spaces import Space
from benchmark_utils.reporting.styles import order
from benchmark_utils.reporting.suite import ROOT, Dataset, methods

#: Of the time of a comparison: of a run of the search, and of the next round.
SEARCH, HALVING = 0.1, 0.5
#: Share of the repetitions in which a configuration must not diverge.
HOLDS = 0.8
RULES = ("configurations", "survivors", "finalists", "repetitions",
         "max_seconds")


class Tuning:
    """The choice of parameters of methods on a dataset.

    Parameters
    ----------
    dataset : suite.Dataset
    chosen : list of suite.Method
    options : argparse.Namespace
        Those of the command.
    folder : Path

    Attributes
    ----------
    tried : dict of {str: list of dict}
        Configurations of each method.
    search : Problem
        All that they have found.
    final : Problem
        The finalists.
    """

    def __init__(self, dataset, chosen, options, folder):
        self.dataset, self.options, self.folder = dataset, options, folder
        self.methods = {method.name: method for method in sorted(
            chosen, key=lambda method: order(method.name))}
        # Before anything runs: a space that is not valid is an error here.
        self.spaces = {name: Space(method)
                       for name, method in self.methods.items()}
        self.tried = {name: [] for name in self.methods}
        self.stages = []

    def run(self):
        """All rounds.

        Returns
        -------
        dict of {str: Configuration}
            The choice for each method that has not diverged everywhere.
        """
        options, seconds = self.options, self.options.max_seconds
        best, searched = {}, []
        quarter = options.configurations // 4
        for k, n in enumerate(
                (options.configurations - 2 * quarter, quarter, quarter)):
            entries = self._points(n, best, k)
            if entries:
                searched.append(self._stage(
                    f"search-{k + 1}", entries, SEARCH * seconds, 1, 0))
            self.search = self._problem(searched)
            best = {name: found[0] for name in self.methods
                    if (found := ranked(self.search, name, 1))}
        if not best:
            raise ValueError("every configuration diverged: see the logs in "
                             f"{self.folder}")
        self.final = self._longer({
            name: ranked(self.search, name, None) for name in self.methods})
        return {name: found[0] for name in self.methods
                if (found := ranked(self.final, name, 1))}

    def _longer(self, left):
        """Rule 2: what finalists have found.

        Of a method of which none of them holds the next follow, first of
        those that have run for half of the time, then of the search.

        Parameters
        ----------
        left : dict of {str: list of Configuration}
            Of each method, the best first.
        """
        options, seconds = self.options, self.options.max_seconds
        halving, finals, final = HALVING * seconds, [], None
        while left := {name: found for name, found in left.items() if found}:
            halved = self._problem([self._best(
                "halving", left, options.survivors, halving, 1, 1)])
            finalists = {name: ranked(halved, name, None) for name in left}
            while finalists := {
                    name: found for name, found in finalists.items()
                    if found and not _has_held(final, name)}:
                finals.append(self._best(
                    "final", finalists, options.finalists, seconds,
                    options.repetitions, 2))
                final = self._problem(finals)
                finalists = {name: found[options.finalists:]
                             for name, found in finalists.items()}
            left = {name: found[options.survivors:]
                    for name, found in left.items()
                    if not _has_held(final, name)}
        if final is None:
            raise ValueError(
                f"every run of {seconds if finals else halving:g} s diverged:"
                f" see the logs in {self.folder}")
        return final

    def _best(self, round_name, found, n, *how):
        """A stage of the best n of each method."""
        number = 1 + sum(stage.name.startswith(f"{round_name}-")
                         for stage, _ in self.stages)
        return self._stage(f"{round_name}-{number}", [
            (self.methods[name], self.parameters[c.name])
            for name, best in found.items() for c in best[:n]], *how)

    def _points(self, n, best, k):
        """What a round of the search adds, for all methods."""
        entries = []
        for name, method in self.methods.items():
            tried, space = self.tried[name], self.spaces[name]
            if k and self._is_hopeless(name, len(tried)):
                continue
            centre = None
            if k:
                centre = (self.parameters[best[name].name] if name in best
                          else space.smallest(tried))
            found = space.points(n, tried, centre, k)
            tried += found
            entries += [(method, parameters) for parameters in found]
        return entries

    def _stage(self, name, entries, seconds, repetitions, start):
        stage = running.Stage(
            self.folder, name, self.dataset, entries, seconds, repetitions,
            self.options, seeds.of_tuning(self.options.seed)[start])
        self.stages.append((stage, stage.run()))
        for text in stage.unusual():
            note(text)
        return self.stages[-1]

    def _is_hopeless(self, name, n):
        """Whether all of n configurations were skipped, or one was killed."""
        ends = self._skipped(name)
        return len(ends) >= n or any(
            end.startswith(running.KILLED) for end in ends)

    def _skipped(self, name):
        """Why configurations of a method were skipped, one reason each."""
        return [end for stage, _ in self.stages
                for configuration, end in stage.ends.items()
                if tables.method_of(configuration) == name
                and (end or "").startswith(("skip", running.KILLED))]

    @property
    def parameters(self):
        """Parameters of each configuration, by its full name."""
        return {self.methods[name].full_name(p): p
                for name, found in self.tried.items() for p in found}

    def _problem(self, stages):
        """What stages have found, or None if every run diverged."""
        filled = [df for _, df in stages if len(df)]
        if not filled:
            return None
        df = tables.prepared(
            pd.concat(filled, ignore_index=True), strict=True)
        different = tables.mixed(df)
        if different:
            note(f"runs of several machines or versions: {different}")
        # A stage in which all diverged has no table that would know of them.
        return Problem(
            df, self.dataset.name, tables.find_objective(df), diverged=[
                name for stage, _ in stages
                for name, end in stage.ends.items() if end == "diverged"])

    def table(self):
        """Results of the search, for the plots of what is sensitive."""
        searched = [(stage, df) for stage, df in self.stages
                    if stage.name.startswith("search")]
        table = pd.concat([df for _, df in searched if len(df)],
                          ignore_index=True)
        # Also of rounds in which all diverged, which have no rows.
        known = set(table["solver_name"])
        lost = [name for stage, _ in searched
                for name, end in stage.ends.items()
                if end == "diverged" and name not in known]
        table[tables.DIVERGED] = pd.Series(
            [json.dumps(lost)] + [None] * (len(table) - 1), dtype=object)
        return table

    def lines(self, chosen):
        """A line for each method, on how it was chosen, and indented ones."""
        for name, found in self.tried.items():
            n_lost = sum(c.method == name and not c.curves
                         for c in self.search.configurations)
            text = (f"{name}: {len(found)} configurations, of which {n_lost} "
                    "diverged")
            skipped = self._skipped(name)
            if skipped:
                text += f" and {len(skipped)} were skipped ({skipped[0]})"
            if name not in chosen:
                yield f"{text}; none is left"
                continue
            best = chosen[name]
            n_final = sum(c.method == name for c in self.final.configurations)
            yield (f"{text}; of {n_final} finalists the best ends at h = "
                   f"{best.score()[0]:.8g} ({len(best.curves)} of "
                   f"{best.n_asked} ended): {_shown(best.parameters)}")
            for edge in self.spaces[name].edges(best.parameters):
                yield (f"    at the end of its search space or beyond: {edge};"
                       " a wider range in the solver's search_space may hold "
                       "a better one")


def ranked(problem, method, n):
    """The best configurations of a method: rule 3 of the module.

    Parameters
    ----------
    problem : Problem or None
    method : str
    n : int or None
        How many at most.

    Returns
    -------
    list of Configuration
        Without those that diverged in half of the repetitions; those that
        diverged in more than one of five are the last.
    """
    found = [c for c in problem.configurations if c.method == method
             and math.isfinite(c.score()[0])] if problem else []
    return sorted(found, key=lambda c: (
        not _holds(c), c.score(), c.name))[:n]


def _holds(configuration):
    return len(configuration.curves) >= HOLDS * configuration.n_asked


def _has_held(problem, method):
    return any(map(_holds, ranked(problem, method, 1)))


def _shown(parameters):
    return ", ".join(f"{name}={value}" for name, value in parameters.items()
                     if name not in ("batch_size", "eval_freq"))


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
            ("finalists", 3, "of these, with repetitions"),
            ("repetitions", 5, "of a finalist")]:
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
    running.add_options(parser)


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
    rules = {**{name: getattr(options, name) for name in RULES},
             "machine": conditions.machine_of(record.machine()),
             "seeds": seeds.of_tuning(options.seed)}
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
