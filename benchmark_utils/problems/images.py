"""Data hyper-cleaning: the problem that datasets of images share."""
import numpy as np
from sklearn.decomposition import PCA

from benchmark_utils import checks
from benchmark_utils.problems.multiclass import multinomial_problem


def scale_features(train, *others):
    """Centre features, add a constant one, and set the scale of all.

    The largest eigenvalue of X'X / n is then 1 on the training data, where
    the average multinomial loss has a Hessian of norm at most 1/2.

    Parameters
    ----------
    train, *others : array, shape (n, p)

    Returns
    -------
    list of array of float64, shape (n, p + 1)
    """
    mean = train.mean(0)
    covariance = (train - mean).T @ (train - mean) / len(train)
    # Where nothing but the constant feature varies, 1 will do.
    scale = np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)) or 1.0
    return [
        np.column_stack([(X - mean) / scale, np.ones(len(X))])
        for X in (train, *others)]


def cleaning_problem(train, validation, test, ratio, ridge, n_classes, rng):
    """Learn weights of training samples of which many have wrong labels.

    G is the loss on the corrupted training set, where sample i has the weight
    sigma(x_i), plus a ridge penalty; F is the loss on the validation set, of
    which the labels are right, without a penalty. Solvers start from equal
    weights, x = 0, and z = 0.

    Parameters
    ----------
    train, validation, test : tuple of (array (n, p), array (n,))
        Features and classes from 0 to n_classes - 1.
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    n_classes : int
    rng : numpy.random.Generator

    Returns
    -------
    BilevelProblem
        Its ``scores`` are ``test_error`` and, where some labels are wrong
        and some right, ``weights_auc``: the area under the ROC curve of the
        weights, as a detector of the right labels.

    Raises
    ------
    ValueError
        If a parameter is not allowed or the data is not valid.
    """
    checks.same_features(
        training=train[0], validation=validation[0], test=test[0])
    scaled = scale_features(train[0], validation[0], test[0])
    parts = [(X, y) for X, (_, y) in zip(
        scaled, (train, validation, test), strict=True)]
    return multinomial_problem(
        *parts, n_classes, "weights", ratio, ridge, rng)


def principal_components(n_components, train, *others):
    """Images in few features: their main directions on the training data.

    Parameters
    ----------
    n_components : int
    train, *others : array, shape (n, p)

    Returns
    -------
    list of array of float64, shape (n, n_components + 1)
        Scaled, with a constant feature, as by ``scale_features``.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    checks.int_between(1, min(train.shape))("n_components", n_components)
    basis = PCA(n_components, svd_solver="full").fit(train)
    return scale_features(*(basis.transform(X) for X in (train, *others)))


def has_all_classes(what, y, n_classes, least=1):
    """Check that each class has samples enough.

    Parameters
    ----------
    what : str
        The parameter and its value, as "n_train=3".
    y : array of int, shape (n,)
    n_classes, least : int
        Classes, and samples of each.

    Raises
    ------
    ValueError
    """
    rare = np.flatnonzero(np.bincount(y, minlength=n_classes) < least)
    if rare.size:
        raise ValueError(
            f"{what} is not valid: with this seed, {rare.size} of "
            f"{n_classes} classes, such as {rare[0]}, have less than "
            f"{least} samples; more are needed")
