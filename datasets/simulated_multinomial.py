import numpy as np
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.multiclass import multinomial_problem


class Dataset(BilevelDataset):
    """Selection of penalties, or of samples, on simulated data of K classes.

    Features have standard deviations from 1 down to 0.1. Each is 0 with
    probability 1 - ``density`` and else Gaussian. The class is the k with the
    largest <x, w_k> + noise * e_k, where the e_k are standard Gaussian and
    every other entry of the true w_k is 0: those features deserve a penalty.

    Parameters
    ----------
    n_train, n_validation : int
        Numbers of samples of the inner and the outer loss.
    n_features, n_classes : int
        As many classes as this, of which some may have no sample.
    density : float, in (0, 1]
        Below 1 the data is sparse, and stays so.
    noise : float, >= 0
        Relative to the standard deviation of <x, w_k>.
    label_noise : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random
        among all classes.
    penalty : {"feature", "class", "scalar", "weights"}
        One penalty e^x a feature, a class, or in all; or one weight sigma(x_i)
        a training sample: data hyper-cleaning, as in ``digits``.
    ridge : float, >= 0
        C in a fixed penalty C/2 |z|^2; > 0 with weights of samples.
    """

    name = "simulated_multinomial"

    parameters = {
        "n_train": [10_000],
        "n_validation": [10_000],
        "n_features": [20],
        "n_classes": [5],
        "density": [1.0],
        "noise": [1.0],
        "label_noise": [0.0],
        "penalty": ["feature"],
        "ridge": [0.01],
    }

    test_config = {"n_train": 200, "n_validation": 150, "n_features": 6}

    def get_problem(self):
        for size in ("n_train", "n_validation", "n_features"):
            checks.positive_int(size, getattr(self, size))
        checks.number_of_classes("n_classes", self.n_classes)
        checks.fits_memory(self.name, self.n_classes, self.n_features)
        checks.non_negative("noise", self.noise)
        checks.fraction("density", self.density)
        checks.in_unit_interval("label_noise", self.label_noise)
        rng = self.random_generator()
        weights = rng.standard_normal((self.n_features, self.n_classes))
        weights[1::2] = 0.0
        scales = np.logspace(0, -1, self.n_features)
        train = self._samples(rng, self.n_train, scales, weights)
        validation = self._samples(rng, self.n_validation, scales, weights)
        return multinomial_problem(
            train, validation, None, self.n_classes, self.penalty,
            self.label_noise, self.ridge, rng)

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
        noise = self.noise * np.linalg.norm(scales[:, None] * weights, axis=0)
        scores = X @ weights
        scores += noise * rng.standard_normal(scores.shape)
        return X, np.argmax(scores, axis=1)
