"""Base class of the datasets."""
import time
from abc import abstractmethod
from pathlib import Path

import numpy as np
from benchopt import BaseDataset
from benchopt.config import get_data_path
from threadpoolctl import threadpool_limits

from benchmark_utils import checks


class BilevelDataset(BaseDataset):
    """A dataset that makes a ``BilevelProblem``.

    benchopt ends a whole run where ``get_data`` raises. Data that cannot be
    had, that is damaged, or that is asked for with a parameter that is not
    allowed, is instead handed on as the reason for which the objective skips
    this dataset, and the rest of the run goes on.
    """

    def save_parameters(self, **parameters):
        """As in benchopt, where a string may stand for a number."""
        super().save_parameters(
            **checks.with_numbers(parameters, self.parameters))

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
        """

    def get_data(self):
        """Keyword arguments of ``Objective.set_data``."""
        try:
            # BLAS rounds differently with each number of threads, and a
            # worker of a parallel run, which simulates the data anew, has
            # fewer than a sequential run.
            with threadpool_limits(limits=1, user_api="blas"):
                return dict(problem=self.get_problem(), reason=None)
        except (ValueError, OSError, MemoryError) as error:
            reason = " ".join(str(error).split()) or "not enough memory"
            return dict(problem=None, reason=f"{self.name}: {reason}")

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

    Returns
    -------
    Path
        Whether it exists or not.
    """
    for _ in range(100):
        try:
            return Path(get_data_path(key))
        except AttributeError:
            time.sleep(0.05)
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
