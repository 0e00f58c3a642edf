"""Config files of benchopt: which solvers, with which parameters."""
import re
from pathlib import Path

import yaml
from benchopt.utils.parametrized_name_mixin import _extract_options

from benchmark_utils.parameters import as_number
from benchmark_utils.reporting import files, seeds
from benchmark_utils.reporting.styles import FAMILIES, order
from benchmark_utils.reporting.suite import Dataset


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
                            seeds.REPETITIONS, self.max_seconds)
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


def rule_of(file, name):
    """By which rule ``tune`` has chosen what is in a config file.

    Parameters
    ----------
    file : Path
    name : str
        Of the rule, such as "evaluations"; "machine" is where that was.

    Returns
    -------
    dict of {str: str}
        By method, of those of which the file says it.
    """
    found, method = {}, None
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        said = re.match(r"# (\S[^:]*): ", line)
        method = said[1] if said else method
        value = re.search(rf"^#.*\b{name} = ([^,]+)", line)
        if value and method:
            found[method] = value[1].strip()
    return found


def seeds_of(file):
    """Seeds on which ``tune`` has chosen what is in a config file.

    Parameters
    ----------
    file : Path

    Returns
    -------
    list of int
        Empty where the file does not say.
    """
    found = re.findall(r"^#.*\bseeds? = ([\d, \[\]]+)",
                       Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    return sorted({int(seed) for text in found
                   for seed in re.findall(r"\d+", text)})
