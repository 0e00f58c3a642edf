import numpy as np
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.problems.dataset import BilevelDataset, logistic_start
from benchmark_utils.problems.problem import BilevelProblem


class Dataset(BilevelDataset):
    """Selection of one ridge penalty per feature, on simulated data.

    Features have standard deviations from 1 down to 0.1. Each is 0 with
    probability 1 - ``density`` and else Gaussian. The label is the sign of
    <x, w> + noise * e, where e is standard Gaussian and every other entry of
    the true w is 0: those features deserve a penalty.

    Parameters
    ----------
    n_train, n_validation : int
        Numbers of samples of the inner and the outer loss.
    n_features : int
    density : float, in (0, 1]
        Below 1 the data is sparse, and stays so.
    noise : float, >= 0
        Relative to the standard deviation of <x, w>.
    reg_parametrization : {"exponential", "linear"}
        Penalty 1/2 sum_k e^{x_k} z_k^2, or 1/2 sum_k x_k z_k^2 on x >= 0.
    penalty : {"feature", "scalar"}
        One x_k a feature, or one x for all.
    """

    name = "simulated_logistic"

    parameters = {
        "n_train": [10_000],
        "n_validation": [10_000],
        "n_features": [20],
        "density": [1.0],
        "noise": [1.0],
        "reg_parametrization": ["exponential"],
        "penalty": ["feature"],
    }

    test_config = {"n_train": 200, "n_validation": 150, "n_features": 6}

    def get_problem(self):
        for size in ("n_train", "n_validation", "n_features"):
            checks.positive_int(size, getattr(self, size))
        checks.non_negative("noise", self.noise)
        checks.fraction("density", self.density)
        rng = self.random_generator()
        weights = rng.standard_normal(self.n_features)
        weights[1::2] = 0.0
        scales = np.logspace(0, -1, self.n_features)
        kind = (LogisticRegression if self.density == 1
                else SparseLogisticRegression)
        inner = kind(
            *self._samples(rng, self.n_train, scales, weights),
            reg_parametrization=self.reg_parametrization, name="training",
            penalty=self.penalty)
        outer = kind(
            *self._samples(rng, self.n_validation, scales, weights),
            name="validation", penalty=self.penalty)
        return BilevelProblem(inner, outer, *logistic_start(
            rng, self.n_features, self.reg_parametrization,
            inner.outer_dim))

    def _samples(self, rng, n_samples, scales, weights):
        shape = n_samples, self.n_features
        if self.density == 1:
            X = rng.standard_normal(shape)
            X *= scales
        else:
            X = sparse.random_array(
                shape, density=self.density, format="csr", rng=rng,
                data_sampler=rng.standard_normal)
            X.data *= scales[X.indices] / np.sqrt(self.density)
        noise = self.noise * np.linalg.norm(scales * weights)
        signal = X @ weights + noise * rng.standard_normal(n_samples)
        return X, np.where(signal > 0, 1.0, -1.0)
