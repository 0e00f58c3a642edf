"""The search for parameters, by the rules that ``tune`` states."""
import json
import math

import pandas as pd

from benchmark_utils.reporting import running, seeds, tables
from benchmark_utils.reporting.commands import note
from benchmark_utils.reporting.runs import Problem
from benchmark_utils.reporting.spaces import Space
from benchmark_utils.reporting.styles import order

#: Of the time of a comparison: of a run of the search, and of the next round.
SEARCH, HALVING = 0.1, 0.5
#: Share of its starts from which a finalist must not diverge.
HOLDS = 0.8


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
    seeds : list of int
        Of the search, of the next round, and of the starts of finalists.
    search : Problem
        All that they have found.
    final : Problem
        The finalists.
    """

    def __init__(self, dataset, chosen, options, folder):
        self.dataset, self.options, self.folder = dataset, options, folder
        self.seeds = seeds.of_tuning(options.seed, options.starts)
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
                    f"search-{k + 1}", entries, SEARCH * seconds,
                    self.seeds[0]))
            self.search = self._problem(searched)
            best = {name: found[0] for name in self.methods
                    if (found := ranked(self.search, name, 1))}
        if not best:
            raise ValueError("every configuration diverged: see the logs in "
                             f"{self.folder}")
        self.final = self._longer({
            name: ranked(self.search, name, None) for name in self.methods})
        chosen = {name: found[0] for name in self.methods
                  if (found := ranked(self.final, name, 1))}
        if not chosen:
            raise ValueError("every finalist diverged from half of the starts:"
                             f" see the logs in {self.folder}")
        return chosen

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
                "halving", left, options.survivors, halving, self.seeds[1])])
            finalists = {name: ranked(halved, name, None) for name in left}
            while finalists := {
                    name: found for name, found in finalists.items()
                    if found and not _has_held(final, name)}:
                # A start each, as what holds from one, or on one draw of
                # simulated data, may diverge from the next.
                finals += [self._best("final", finalists, options.finalists,
                                      seconds, seed)
                           for seed in self.seeds[seeds.ROUNDS:]]
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

    def _stage(self, name, entries, seconds, seed):
        stage = running.Stage(self.folder, name, self.dataset, entries,
                              seconds, 1, self.options, seed)
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
        return Problem(df, self.dataset.name, tables.find_objective(df),
                       [of for stage, _ in stages for of in stage.diverged])

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
    """The best configurations of a method: rule 3.

    Parameters
    ----------
    problem : Problem or None
    method : str
    n : int or None
        How many at most.

    Returns
    -------
    list of Configuration
        First what diverged least often. Then by h above the lowest that is
        known from a start, as starts, and data that is drawn anew, differ by
        more than methods. Without those that diverged in half of the runs.
    """
    found = [c for c in problem.configurations if c.method == method
             and math.isfinite(c.score(column="gap")[0])] if problem else []
    return sorted(found, key=lambda c: (
        _lost(c), c.score(column="gap"), c.name))[:n]


def _lost(configuration):
    return configuration.n_asked - len(configuration.curves)


def _holds(configuration):
    return _lost(configuration) <= (1 - HOLDS) * configuration.n_asked


def _has_held(problem, method):
    return any(map(_holds, ranked(problem, method, 1)))


def _shown(parameters):
    return ", ".join(f"{name}={value}" for name, value in parameters.items()
                     if name not in ("batch_size", "eval_freq"))
