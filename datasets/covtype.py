from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_covtype, get_data_home

from benchmark_utils import checks
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.images import scale_features
from benchmark_utils.problems.multiclass import multinomial_problem

N_CLASSES = 7


class Dataset(BilevelDataset):
    """Selection of ridge penalties of a multinomial regression, on covtype.

    J. A. Blackard, D. J. Dean, "Comparative accuracies of artificial neural
    networks and discriminant analysis in predicting forest cover types",
    1999: 581 012 samples of 54 features and 7 classes, of which training,
    validation and test sets are drawn. Features are standardised.

    It is not downloaded unless asked for, and is skipped then. A copy in
    ``$SCIKIT_LEARN_DATA`` (by default ``~/scikit_learn_data``) is used.

    Parameters
    ----------
    penalty : {"class", "feature", "scalar"}
        One penalty e^x a class, a feature, or in all.
    n_train, n_validation, n_test : int
    download : bool
        Whether scikit-learn may fetch the data (11 MB), once.
    """

    name = "covtype"
    requirements = ["scikit-learn"]

    parameters = {
        "penalty": ["class"],
        "n_train": [20_000],
        "n_validation": [20_000],
        "n_test": [20_000],
        "download": [False],
    }

    test_config = {"n_train": 120, "n_validation": 100, "n_test": 50}

    # The download is the same whatever the other parameters and the seed.
    prepare_cache_ignore = (
        "penalty", "n_train", "n_validation", "n_test", "base_seed")

    def prepare(self):
        if self.download:
            self._load()

    def get_problem(self):
        checks.one_of("class", "feature", "scalar")("penalty", self.penalty)
        checks.one_of(True, False)("download", self.download)
        sizes = [self.n_train, self.n_validation, self.n_test]
        for name, size in zip(("n_train", "n_validation", "n_test"), sizes,
                              strict=True):
            checks.positive_int(name, size)
        X, y = self._load()
        if sum(sizes) > len(y):
            raise ValueError(
                f"n_train + n_validation + n_test={sum(sizes)} is not valid: "
                f"at most the {len(y)} samples of the data are allowed")
        rng = self.random_generator()
        order = rng.permutation(len(y))
        train, validation, test = np.split(
            order[:sum(sizes)], np.cumsum(sizes)[:-1])
        deviation = X[train].std(0)
        X = X / np.where(deviation > 0, deviation, 1.0)
        rows = train, validation, test
        scaled = scale_features(*(X[part] for part in rows))
        parts = [(X, y[part]) for X, part in zip(scaled, rows, strict=True)]
        return multinomial_problem(
            *parts, N_CLASSES, self.penalty, ratio=0.0, ridge=0.0, rng=rng)

    def _load(self):
        """Features, and classes from 0 to 6."""
        try:
            X, y = fetch_covtype(
                return_X_y=True, download_if_missing=self.download,
                n_retries=1)
        except Exception as error:  # Whatever a download or a file may raise.
            folder = Path(get_data_home()) / "covertype"
            why = f"{type(error).__name__}: {error}"
            if all(any(folder.glob(f"{part}*"))
                   for part in ("samples", "targets")):
                raise ValueError(
                    f"the copy in {folder} is damaged ({why}): remove it, and "
                    "have it downloaded by -d 'covtype[download=True]'"
                ) from error
            if self.download:
                raise OSError(f"the download failed ({why})") from error
            raise OSError(
                f"not in {folder}, and not downloaded unless asked for, by "
                "-d 'covtype[download=True]'") from error
        if X.ndim != 2 or y.shape != X.shape[:1]:
            raise ValueError(
                f"features and classes in {get_data_home()} have shapes "
                f"{X.shape} and {y.shape}, which do not fit")
        return X, y.astype(np.int64) - 1
