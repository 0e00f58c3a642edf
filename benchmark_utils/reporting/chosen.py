"""Parameters that methods are compared at, from config files."""
from pathlib import Path

from benchopt.utils.parametrized_name_mixin import is_matched

from benchmark_utils.reporting.configs import (
    read_config,
    rule_of,
    seeds_of,
    time_in,
)
from benchmark_utils.reporting.styles import order
from benchmark_utils.reporting.suite import (
    ROOT,
    Dataset,
    configurations,
    methods,
)


class Chosen:
    """Parameters of each method on a dataset, from config files.

    Parameters
    ----------
    dataset : suite.Dataset
    files : list of Path
        Those that were asked for. Without, all of ``configs/`` that have one
        configuration a method on this dataset, then what ``tune`` has chosen.
    solvers : list of str
        Names as after ``-s``; without, all.
    defaults : bool
        Take the defaults of the solvers' files in place of choices.

    Attributes
    ----------
    entries : list of (suite.Method, dict)
    sources : dict of {str: Path}
        From each method to the file that its parameters are from, the last
        one that has it.
    settings : dict
        ``max_seconds`` of the first of the files, where it has that.
    seeds : list of int
        On which the parameters were chosen.
    machines : dict of {str: str}
        From methods to where that was, as far as files say.

    Raises
    ------
    ValueError
        If a file that was asked for is not valid, or a method has no
        parameters.
    """

    def __init__(self, dataset, files, solvers, defaults=False):
        found, self.sources, self.settings = {}, {}, {}
        if defaults:
            files = []
            for method in methods()[0]:
                parameters = method.cls.get_instance()._parameters
                found[method.name] = method, parameters
                self.sources[method.name] = Path(method.cls._module_filename)
        for file in files or ([] if defaults else self._known(dataset)):
            config = read_config(file)
            if files and not _is_of(config, dataset):
                continue
            own = {}
            for method, parameters in configurations(config):
                if method.name in own:
                    raise ValueError(
                        f"config={str(file)!r} is not valid: {method.name} "
                        "has several configurations; tune chooses one")
                own[method.name] = method, parameters
            found.update(own)
            self.sources.update(dict.fromkeys(own, file))
            self.settings = self.settings or _settings(config)
        names = [name for name in found if is_matched(name, solvers)]
        unknown = [solver for solver in solvers
                   if not any(is_matched(name, [solver]) for name in found)]
        if unknown or not names:
            raise ValueError(
                f"no parameters of {unknown or 'any method'} on "
                f"{dataset.name}: run tune first, or name a --config")
        self.entries = [found[name] for name in sorted(names, key=order)]
        tuned = set() if defaults else {self.sources[name] for name in names}
        self.seeds = sorted(
            {seed for file in tuned for seed in seeds_of(file)})
        self.machines = {
            name: machine for file in tuned
            for name, machine in rule_of(file, "machine").items()
            if self.sources.get(name) == file}

    @staticmethod
    def _known(dataset):
        """Files with one configuration a method on a dataset."""
        tuned = ROOT / "outputs" / "tune" / dataset.slug / "best.yml"
        found = []
        for file in [*sorted((ROOT / "configs").glob("*.yml")), tuned]:
            try:
                config = read_config(file)
                if not _is_of(config, dataset):
                    continue
                names = [m.name for m, _ in configurations(config)]
            except ValueError:
                continue
            if len(names) == len(set(names)) and (
                    file == tuned or _is_chosen(config)):
                found.append(file)
        return found


def _is_of(config, dataset):
    """Whether a config file is of one dataset, and of this one."""
    typed = config.get("dataset") or []
    typed = typed if isinstance(typed, list) else [typed]
    try:
        return len(typed) == 1 and Dataset(typed[0]).name == dataset.name
    except ValueError:
        return False


def _is_chosen(config):
    """Whether each solver has parameters: a list of names is no choice."""
    return all(isinstance(solver, dict) or "[" in solver
               for solver in config.get("solver") or [])


def _settings(config):
    """The time of a run in a config file, where it has one."""
    seconds = time_in(config)
    return {} if seconds is None else {"max_seconds": seconds}
