import numpy as np
from sklearn.datasets import fetch_openml

from benchmark_utils import checks
from benchmark_utils.dataset import BilevelDataset, data_path
from benchmark_utils.images import cleaning_problem

N_TRAIN, N_VALIDATION, N_TEST = 20_000, 5_000, 10_000


class Dataset(BilevelDataset):
    """Data hyper-cleaning on MNIST.

    The problem of ``digits``, on Y. LeCun, C. Cortes, C. J. C. Burges, "The
    MNIST database of handwritten digits", 1998: 20 000 training and 5 000
    validation images of 28 x 28 pixels, drawn from MNIST's training set, and
    MNIST's own test set. The second experiment of M. Dagréou et al., NeurIPS
    2022.

    It is not downloaded unless asked for, and is skipped then. With p = 7 850
    the metrics come from a truncated Newton method, to a relative 1e-10 of
    the gradient of G, and an evaluation takes some seconds.

    To use a local copy, point ``data_paths: mnist`` of the benchmark's
    ``config.yml`` to a file ``mnist.npz`` with the arrays ``X`` (70 000, 784)
    and ``y`` (70 000,), the test set last.

    Parameters
    ----------
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random
        among all classes.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    download : bool
        Whether scikit-learn may fetch the data from OpenML (15 MB), once, to
        ``$SCIKIT_LEARN_DATA``.
    """

    name = "mnist"
    requirements = ["scikit-learn"]

    parameters = {"ratio": [0.5], "ridge": [0.01], "download": [False]}

    # The download is the same whatever the parameters and the seed.
    prepare_cache_ignore = ("ratio", "ridge", "base_seed")

    shape = (70_000, 784)

    def prepare(self):
        if self.download:
            self._load()

    def get_problem(self):
        checks.one_of(True, False)("download", self.download)
        X, y = self._load()
        rng = self.random_generator()
        order = rng.permutation(len(y) - N_TEST)
        parts = [
            (X[rows] / 255.0, y[rows])
            for rows in (order[:N_TRAIN],
                         order[N_TRAIN:N_TRAIN + N_VALIDATION],
                         slice(len(y) - N_TEST, None))]
        return cleaning_problem(*parts, self.ratio, self.ridge, 10, rng)

    def _load(self):
        """Images and classes, checked for shape."""
        local = data_path("mnist")
        if local.exists():
            X, y = _read(local)
        elif self.download:
            X, y = _download()
        else:
            raise OSError(
                "not downloaded unless asked for, by -d "
                f"'mnist[download=True]', and there is no local copy {local}")
        if X.shape != self.shape or y.shape != self.shape[:1]:
            raise ValueError(
                f"the images and labels have shapes {X.shape} and {y.shape}, "
                f"not {self.shape} and {self.shape[:1]}")
        return X, y.astype(np.int64)


def _read(file):
    """The arrays of a local copy, or an error that names the file."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return arrays["X"], arrays["y"]
    except Exception as error:  # Whatever a damaged archive may raise.
        raise ValueError(
            f"{file} is damaged, or has no arrays X and y ({error})"
        ) from error


def _download():
    """What scikit-learn fetches, or an error saying how to do without."""
    try:
        return fetch_openml(
            "mnist_784", version=1, return_X_y=True, as_frame=False,
            parser="liac-arff", n_retries=1)
    except Exception as error:  # Whatever a download may raise.
        raise OSError(
            f"the download from OpenML failed ({error}); point data_paths: "
            "mnist of config.yml to a local copy, or make the network "
            "available and run 'benchopt prepare'") from error
