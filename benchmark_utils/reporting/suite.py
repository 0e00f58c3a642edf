"""What the suite has: datasets and solvers, as benchopt finds them."""
import hashlib
from pathlib import Path

import click
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import (
    _extract_options,
    _get_used_parameters,
    is_file_selector,
)
from benchopt.utils.run_context import RunContext

from benchmark_utils.reporting import files, tables

ROOT = Path(__file__).resolve().parents[2]


class Dataset:
    """A dataset as it is typed after ``-d``, with all its parameters.

    Parameters
    ----------
    typed : str

    Attributes
    ----------
    name : str
        Full name, as in results tables.
    entry : str or dict
        The same for a config file.
    slug : str
        A name for files: the parameters that are not the default.

    Raises
    ------
    ValueError
        If there is no such dataset, or several are meant.
    """

    def __init__(self, typed):
        (cls, parameters), *others = _select(
            "dataset", Benchmark(ROOT).check_dataset_patterns, [typed])
        variants = list(_get_used_parameters(cls, parameters))
        if others or len(variants) > 1:
            raise ValueError(
                f"dataset={typed!r} is not valid: it means several, and one "
                "is needed")
        self._instance = instance = cls.get_instance(**variants[0])
        self.name = str(instance)
        self.entry = tables.as_typed(cls.name, instance._parameters)
        default = cls.get_instance()._parameters
        self.slug = files.short("_".join([cls.name, *(
            str(part) for key, value in sorted(instance._parameters.items())
            if value != default[key]
            for part in (key, tables.without_dot(value)))]))
        self.file = cls._module_filename
        self._digests = {}

    def digest(self, seed):
        """Digest of the data, which is read for it.

        Parameters
        ----------
        seed : int

        Returns
        -------
        str
            Empty for a dataset that has none.

        Raises
        ------
        ValueError
            With the reason, if the data cannot be had.
        """
        if seed not in self._digests:
            RunContext().set_run_context(
                "objective", self._instance, "solver", repetition=0,
                base_seed=seed)
            reason = self._instance.get_data().get("reason")
            if reason:
                raise ValueError(f"no data: {reason}")
            self._digests[seed] = getattr(self._instance, "_digest", "") or ""
        return self._digests[seed]


class Method:
    """A solver, with what may be chosen of it.

    Attributes
    ----------
    cls : type
        Class of the solver.
    name : str
    pattern : str
        How a config file calls it: its name, or its file if it is outside
        the folder of the solvers.
    fixed : dict of {str: list}
        Values that were typed, in place of those of the grid.
    """

    def __init__(self, cls, pattern, fixed):
        self.cls, self.pattern, self.fixed = cls, pattern, fixed
        self.name = cls.name

    def full_name(self, parameters):
        """Name that a configuration of a config file has in results.

        YAML has no tuples: they come back as lists.
        """
        return str(self.cls.get_instance(**{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in parameters.items()}))

    def entry(self, parameters):
        """A configuration in a config file."""
        if not parameters:
            return self.pattern
        if is_file_selector(self.pattern):
            return tables.as_typed(self.pattern, parameters)
        return {self.pattern: {
            name: [value] for name, value in parameters.items()}}


def methods(typed=()):
    """Solvers that are meant and can be run.

    Parameters
    ----------
    typed : sequence of str
        As after ``-s``. Without, all of them.

    Returns
    -------
    list of Method
    missing : list of str
        Names of those that are not installed.

    Raises
    ------
    ValueError
        If there is no such solver or parameter.
    """
    select = Benchmark(ROOT).check_solver_patterns
    found, missing = {}, []
    for pattern in typed or ["all"]:
        base, _, fixed = _extract_options(pattern)
        for cls, _ in _select("solver", select, [pattern]):
            if not cls.is_installed():
                missing.append(cls.name)
                continue
            first = found.get(cls.name)
            if first and first.cls._module_filename != cls._module_filename:
                raise ValueError(
                    f"two solvers are called {cls.name}: those of "
                    f"{first.cls._module_filename} and of "
                    f"{cls._module_filename}; give one another name")
            found[cls.name] = Method(
                cls, base if is_file_selector(base) else cls.name,
                {name: values if isinstance(values, list) else [values]
                 for name, values in fixed.items()})
    return list(found.values()), sorted(set(missing))


def configurations(config):
    """The configurations of a config file.

    Parameters
    ----------
    config : dict
        Contents of the file.

    Returns
    -------
    list of (Method, dict)
        Each with all its parameters.

    Raises
    ------
    ValueError
        If there is no such solver or parameter.
    """
    found = []
    solvers = config.get("solver") or []
    for solver in solvers if isinstance(solvers, list) else [solvers]:
        typed = solver if isinstance(solver, str) else next(iter(solver), "")
        base = _extract_options(typed)[0]
        for cls, parameters in _select(
                "solver", Benchmark(ROOT).check_solver_patterns, [solver]):
            if not cls.is_installed():
                continue
            pattern = base if is_file_selector(base) else cls.name
            for values in _get_used_parameters(cls, parameters):
                instance = cls.get_instance(**values)
                found.append((Method(cls, pattern, {}), instance._parameters))
    return found


def _select(what, select, patterns):
    try:
        return select(patterns)
    except (click.BadParameter, ValueError, TypeError) as error:
        text = getattr(error, "message", str(error))
        raise ValueError(
            f"{what}={patterns[0]!r} is not valid: {text}") from error


def digest(*parts):
    """What of the code and the settings a result depends on, in 8 digits.

    Parameters
    ----------
    *parts : str or Path
        Text, or files by their content.
    """
    found = hashlib.sha256()
    for part in parts:
        found.update(part.read_bytes() if isinstance(part, Path)
                     else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()[:8]
