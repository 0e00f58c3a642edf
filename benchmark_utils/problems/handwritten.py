"""Images of handwritten digits: in three parts, or in tasks of a few."""
import numpy as np
from sklearn.datasets import fetch_openml, load_digits

from benchmark_utils import checks
from benchmark_utils.problems.dataset import data_path

MNIST_SHAPE = (70_000, 784)
MNIST_N_TEST = 10_000  # The last ones.


def _check_sizes(n_train, n_validation, limit, allowed):
    """Check numbers of samples, and that their sum is at most ``limit``."""
    checks.positive_int("n_train", n_train)
    checks.positive_int("n_validation", n_validation)
    total = n_train + n_validation
    if total > limit:
        raise ValueError(
            f"n_train + n_validation={total} is not valid: {allowed}")


def digits(n_train, n_validation, rng):
    """Training, validation and test part of the digits of scikit-learn.

    Parameters
    ----------
    n_train, n_validation : int
        The images that are left, at least one, are the test set.
    rng : numpy.random.Generator
        Of the order of the images.

    Returns
    -------
    list of three tuples (array of float64 (n, 64), array of int (n,))
        Images of 8 x 8 pixels from 0 to 16, and their classes.

    Raises
    ------
    ValueError
        If a size is not allowed.
    """
    X, y = load_digits(return_X_y=True)
    _check_sizes(
        n_train, n_validation, len(y) - 1,
        f"fewer than the {len(y)} images are needed, to leave a test set")
    order = rng.permutation(len(y))
    end = n_train + n_validation
    return [(X[rows], y[rows]) for rows in (
        order[:n_train], order[n_train:end], order[end:])]


def tasks(rng, n_tasks, n_shots, n_query, classes, n_ways):
    """Few-shot classification of the digits of scikit-learn.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_tasks : int
    n_shots, n_query : int
        Support and query samples of each class of a task, all different.
    classes : array of int
        Those that the classes of a task are drawn from.
    n_ways : int
        Classes of a task.

    Returns
    -------
    list of four arrays
        Images (n_tasks, n_ways n_shots, 65), from -0.5 to 0.5 and with a
        constant 1, and their classes (n_tasks, n_ways n_shots, n_ways), as
        0 and 1; then the same of query samples.

    Raises
    ------
    ValueError
        If a class has not so many images.
    """
    X, y = load_digits(return_X_y=True)
    X = np.column_stack([X / 16.0 - 0.5, np.ones(len(X))])
    checks.int_between(1, np.bincount(y).min() - n_query)("n_shots", n_shots)
    rows = np.array([[
        rng.choice(np.flatnonzero(y == c), n_shots + n_query, replace=False)
        for c in rng.choice(classes, n_ways, replace=False)]
        for _ in range(n_tasks)])
    parts = rows[:, :, :n_shots], rows[:, :, n_shots:]
    return [array for part in parts for array in (
        X[part.reshape(n_tasks, -1)],
        np.tile(np.repeat(np.eye(n_ways), part.shape[2], axis=0),
                (n_tasks, 1, 1)))]


def mnist(n_train, n_validation, download, name, rng):
    """Training and validation part of MNIST's training set, and its test set.

    Parameters
    ----------
    n_train, n_validation : int
    download, name
        As for ``load_mnist``.
    rng : numpy.random.Generator
        Of the order of the images of the training set.

    Returns
    -------
    list of three tuples (array of float64 (n, 784), array of int64 (n,))
        Images of 28 x 28 pixels from 0 to 1, and their classes.

    Raises
    ------
    ValueError
        If a size is not allowed or a local copy is not valid.
    OSError
        If the data cannot be had.
    """
    n_labelled = MNIST_SHAPE[0] - MNIST_N_TEST
    _check_sizes(
        n_train, n_validation, n_labelled,
        f"at most the {n_labelled} images of the training set are allowed")
    X, y = load_mnist(download, name)
    order = rng.permutation(n_labelled)
    return [(X[rows] / 255.0, y[rows]) for rows in (
        order[:n_train], order[n_train:n_train + n_validation],
        slice(n_labelled, None))]


def load_mnist(download, name):
    """Images and classes of MNIST, checked for shape.

    Parameters
    ----------
    download : bool
        Whether scikit-learn may fetch them from OpenML, once, where there is
        no local copy.
    name : str
        How a user asks for that, after -d.

    Returns
    -------
    X : array, shape (70 000, 784)
        The test set last.
    y : array of int64, shape (70 000,)

    Raises
    ------
    ValueError, OSError
        As for ``mnist``.
    """
    local = data_path("mnist")
    if local.exists():
        X, y = _read(local)
    elif download:
        X, y = _download()
    else:
        raise OSError(
            f"not downloaded unless asked for, by -d '{name}', and there is "
            f"no local copy {local}")
    if X.shape != MNIST_SHAPE or y.shape != MNIST_SHAPE[:1]:
        raise ValueError(
            f"the images and labels have shapes {X.shape} and {y.shape}, "
            f"not {MNIST_SHAPE} and {MNIST_SHAPE[:1]}")
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
