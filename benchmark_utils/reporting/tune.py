"""Choose the parameters of methods on a dataset, by the same rules for each.

    python -m benchmark_utils.reporting.tune DATASET [-s METHOD ...] [-j N]

The rules:

1. Each method gets the same number of configurations, or all that its grid
   has, if these are fewer: two thirds from a grid of its step sizes and of
   what belongs to it (attribute ``grid`` of its class), the rest where the
   best so far is: beyond the edge of the grid, then around it. Each runs
   once, for the same time.
2. A shortlist: its best, and the best at smaller steps of x, as one
   repetition favours steps that are only just stable. Each runs with
   repetitions, half as long again as in a comparison: what holds for two
   seconds may diverge in the third, which a faster machine reaches. Of steps
   that let one run in five diverge, more may in a comparison: where no
   candidate of a method held in all repetitions, the next smaller steps of
   its grid follow; and where the deepest did not, the same with smaller
   steps, of x or of all variables.
3. Of those that held in all repetitions, or, if none did, in the most: the
   lowest median, over repetitions, of the lowest h reached in the time of a
   comparison, where a repetition that diverges counts as infinity.

The config of the best is written, beside what it has of methods that were
tuned before, and results are kept in a folder, so that the same command goes
on where it was interrupted. On a cluster: ``--parallel-config``, as in
benchopt.
"""
import itertools
import json
import math
from functools import partial
from pathlib import Path

import pandas as pd
from benchopt.results import read_results
from benchopt.results.parquet import to_parquet

from benchmark_utils.reporting import files, grids, record, running, tables
from benchmark_utils.reporting.commands import (
    at_least_one,
    note,
    parser_of,
    positive,
)
from benchmark_utils.reporting.runs import Configuration, Problem
from benchmark_utils.reporting.selection import (
    Choices,
    edges,
    shortlist,
    tried,
)
from benchmark_utils.reporting.styles import order
from benchmark_utils.reporting.suite import ROOT, Dataset, methods

#: Time of a run of the shortlist, relative to that of a comparison.
MARGIN = 1.5
#: Stages of the shortlist, of which each may make steps smaller.
MOST_STAGES = 6
RULES = ("configurations", "seconds", "shortlist", "repetitions",
         "max_seconds", "seed")


class Tuning:
    """The choice of parameters of methods on a dataset.

    Parameters
    ----------
    dataset : suite.Dataset
    chosen : list of suite.Method
    options : argparse.Namespace
        Those of the command.
    folder : Path
    """

    def __init__(self, dataset, chosen, options, folder):
        self.dataset, self.options, self.folder = dataset, options, folder
        self.methods = {method.name: method for method in sorted(
            chosen, key=lambda method: order(method.name))}
        # Before anything runs: a grid that is not valid is an error here.
        n_first = max(1, round(grids.FIRST * options.configurations))
        whole = {name: len(grids.first(method, options.configurations + 1))
                 for name, method in self.methods.items()}
        self.tried = {
            name: grids.first(
                method, options.configurations
                if whole[name] <= options.configurations else n_first)
            for name, method in self.methods.items()}
        # Names of what is in the shortlist, and what each stage of it adds.
        self.ran = set()
        self.smaller = {name: [] for name in self.methods}
        self.stages, self.refined = [], None

    def run(self):
        """All stages.

        Returns
        -------
        dict of {str: Configuration}
            The choice for each method that has not diverged everywhere.
        """
        self.grid = self._grow()
        self.grid_table = self.table
        self.listed = {name: [] for name in self.methods}
        for c in shortlist(self.grid, self.options.seconds, None):
            self.listed[c.method].append(self.parameters[c.name])
        done, chosen = [], {}
        while candidates := [
                (method, parameters)
                for name, method in self.methods.items()
                for parameters in self._candidates(
                    name, chosen.get(name), len(done))]:
            done.append(self._stage(
                f"shortlist-{len(done) + 1}", candidates,
                MARGIN * self.options.max_seconds, self.options.repetitions))
            self.refined = self._problem(done)
            if self.refined is not None:
                chosen = {name: best for name in self.methods if (
                    best := choice(self.refined, name,
                                   self.options.max_seconds)) is not None}
        if self.refined is None:
            raise ValueError("every repetition of the shortlist diverged: "
                             f"see the logs in {self.folder}")
        return chosen

    def _grow(self):
        """Runs of the first grid and of what is added to it."""
        entries = [(self.methods[name], parameters)
                   for name, found in self.tried.items()
                   for parameters in found]
        done, best = [], {}
        while entries:
            done.append(self._stage(f"grid-{len(done) + 1}", entries,
                                    self.options.seconds, 1))
            problem, entries = self._problem(done), []
            if problem is not None:
                best = problem.best(self.options.seconds)
            for name, found in self.tried.items():
                left = self.options.configurations - len(found)
                if len(self._skipped(name)) == len(found):
                    continue
                new = grids.more(
                    self.methods[name], found,
                    self.parameters[best[name].name] if name in best
                    else None, min(left, grids.AT_A_TIME))
                entries += [(self.methods[name], p) for p in new]
                found += new
        if problem is None:
            raise ValueError("every configuration diverged: see the logs in "
                             f"{self.folder}")
        return problem

    def _stage(self, name, entries, seconds, repetitions):
        stage = running.Stage(
            self.folder, name, self.dataset, entries, seconds, repetitions,
            self.options)
        self.stages.append((stage, stage.run()))
        for text in stage.unusual():
            note(text)
        return self.stages[-1]

    def _candidates(self, name, best, n_stages):
        """What of a method runs next with repetitions: rule 2 of the module.

        Parameters
        ----------
        name : str
        best : Configuration or None
            Of those that have run.
        n_stages : int
            How often this has been asked before.

        Returns
        -------
        list of dict
        """
        held = best is not None and not lost(best)
        name_of, smaller = self.methods[name].full_name, []
        if 0 < n_stages < MOST_STAGES and self.refined is not None:
            smaller = self._smaller_steps(name, best if held else None)
        if smaller:
            self.smaller[name].append(smaller)
            self.ran.update(map(name_of, smaller))
        following = [] if held else [
            p for p in self.listed[name] if name_of(p) not in self.ran][
                :self.options.shortlist]
        self.ran.update(map(name_of, following))
        return smaller + following

    def _smaller_steps(self, name, held):
        """The deepest that did not hold in all, with smaller steps.

        Of the steps that were made smaller last, or else of the grid's.

        Parameters
        ----------
        name : str
        held : Configuration or None
            The best that held, which ends it if nothing else is deeper.

        Returns
        -------
        list of dict
        """
        method, seconds = self.methods[name], self.options.max_seconds
        ran = {c.name: c for c in self.refined.configurations}
        last = [ran[full] for full in map(method.full_name, (
            self.smaller[name] or [self.listed[name]])[-1]) if full in ran]
        if self.smaller[name] and not all(map(lost, last)):
            return []
        # Above all, where none held.
        limit = held.score(seconds) if held else (math.inf,) * 3
        deep = [c for c in last if lost(c) and depth(c, seconds) < limit]
        if not deep:
            return []
        deepest = min(deep, key=lambda c: depth(c, seconds))
        return [p for p in grids.smaller(
                    method, self.parameters[deepest.name])
                if method.full_name(p) not in self.ran]

    def _all(self, name):
        """Parameters of a method that have been tried."""
        return [*self.tried[name], *itertools.chain(*self.smaller[name])]

    def _skipped(self, name):
        """Why configurations of a method were skipped, one reason each."""
        return [end for stage, _ in self.stages
                for configuration, end in stage.ends.items()
                if tables.method_of(configuration) == name
                and (end or "").startswith(("skip", running.KILLED))]

    @property
    def parameters(self):
        """Parameters of each configuration, by its full name."""
        return {self.methods[name].full_name(p): p for name in self.methods
                for p in self._all(name)}

    def _problem(self, stages):
        """What stages have found, or None if every run diverged."""
        filled = [df for _, df in stages if len(df)]
        if not filled:
            return None
        self.table = pd.concat(filled, ignore_index=True)
        df = tables.prepared(self.table, strict=True)
        different = tables.mixed(df)
        if different:
            note(f"runs of several machines or versions: {different}")
        # A stage in which all diverged has no table that would know of them.
        return Problem(
            df, self.dataset.name, tables.find_objective(df), diverged=[
                name for stage, _ in stages
                for name, end in stage.ends.items() if end == "diverged"])

    def lines(self, chosen):
        """A line for each method, on how it was chosen, and indented ones."""
        values = tried(self.grid)
        lost = [c.name for c in self.grid.configurations if not c.curves]
        for name, found in self.tried.items():
            n_lost = sum(tables.method_of(c) == name for c in lost)
            text = (f"{name}: {len(found)} configurations, of which {n_lost} "
                    "diverged")
            skipped = self._skipped(name)
            if skipped:
                text += f" and {len(skipped)} were skipped ({skipped[0]})"
            if name not in chosen:
                yield f"{text}; none is left"
                continue
            best = chosen[name]
            listed = [c for c in self.refined.configurations
                      if c.method == name]
            yield (f"{text}; of {len(listed)} candidates with "
                   f"{self.options.repetitions} repetitions the best has h = "
                   f"{best.score(self.options.max_seconds)[0]:.8g} "
                   f"({len(best.curves)} ended): "
                   f"{_shown(best.parameters)}")
            for edge in edges(values, best, partial(
                    grids.allowed, self.methods[name])):
                yield f"    at the edge of what was tried: {edge}"


def _shown(parameters):
    return ", ".join(f"{name}={value}" for name, value in parameters.items()
                     if name not in ("batch_size", "eval_freq"))


def choice(problem, method, seconds):
    """The best of the candidates of a method: rule 3 of the module.

    Parameters
    ----------
    problem : Problem
    method : str
    seconds : float
        Time within which a low h counts; a divergence counts at any.

    Returns
    -------
    Configuration or None
        None if half of the repetitions of each diverged.
    """
    return min((c for c in problem.configurations if c.method == method
                and math.isfinite(c.score(seconds)[0])),
               key=lambda c: (lost(c), c.score(seconds), c.name),
               default=None)


def depth(configuration, seconds):
    """As its score, over those repetitions alone that ended."""
    return Configuration(
        configuration.name, configuration.curves, 0).score(seconds)


def lost(configuration):
    """How many of its repetitions diverged."""
    return configuration.n_asked - len(configuration.curves)


def add_options(parser):
    """Options of the command."""
    parser.add_argument("dataset", help="as after -d in benchopt")
    parser.add_argument(
        "-s", "--solver", action="append", default=[], metavar="METHOD",
        help="as in benchopt; parameters that are given are not chosen "
        "(default: all)")
    parser.add_argument("--configurations", type=at_least_one, default=30,
                        metavar="N", help="of each method (default: 30)")
    parser.add_argument("--seconds", type=positive, default=0.5,
                        help="of a run of the grid (default: 0.5)")
    parser.add_argument("--shortlist", type=at_least_one, default=2,
                        metavar="N", help="of each method (default: 2)")
    parser.add_argument("--repetitions", type=at_least_one, default=5,
                        metavar="N", help="of the shortlist (default: 5)")
    parser.add_argument("--max-seconds", type=positive, default=5.0,
                        help="of a run of the comparison (default: 5); those "
                        "of the shortlist go on for half of it again")
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
    n = sum(map(len, tuning.tried.values()))
    note(f"{dataset.name}: {len(tuning.methods)} methods, {n} configurations "
         "in their first grids")
    best = tuning.run()
    lines = list(tuning.lines(best))
    rules = {name: getattr(options, name) for name in RULES}
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
                   tuning.grid_table, set(tuning.methods))
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
            note(f"{file} is not a results table ({error}), and kept as "
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
