import difflib

import numpy as np
from libsvmdata.core import ALL_DATASETS
from scipy import sparse
from scipy.sparse.linalg import svds
from sklearn.model_selection import train_test_split

from benchmark_utils import checks
from benchmark_utils.functions.logistic import (
    PENALTIES,
    REG_PARAMETRIZATIONS,
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.multinomial import OUTER_VARIABLES
from benchmark_utils.problems import libsvm
from benchmark_utils.problems.dataset import BilevelDataset, logistic_start
from benchmark_utils.problems.multiclass import multinomial_problem
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import MAX_EXACT_DIM

# Sets for classification.
_TASKS = {name: entry.task_name for name, entry in ALL_DATASETS.items()
          if entry.task_name in ("binary", "multiclass")}


class Dataset(BilevelDataset):
    """Selection of ridge penalties, or of samples, on a set of LIBSVM.

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

    Sets of more than two classes are for multinomial regression. Classes are
    those of the set and of its test set: some may have no training sample. A
    class of one sample, which cannot be split, is for training.

    Parameters
    ----------
    name : str
        As in libsvmdata: a9a, w8a, phishing, cod-rna, or of several classes
        sector, rcv1.multiclass, news20.multiclass, aloi, ...
    validation_size, test_size : float, in (0, 1)
        Shares of samples; the second where there is no test set.
    reg_parametrization : {"exponential", "linear"}
        Penalty 1/2 sum_k e^{x_k} z_k^2, or 1/2 sum_k x_k z_k^2 on x >= 0; the
        first for several classes.
    penalty : {"feature", "scalar", "class", "weights"}
        One x_k a feature, or one x for all; for several classes also one a
        class, or one weight sigma(x_i) a training sample in place of
        penalties: data hyper-cleaning, as in ``digits``.
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random,
        with weights of samples.
    ridge : float, > 0
        C in the penalty C/2 |z|^2, with weights of samples.
    """

    name = "libsvm"
    requirements = ["pip::libsvmdata", "scikit-learn"]

    parameters = {
        "name": [None],
        "validation_size": [0.25],
        "test_size": [0.25],
        "reg_parametrization": ["exponential"],
        "penalty": ["feature"],
        "ratio": [0.5],
        "ridge": [0.01],
    }

    prepare_cache_ignore = (
        "validation_size", "test_size", "reg_parametrization", "penalty",
        "ratio", "ridge", "base_seed")

    @property
    def set_name(self):
        # The attribute ``name`` is that of the dataset in benchopt.
        return self._parameters["name"]

    def prepare(self):
        if self.set_name is not None:
            self._check_name()
            self._load()

    def get_problem(self):
        for size in ("validation_size", "test_size"):
            checks.in_unit_interval(size, getattr(self, size))
            checks.positive(size, getattr(self, size))
        checks.in_unit_interval("ratio", self.ratio)
        checks.positive("ridge", self.ridge)
        self._check_name()
        multiclass = _TASKS[self.set_name] == "multiclass"
        checks.one_of(*(
            ["exponential"] if multiclass else REG_PARAMETRIZATIONS))(
            "reg_parametrization", self.reg_parametrization)
        checks.one_of(*(OUTER_VARIABLES if multiclass else PENALTIES))(
            "penalty", self.penalty)
        (X, y), test = self._load()
        if multiclass:
            y, test, n_classes = _classes(self.set_name, y, test)
            checks.fits_memory(
                f"name={self.set_name!r}", n_classes, X.shape[1])
        rng = self.random_generator()
        if test is None:
            X, X_test, y, y_test = self._split(X, y, "test_size", rng)
        else:
            X_test, y_test = test
        X, X_validation, y, y_validation = self._split(
            X, y, "validation_size", rng)
        scale = _scale(X)
        parts = [(X / scale, y), (X_validation / scale, y_validation),
                 (X_test / scale, y_test)]
        if multiclass:
            cleaning = self.penalty == "weights"
            return multinomial_problem(
                *parts, n_classes, self.penalty,
                self.ratio if cleaning else 0.0,
                self.ridge if cleaning else 0.0, rng, self.set_name)
        return self._logistic_problem(*parts, rng)

    def _logistic_problem(self, train, validation, test, rng):
        kind = (SparseLogisticRegression if sparse.issparse(train[0])
                else LogisticRegression)
        inner = kind(
            *train, self.reg_parametrization,
            name=f"{self.set_name} training", penalty=self.penalty)
        outer = kind(
            *validation, penalty=self.penalty,
            name=f"{self.set_name} validation")
        test = kind(*test, name=f"{self.set_name} test")
        return BilevelProblem(
            inner, outer, *logistic_start(
                rng, inner.inner_dim, self.reg_parametrization,
                inner.outer_dim),
            test=test)

    def _split(self, X, y, size, rng):
        """X without and with the part set aside, then y likewise."""
        # What cannot be split is kept; of two classes, it is an error.
        single = np.zeros(len(y), bool)
        if _TASKS[self.set_name] == "multiclass":
            single = np.bincount(y)[y] == 1
        several = np.flatnonzero(~single)
        try:
            kept, aside = train_test_split(
                several, test_size=getattr(self, size), stratify=y[several],
                random_state=int(rng.integers(2**32)))
        except ValueError as error:
            raise ValueError(
                f"{size}={getattr(self, size)!r} is not valid for name="
                f"{self.set_name!r}: {error}") from error
        kept = np.concatenate([kept, np.flatnonzero(single)])
        return X[kept], X[aside], y[kept], y[aside]

    def _check_name(self):
        name = self.set_name
        if name is None:
            raise ValueError("no set is named: -d 'libsvm[name=a9a]' does")
        if name not in _TASKS:
            known = list(_TASKS)
            similar = difflib.get_close_matches(str(name), known)
            similar += [key for key in known if str(name) == key.split(".")[0]]
            raise ValueError(
                f"name={name!r} is not valid: allowed are the sets of "
                "libsvmdata that are for classification, such as "
                f"{', '.join(dict.fromkeys(similar or known[:8]))}")

    def _load(self):
        """The set, and its test set or None: each a pair (X, y)."""
        name = self.set_name
        test = f"{name}_test" if f"{name}_test" in _TASKS else None
        return _fetch(name), test and _fetch(test)


def _fetch(name):
    """Features and labels; two classes are -1 and 1, checked."""
    files = libsvm.stored(name)
    X, y = libsvm.fit_page(name, *map(libsvm.read, files), files[0])
    if _TASKS[name] == "multiclass":
        return checks.class_samples(f"libsvm[name={name}]", X, y)
    if not sparse.issparse(X) and X.shape[1] > MAX_EXACT_DIM:
        raise ValueError(
            f"name={name!r} is not valid: of its {X.shape[1]} features, not "
            f"sparse, at most {MAX_EXACT_DIM} are allowed")
    return checks.samples(f"libsvm[name={name}]", X, y)


def _classes(name, y, test):
    """Labels of whatever kind as classes from 0 on, and their number.

    Returns
    -------
    y : array of int64
    test : tuple of (features, array of int64), or None
    n_classes : int
    """
    labels = [y] if test is None else [y, test[1]]
    if len({part.dtype.kind in "US" for part in labels}) > 1:
        raise ValueError(
            f"name={name!r} is not valid: its labels and those of its test "
            "set are numbers and strings")
    classes, y_all = np.unique(np.concatenate(labels), return_inverse=True)
    y, y_test = np.split(y_all.astype(np.int64), [len(y)])
    return y, test and (test[0], y_test), len(classes)


def _scale(X):
    """Square root of the largest eigenvalue of X'X / n."""
    large = sparse.issparse(X) or X.shape[1] > MAX_EXACT_DIM
    if large and min(X.shape) > 2:
        # Without forming X'X, and always from the same start. One that has a
        # pattern, such as that of equal entries, X may send to zero.
        start = np.random.default_rng(0).standard_normal(min(X.shape))
        norm = svds(X, k=1, v0=start, return_singular_vectors=False)[0] if (
            abs(X).max()) else 0.0
    else:
        dense = X.toarray() if sparse.issparse(X) else X
        norm = np.sqrt(np.linalg.eigvalsh(dense.T @ dense)[-1].clip(0.0))
    # Where there is nothing but zeros, 1 will do.
    return norm / np.sqrt(X.shape[0]) or 1.0
