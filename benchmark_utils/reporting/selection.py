"""Write the best configuration of each solver to a config file.

    python -m benchmark_utils.reporting.selection outputs/grid.parquet \\
        --grid grid.yml --dataset ijcnn1 --seconds 2 --output best.yml

where ``benchopt run . --config grid.yml --output grid`` made the table.
``tune`` makes grids of its own, and does the rest too.

The best configuration has the lowest median, over repetitions, of the lowest
h reached within the time. A repetition that diverged counts as infinity; ties
go to the configuration that gets there first. Chosen values at the edge of
the grid are reported: the best may lie beyond. Give the grid's config file, so
that values beyond which all runs diverge do not count as its edge, and that
methods of which every run diverged are named.
"""
import math
import re
from pathlib import Path

import yaml
from benchopt.utils.parametrized_name_mixin import _extract_options

from benchmark_utils import checks
from benchmark_utils.parameters import as_number
from benchmark_utils.reporting import files, tables
from benchmark_utils.reporting.commands import (
    at_least_one,
    note,
    parser_of,
    positive,
)
from benchmark_utils.reporting.runs import Problem
from benchmark_utils.reporting.styles import FAMILIES, order
from benchmark_utils.reporting.suite import Dataset

#: Repetitions of a comparison.
REPETITIONS = 10


def listed(config):
    """Solvers of a config file, with the values of their parameters.

    Parameters
    ----------
    config : dict
        Contents of the file. A solver may be text, such as ``SOBA`` or
        ``SOBA[step_size=[0.1,1]]``, or a dictionary; a value stands for a
        list of one.

    Returns
    -------
    list of (str, dict of {str: list})
    """
    solvers = config.get("solver") or []
    found = []
    for solver in solvers if isinstance(solvers, list) else [solvers]:
        for name, values in (
                solver.items() if isinstance(solver, dict)
                else [(str(solver), {})]):
            base, _, typed = _extract_options(name)
            if isinstance(values, dict):
                typed = {**typed, **values}
            found.append((base, _one_by_one(typed)))
    return found


def _one_by_one(values):
    """Lists of values, also of parameters that are given together."""
    apart = {}
    for names, value in values.items():
        value = value if isinstance(value, (list, tuple)) else [value]
        names = [name.strip() for name in names.split(",")]
        for k, name in enumerate(names):
            apart[name] = [as_number(v if len(names) == 1 else v[k])
                           for v in value]
    return apart


def methods_meant(pattern, known):
    """Methods that benchopt runs for a name: case and ``*`` are as there.

    A name that is not known stands for itself.
    """
    pattern = re.compile(re.escape(pattern).replace(r"\*", ".*"), re.I)
    known = {*known, *(m for *_, members in FAMILIES.values()
                       for m in members)}
    return sorted((m for m in known if pattern.fullmatch(m)), key=order)


def methods_of(grid, known):
    """Methods in config files, of which a table may have lost some.

    Returns
    -------
    set of str
        Also those that are neither known nor in the table.
    """
    return {method for config in grid for pattern, _ in listed(config)
            for method in methods_meant(pattern, known) or [pattern]
            if "*" not in method}


def tried(problem, grid=()):
    """Values of each parameter of each method.

    Parameters
    ----------
    problem : Problem
        What diverged is not in it.
    grid : sequence of dict
        Contents of the config files that it is from.

    Returns
    -------
    dict
        From (method, parameter) to a set of numbers.
    """
    values = {}
    for configuration in problem.configurations:
        for name, value in configuration.parameters.items():
            values.setdefault((configuration.method, name), []).append(value)
    known = {c.method for c in problem.configurations}
    for config in grid:
        for pattern, lists in listed(config):
            for method in methods_meant(pattern, known) or [pattern]:
                for name, value in lists.items():
                    values.setdefault((method, name), []).extend(value)
    return {key: {v for v in found if checks.is_number(v)}
            for key, found in values.items()}


def edges(values, configuration, allowed=lambda parameters: True):
    """Chosen values at an end of what was tried, and what to do about it.

    Parameters
    ----------
    values : dict
        As ``tried`` returns it.
    configuration : Configuration
    allowed : callable
        Whether parameters, a dictionary, are valid.

    Returns
    -------
    list of str
        One text for each, with what to type after ``-s`` to try values
        beyond. Parameters with a single value have no edge, nor is there one
        where nothing beyond is allowed.
    """
    found, parameters = [], configuration.parameters
    for name, value in parameters.items():
        if not checks.is_number(value):
            continue
        grid = sorted({*values[configuration.method, name], value})
        if len(grid) < 2 or grid[0] < value < grid[-1]:
            continue
        beyond = [v for v in _beyond(grid, value)
                  if allowed({**parameters, name: v})]
        if beyond:
            again = ",".join(map(str, sorted([value, *beyond])))
            found.append(
                f"{name}={value} (tried {grid[0]} to {grid[-1]}). The best "
                "may lie beyond: try that too, with "
                f'-s "{configuration.method}[{name}=[{again}]]"')
    return found


def _beyond(grid, value):
    """The next two values after an end of a sorted grid."""
    up = value >= grid[-1]
    if grid[0] > 0:
        ratio = (grid[-1] / grid[0]) ** (1 / (len(grid) - 1))
        steps = [value * ratio**k if up else value / ratio**k for k in (1, 2)]
    else:
        step = (grid[-1] - grid[0]) / (len(grid) - 1)
        steps = [value + k * step if up else value - k * step for k in (1, 2)]
    if all(checks.is_number(v, int) for v in grid):
        # At least one further, and not below what can be counted.
        steps = [max(round(step), value + k) if up else
                 min(round(step), value - k)
                 for k, step in enumerate(steps, start=1)]
        return [step for step in steps if step >= min(1, grid[0])]
    return [float(f"{step:.2g}") for step in steps]


def shortlist(problem, seconds, n):
    """Candidates for a longer run with repetitions.

    A single repetition favours steps that are only just stable. Of each
    method with a step size, these are its best configuration, and the best
    at each of the next smaller steps of x; of others, the best alone.

    Parameters
    ----------
    problem : Problem
    seconds : float
        Time within which a low h counts.
    n : int or None
        How many of each method; None for all.

    Returns
    -------
    list of Configuration
    """
    best_at = {}
    for configuration in problem.configurations:
        score = configuration.score(seconds), configuration.name
        if not math.isfinite(score[0][0]):
            continue
        steps = best_at.setdefault(configuration.method, {})
        step = _step_of_x(configuration.parameters)
        if step not in steps or score < steps[step][0]:
            steps[step] = score, configuration
    found = []
    for steps in best_at.values():
        largest = min(steps, key=lambda step: steps[step][0])
        kept = sorted((step for step in steps if step <= largest),
                      reverse=True)
        found += [steps[step][1] for step in kept[:n]]
    return found


def _step_of_x(parameters):
    """Its logarithm, to one decimal, or 0 for methods without.

    Grids are rounded: 0.32 / 0.1 and 1 / 0.32 are one step.
    """
    step = parameters.get("step_size", 0.0) / parameters.get(
        "outer_ratio", 1.0)
    return round(math.log10(step), 1) if step > 0 else 0.0


def entry(configuration):
    """One solver in a config file."""
    if not configuration.parameters:
        return configuration.method
    return {configuration.method: {
        name: [value] for name, value in configuration.parameters.items()}}


def config_text(dataset, entries, repetitions, max_seconds=None):
    """A config file of benchopt.

    Parameters
    ----------
    dataset : str or dict
        As ``tables.as_typed`` returns it: with all its parameters.
    entries : list of (str or dict)
        Solvers, as ``entry`` makes them.
    repetitions : int
    max_seconds : float, optional

    Returns
    -------
    str
        YAML, with each list of values on one line.
    """
    return _yaml(config_dict(dataset, entries, repetitions, max_seconds))


def config_dict(dataset, entries, repetitions, max_seconds=None):
    """As ``config_text``, before it is text."""
    return {
        "dataset": [dataset],
        **({"objective": [f"*[max_seconds={max_seconds:g}]"]}
           if max_seconds else {}),
        "n-repetitions": repetitions,
        "solver": entries,
    }


def _yaml(config):
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=None,
                          allow_unicode=True)


class Choices:
    """A config file of one dataset to which methods are added.

    Those that are there stay, with all that is written of them, unless they
    are chosen anew.

    Parameters
    ----------
    file : Path
        Which may not be there yet.
    dataset : suite.Dataset
    max_seconds : float
        Of the comparison that parameters are chosen for.
    methods : list of suite.Method
        Those that are chosen anew.

    Attributes
    ----------
    kept : list of str
        Names of the methods that stay.

    Raises
    ------
    ValueError
        If the file is of another dataset, or the methods that stay were
        chosen for another time: both are named.
    """

    _TITLE = "# Parameters on "

    def __init__(self, file, dataset, max_seconds, methods):
        self.file, self.dataset = file, dataset
        self.max_seconds = max_seconds
        self.config, self.comments = {}, []
        new = {name.lower() for method in methods
               for name in (method.name, method.pattern)}
        if file.exists():
            self.config = read_config(file)
            self._check_dataset()
        entries = self.config.get("solver") or []
        self.entries = [entry for entry in (
            entries if isinstance(entries, list) else [entries])
            if listed({"solver": [entry]})[0][0].lower() not in new]
        self.kept = [base for base, _ in listed({"solver": self.entries})]
        self._check_time()
        if file.exists():
            self._read_comments(new)

    def _check_dataset(self):
        typed = self.config.get("dataset")
        typed = typed if isinstance(typed, list) else [typed]
        if len(typed) != 1 or (
                Dataset(typed[0]).name != self.dataset.name):
            raise ValueError(
                f"{str(self.file)!r} has parameters on {typed}, and not on "
                f"{self.dataset.name}: name another --output")

    def _check_time(self):
        seconds = time_in(self.config)
        if self.kept and seconds not in (None, self.max_seconds):
            raise ValueError(
                f"{str(self.file)!r} has parameters of {self.kept} for "
                f"comparisons of {seconds:g} s, and not of "
                f"{self.max_seconds:g} s: name another --output, or tune all "
                "of them again")

    def _read_comments(self, new):
        """What is said of methods that stay, and what else is said."""
        block = None
        for line in self.file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#") or line.startswith(self._TITLE):
                continue
            said = re.match(r"# (\S[^:]*): ", line)
            block = said[1].lower() if said else block
            if block not in new:
                self.comments.append(line)

    def write(self, entries, comments):
        """Add methods, and write the file.

        Parameters
        ----------
        entries : list of (str or dict)
            Solvers, as ``entry`` makes them.
        comments : list of str
            Of each method a line that begins with its name and a colon, and
            then lines that are indented.
        """
        added = config_dict(self.dataset.entry, [*self.entries, *entries],
                            REPETITIONS, self.max_seconds)
        title = (f"{self._TITLE}{self.dataset.name}, chosen by "
                 "benchmark_utils.reporting.tune:")
        files.write(self.file, "\n".join([
            title, *self.comments, *(f"# {line}" for line in comments),
            _yaml({**added, **self.config, "solver": added["solver"],
                   **({} if self.kept else
                      {"objective": added["objective"]})})]))


def time_in(config):
    """Value of ``max_seconds`` in a config file, or None."""
    objectives = config.get("objective") or []
    for text in objectives if isinstance(objectives, list) else [objectives]:
        seconds = re.search(r"max_seconds=([^,\]]+)", str(text))
        if seconds:
            return as_number(seconds.group(1), 1.0)
    return None


def read_config(file):
    """Contents of a config file, which an error names if it is none.

    Raises
    ------
    ValueError
    """
    try:
        config = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"config={str(file)!r} is not valid: {error}") \
            from error
    if not isinstance(config, dict):
        raise ValueError(f"config={str(file)!r} is not valid: options of "
                         "benchopt, such as solver, are needed")
    return config


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("results", nargs="+", help="results tables (parquet)")
    parser.add_argument("--dataset", required=True,
                        help="as after -d, with the parameters that tell it "
                        "from others in the tables")
    parser.add_argument("--objective", help="likewise, where there are many")
    parser.add_argument(
        "--grid", action="append", default=[],
        help="config file of the grid: knows of values that all diverged")
    parser.add_argument("--seconds", type=positive, default=math.inf)
    parser.add_argument(
        "--shortlist", type=at_least_one, metavar="N",
        help="write N candidates of each solver, from its best configuration"
        " to smaller steps of x, in place of the best")
    parser.add_argument("--repetitions", type=at_least_one,
                        default=REPETITIONS)
    parser.add_argument("--max-seconds", type=positive,
                        help="time of a run in the config (default: 2)")
    parser.add_argument("--output", help="config file, which must not exist "
                        "(default: printed)")
    options = parser.parse_args(arguments)
    try:
        _write(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _write(options):
    if options.output:
        files.output("output", options.output)
    df = tables.read(options.results)
    grid = [read_config(file) for file in options.grid]
    dataset = tables.find_dataset(df, options.dataset)
    rows = df[df["dataset_name"] == dataset]
    problem = Problem(
        df, dataset, tables.find_objective(rows, options.objective))
    best = problem.best(options.seconds)
    chosen = list(best.values())
    if options.shortlist:
        chosen = shortlist(problem, options.seconds, options.shortlist)
    text = config_text(
        tables.as_typed(tables.method_of(dataset),
                        tables.dataset_parameters(df, dataset)),
        list(map(entry, chosen)), options.repetitions, options.max_seconds)
    if options.output:
        files.write(Path(options.output), text)
    else:
        print(text)
    values = tried(problem, grid)
    for configuration in best.values():
        h, _ = configuration.score(options.seconds)
        note(f"{configuration.label()}: h = {h:.8g}, "
             f"{configuration.parameters}")
        for edge in edges(values, configuration):
            note(f"    at the edge of the grid: {edge}")
    known = {tables.method_of(name) for name in df["solver_name"]}
    missing = sorted((known | methods_of(grid, known)) - set(best), key=order)
    if missing:
        note(f"every configuration diverged, or was not run: {missing}")


if __name__ == "__main__":
    main()
