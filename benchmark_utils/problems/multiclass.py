"""Multinomial regression: penalties or weights of samples, on any data."""
import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score

from benchmark_utils import checks
from benchmark_utils.functions.multinomial import (
    OUTER_VARIABLES,
    MultinomialLogistic,
    SparseMultinomialLogistic,
)
from benchmark_utils.problems.problem import BilevelProblem


def corrupt(y, ratio, n_classes, rng):
    """Replace each label, with probability ``ratio``, by one drawn at random.

    Uniformly among all classes, as in M. Dagréou et al., NeurIPS 2022, so
    that a label drawn may be the right one, and labels tell something of the
    classes even for a ratio of 0.9.

    Returns
    -------
    array of the same shape
    """
    drawn = rng.integers(n_classes, size=len(y))
    return np.where(rng.uniform(size=len(y)) < ratio, drawn, y)


def multinomial_problem(train, validation, test, n_classes, penalty, ratio,
                        ridge, rng, name=""):
    """Learn penalties, or weights of training samples, by a validation set.

    G is the loss on the training set plus a penalty, F is the loss on the
    validation set. With "weights", data hyper-cleaning, sample i of the
    training set has the weight sigma(x_i), and solvers start from x = 0; else
    they start from penalties e^x drawn uniformly from (0, 1). z = 0 at the
    start.

    Parameters
    ----------
    train, validation, test : tuple of (array or sparse matrix (n, p), (n,))
        Features and classes from 0 to n_classes - 1. There may be no test
        set, None.
    n_classes : int
    penalty : {"class", "feature", "scalar", "weights"}
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random.
    ridge : float
        C in the penalty C/2 |z|^2; > 0 with "weights".
    rng : numpy.random.Generator
    name : str
        What the errors call the data.

    Returns
    -------
    BilevelProblem
        Its ``scores`` are ``test_error`` and, with "weights" and where some
        labels are wrong and some right, ``weights_auc``: the area under the
        ROC curve of the weights, as a detector of the right labels.

    Raises
    ------
    ValueError
        If a parameter is not allowed or the data is not valid.
    """
    checks.one_of(*OUTER_VARIABLES)("penalty", penalty)
    checks.in_unit_interval("ratio", ratio)
    cleaning = penalty == "weights"
    (checks.positive if cleaning else checks.non_negative)("ridge", ridge)
    parts = {"training": train, "validation": validation, "test": test}
    parts = {key: part for key, part in parts.items() if part is not None}
    checks.same_features(**{key: X for key, (X, _) in parts.items()})

    y = corrupt(train[1], ratio, n_classes, rng) if ratio else train[1]
    right = y == train[1]
    parts["training"] = train[0], y

    def function(key, *parameters, **named):
        X, y = parts[key]
        kind = (SparseMultinomialLogistic if sparse.issparse(X)
                else MultinomialLogistic)
        return kind(X, y, n_classes, *parameters, **named,
                    name=f"{name} {key}".strip())

    inner = function("training", penalty, ridge)
    outer = function("validation", outer_dim=inner.outer_dim)
    start = (np.zeros(inner.outer_dim) if cleaning
             else np.log(rng.uniform(size=inner.outer_dim)))
    scores = {}
    if cleaning and right.any() and not right.all():
        scores["weights_auc"] = lambda z, x: roc_auc_score(right, x)
    return BilevelProblem(
        inner, outer, np.zeros(inner.inner_dim), start, scores=scores,
        test=function("test") if "test" in parts else None)
