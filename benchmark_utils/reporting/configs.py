"""Config files of benchopt: which solvers, with which parameters."""
import re
from pathlib import Path

import yaml
from benchopt.utils.parametrized_name_mixin import _extract_options

from benchmark_utils.parameters import as_number
from benchmark_utils.reporting.styles import FAMILIES, order


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
    config = {
        "dataset": [dataset],
        **({"objective": [f"*[max_seconds={max_seconds:g}]"]}
           if max_seconds else {}),
        "n-repetitions": repetitions,
        "solver": entries,
    }
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=None,
                          allow_unicode=True)


def read_config(file):
    """Contents of a config file, which an error names if it is none.

    Raises
    ------
    ValueError
    """
    try:
        config = yaml.safe_load(Path(file).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"config={str(file)!r} is not valid: {error}") \
            from error
    if not isinstance(config, dict):
        raise ValueError(f"config={str(file)!r} is not valid: options of "
                         "benchopt, such as solver, are needed")
    return config


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
    found = re.search(r"^#   seeds? = ([\d, \[\]]+)$",
                      Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    return [int(seed) for seed in re.findall(r"\d+", found.group(1))
            ] if found else []
