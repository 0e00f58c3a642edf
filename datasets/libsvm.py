import difflib

import numpy as np
from libsvmdata.core import ALL_DATASETS
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.model_selection import train_test_split

from benchmark_utils import checks, libsvm
from benchmark_utils.dataset import BilevelDataset, logistic_start
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.functions.sparse_logistic import SparseLogisticRegression
from benchmark_utils.problem import BilevelProblem
from benchmark_utils.reference import MAX_EXACT_DIM


class Dataset(BilevelDataset):
    """Selection of ridge penalties, on a binary set of LIBSVM.

    C.-C. Chang, C.-J. Lin, "LIBSVM: a library for support vector machines",
    ACM Transactions on Intelligent Systems and Technology 2(3), 2011; the
    page of the set itself says where it is from. ``-d "libsvm[name=a9a]"``
    chooses one; without a name the dataset is skipped.

    The set's own test set is taken where it has one; else a part is set
    aside. Splits are stratified and depend on the seed alone. Features are
    divided by one number, so that the largest eigenvalue of X'X / n is 1 on
    the training data.

    libsvmdata downloads a set once, to ``$LIBSVMDATA_HOME``. A set that has
    not the numbers of samples and features of its page is refused. What is
    kept sparse stays sparse. Beyond 2000 features, the metrics come from a
    truncated Newton method, to a relative 1e-10 of the gradient of G; a dense
    set of so many is skipped.

    Parameters
    ----------
    name : str
        As in libsvmdata: a9a, w8a, phishing, cod-rna, ...
    validation_size, test_size : float, in (0, 1)
        Shares of samples; the second where there is no test set.
    reg_parametrization : {"exponential", "linear"}
        Penalty 1/2 sum_k e^{x_k} z_k^2, or 1/2 sum_k x_k z_k^2 on x >= 0.
    penalty : {"feature", "scalar"}
        One x_k a feature, or one x for all.
    """

    name = "libsvm"
    requirements = ["pip::libsvmdata", "scikit-learn"]

    parameters = {
        "name": [None],
        "validation_size": [0.25],
        "test_size": [0.25],
        "reg_parametrization": ["exponential"],
        "penalty": ["feature"],
    }

    prepare_cache_ignore = (
        "validation_size", "test_size", "reg_parametrization", "penalty",
        "base_seed")

    @property
    def set_name(self):
        # The attribute ``name`` is that of the dataset in benchopt.
        return self._parameters["name"]

    def prepare(self):
        if self.set_name is not None:
            self._load()

    def get_problem(self):
        for size in ("validation_size", "test_size"):
            checks.in_unit_interval(size, getattr(self, size))
            checks.positive(size, getattr(self, size))
        (X, y), test = self._load()
        rng = self.random_generator()
        if test is None:
            X, X_test, y, y_test = self._split(X, y, "test_size", rng)
        else:
            X_test, y_test = test
        X, X_validation, y, y_validation = self._split(
            X, y, "validation_size", rng)
        kind = (SparseLogisticRegression if sparse.issparse(X)
                else LogisticRegression)
        scale = _scale(X)
        inner = kind(
            X / scale, y, self.reg_parametrization,
            name=f"{self.set_name} training", penalty=self.penalty)
        outer = kind(
            X_validation / scale, y_validation, penalty=self.penalty,
            name=f"{self.set_name} validation")
        test = kind(X_test / scale, y_test, name=f"{self.set_name} test")
        return BilevelProblem(
            inner, outer, *logistic_start(
                rng, inner.inner_dim, self.reg_parametrization,
                inner.outer_dim),
            test=test)

    def _split(self, X, y, size, rng):
        """X without and with the part set aside, then y likewise."""
        try:
            return train_test_split(
                X, y, test_size=getattr(self, size), stratify=y,
                random_state=int(rng.integers(2**32)))
        except ValueError as error:
            raise ValueError(
                f"{size}={getattr(self, size)!r} is not valid for name="
                f"{self.set_name!r}: {error}") from error

    def _load(self):
        """The set, and its test set or None: each a pair (X, y)."""
        name = self.set_name
        known = [key for key, data in ALL_DATASETS.items()
                 if data.task_name == "binary"]
        if name is None:
            raise ValueError("no set is named: -d 'libsvm[name=a9a]' does")
        if name not in known:
            similar = difflib.get_close_matches(str(name), known)
            raise ValueError(
                f"name={name!r} is not valid: allowed are the binary sets "
                f"of libsvmdata, such as {', '.join(similar or known[:8])}")
        test = f"{name}_test" if f"{name}_test" in known else None
        return _fetch(name), test and _fetch(test)


def _fetch(name):
    """Features and labels -1 and 1, checked."""
    files = libsvm.stored(name)
    X, y = libsvm.fit_page(name, *map(libsvm.read, files), files[0])
    if not sparse.issparse(X) and X.shape[1] > MAX_EXACT_DIM:
        raise ValueError(
            f"name={name!r} is not valid: of its {X.shape[1]} features, not "
            f"sparse, at most {MAX_EXACT_DIM} are allowed")
    return checks.samples(f"libsvm[name={name}]", X, y)


def _scale(X):
    """Square root of the largest eigenvalue of X'X / n."""
    if sparse.issparse(X) and min(X.shape) > 2:
        # Without forming X'X, and always from the same start. One that has a
        # pattern, such as that of equal entries, X may send to zero.
        start = np.random.default_rng(0).standard_normal(min(X.shape))
        norm = svds(X, k=1, v0=start, return_singular_vectors=False)[0] if (
            X.count_nonzero()) else 0.0
    else:
        dense = X.toarray() if sparse.issparse(X) else X
        norm = np.sqrt(np.linalg.eigvalsh(dense.T @ dense)[-1].clip(0.0))
    # Where there is nothing but zeros, 1 will do.
    return norm / np.sqrt(X.shape[0]) or 1.0
