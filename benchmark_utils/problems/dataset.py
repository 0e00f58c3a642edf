"""Base class of the datasets."""
import logging
import re
import time
import traceback
import uuid
from abc import abstractmethod
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from benchopt import BaseDataset
from benchopt.benchmark import get_running_benchmark
from benchopt.config import get_data_path
from joblib import parallel_config
from threadpoolctl import threadpool_limits

from benchmark_utils import checks
from benchmark_utils.parameters import NamesFiles, namesake
from benchmark_utils.problems.digest import digest
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.sources import imported_by

_LOG = logging.getLogger(__name__)
_HERE = Path(__file__).resolve().parents[1]


class BilevelDataset(NamesFiles, BaseDataset):
    """A dataset that makes a ``BilevelProblem``.

    benchopt ends a whole run where ``get_data`` raises. Whatever
    ``get_problem`` raises is instead handed on as the reason for which the
    objective skips this dataset, and the rest of the run goes on. Where the
    error does not explain itself, the log has its traceback.

    benchopt keeps results by what is pickled of a dataset. A digest of what
    was read is part of that, so that no result on other data is taken for one
    on this; so is the code that its file imports beside the environment.
    """

    _digest = None
    _imports = None
    _was_read_before = False
    #: In a worker: the dataset that was read last, by whatever run.
    _read_here = None

    @abstractmethod
    def get_problem(self):
        """Load or simulate the data.

        Returns
        -------
        BilevelProblem

        Raises
        ------
        ValueError
            If a parameter is not allowed or the data is not valid.
        OSError
            If the data cannot be had.
        Exception
            Any other, which is taken for a mistake in the dataset.
        """

    def get_data(self):
        """Keyword arguments of ``Objective.set_data``."""
        if self._was_read_before:
            last = BilevelDataset._read_here
            if last is not None and self._is_as(last):
                return dict(problem=last._problem, reason=None)
            # Two large sets at a time might be too much for the memory.
            last = BilevelDataset._read_here = None
        try:
            other = namesake(self)
            if other:
                raise ValueError(other)
            # BLAS rounds differently with each number of threads, and a
            # worker of a parallel run, which simulates the data anew, has
            # fewer than a sequential run. And what asks joblib for workers,
            # as scikit-learn does, would take those of the run, and end them.
            with threadpool_limits(limits=1, user_api="blas"), (
                    parallel_config("sequential")):
                problem = self.get_problem()
            if not isinstance(problem, BilevelProblem):
                raise TypeError(
                    f"get_problem returned {type(problem).__name__}, and not "
                    "a BilevelProblem")
        except Exception as error:
            if self._was_read_before:
                # In a worker, whose skip benchopt would keep as a result.
                raise
            reason = " ".join(str(error).split())
            if isinstance(error, MemoryError):
                reason = reason or "not enough memory"
            elif not self._is_explained(error):
                reason = f"{type(error).__name__}: {reason}".rstrip(": ")
                _LOG.error("%s is skipped:", self, exc_info=True)
            return dict(problem=None, reason=f"{self.name}: {reason}")
        if self._was_read_before:
            self._problem, self._code = problem, self._own_code()
            BilevelDataset._read_here = self
        else:
            self._digest = self._digest_of(problem)
        return dict(problem=problem, reason=None)

    def _is_as(self, last):
        """Whether the dataset that this worker has read is the same.

        benchopt gives each run a dataset of its own, and where the loss is
        in JAX each would be compiled anew, in seconds.
        """
        return (str(self) == str(last) and self._digest == last._digest
                and self._imports == last._imports
                and self._own_code() == last._code
                and self._has_seed_of(last))

    def _has_seed_of(self, last):
        # As in benchopt: data may depend on the repetition, for instance.
        if last._used_seed is None:
            return True
        return self._run_context is not None and (
            last._used_seed == self._run_context.get_seed(
                self._base_class_name, **last._seed_params))

    def _own_code(self):
        # A worker of Dask may be there when the file has changed.
        return self._module_filename, self._module_filename.read_bytes()

    def _digest_of(self, problem):
        try:
            return digest(problem)
        except Exception as error:
            _LOG.warning("Results on %s will not be kept: its data has no "
                         "digest (%s)", self, error)
            return None

    def _get_state(self):
        # What has not been read has a key that nothing else has: a second
        # `benchopt prepare` looks at the files again.
        if self._imports is None:
            self._imports = imported_by(self._module_filename)
        return {"digest": self._digest or uuid.uuid4().hex,
                "imports": self._imports}

    def __setstate__(self, state):
        self._digest, self._imports = state["digest"], state["imports"]
        self._was_read_before = True

    def _is_explained(self, error):
        """Whether the message is all that a user needs.

        A ValueError is, if a statement of the dataset or of this package
        raises it. One that comes out of a library tells of an array there.
        """
        if isinstance(error, ValueError):
            last = traceback.extract_tb(error.__traceback__)[-1]
            file = Path(last.filename).resolve()
            ours = (file.is_relative_to(_HERE)
                    or file == type(self)._module_filename)
            return ours and last.line.startswith("raise ")
        return isinstance(error, OSError)

    def random_generator(self):
        """Generator that depends on benchopt's ``--seed`` alone.

        Datasets draw the start from it, which is thus the same for every
        solver and every repetition.
        """
        return np.random.default_rng(self.get_seed())


def data_path(key):
    """Where the user keeps a copy of data, from ``data_paths`` in the config.

    As ``benchopt.config.get_data_path``, but also in a worker of Dask, which
    receives the next run in another thread: for a moment benchopt then asks
    a benchmark that has no name yet.

    Parameters
    ----------
    key : str
        The name of the dataset.

    Returns
    -------
    Path
        If the config does not name one, that of ``data/key`` in the suite,
        whether it exists or not.

    Raises
    ------
    ValueError
        If the config names a path that does not exist, or a key that looks
        like this one.
    """
    for _ in range(100):
        try:
            return _checked_data_path(key)
        except AttributeError:
            time.sleep(0.05)
    return _checked_data_path(key)


def _checked_data_path(key):
    benchmark = get_running_benchmark()
    home, paths = map(benchmark.get_setting, ("data_home", "data_paths"))
    if home is not None and not Path(get_data_path(None)).is_dir():
        raise ValueError(f"data_home={home!r} of config.yml is not valid: "
                         f"there is no folder {get_data_path(None)}")
    if paths is None:  # All entries are comments.
        return Path(get_data_path(None)) / key
    if not isinstance(paths, dict):
        raise ValueError(f"data_paths={paths!r} of config.yml is not valid: "
                         "lines of the form 'key: path' are needed")
    if key in paths:
        entry = f"data_paths: {key}: {paths[key]!r} of config.yml"
        if not isinstance(paths[key], str) or not paths[key].strip():
            raise ValueError(f"{entry} is not valid: a path is needed")
        if not Path(get_data_path(key)).exists():
            raise ValueError(
                f"{entry} is not valid: there is no {get_data_path(key)}")
    else:
        # What is asked for, also where several datasets share the reading.
        known = {asked for folder in ("datasets", "benchmark_utils")
                 for file in benchmark.benchmark_dir.glob(f"{folder}/**/*.py")
                 for asked in re.findall(
                     r"""\bdata_path\(["']([^"']+)""",
                     file.read_text(encoding="utf-8"))}
        unknown = {str(other).lower(): other for other in paths
                   if other not in known}
        for similar in get_close_matches(key.lower(), unknown):
            raise ValueError(
                f"data_paths: {unknown[similar]!r} of config.yml is not "
                f"valid: {key!r} may be meant")
        for other in unknown.values():
            checks.warn_once(
                f"data_paths: {other!r} of config.yml is the name of no "
                "dataset that asks for a path")
    return Path(get_data_path(key))


def logistic_start(rng, n_features, reg_parametrization, n_penalties=None):
    """Start of hyperparameter selection: z ~ N(0, I), penalties ~ U(0, 1).

    Parameters
    ----------
    rng : numpy.random.Generator
    n_features : int
    reg_parametrization : {"exponential", "linear"}
    n_penalties : int, optional
        As many as features without it.

    Returns
    -------
    z, x : array of float64, shape (n_features,), (n_penalties,)
    """
    z = rng.standard_normal(n_features)
    penalties = rng.uniform(size=n_penalties or n_features)
    exponential = reg_parametrization == "exponential"
    return z, np.log(penalties) if exponential else penalties
