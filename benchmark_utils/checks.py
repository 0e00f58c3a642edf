"""Checks of parameters and data: each error names what is allowed."""
import logging
import math
import numbers
from functools import cache

import numpy as np
import psutil
from scipy import sparse

_LOG = logging.getLogger(__name__)


# More samples or dimensions than any memory holds. Far above, at 2^63,
# compiled code would overflow.
_MAX_SIZE = 10**9
# More samples in a batch than any memory holds.
_MAX_BATCH = 10**8
# More steps between two callbacks would be a hang: nothing interrupts them.
_MAX_STEPS = 10**6


def _error(name, value, allowed):
    return ValueError(f"{name}={value!r} is not valid: {allowed}")


@cache
def warn_once(message):
    """One line in the log, however often there is reason for it."""
    _LOG.warning("%s", message)


def is_number(value, kind=numbers.Real):
    """Whether a value is a number of this kind; bool is not."""
    return (isinstance(value, kind)
            and not isinstance(value, (bool, np.bool_)))


def _is_finite(value):
    """Whether a value is a real number that float64 can hold."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # An integer of more than 308 digits.
        return False


def _is_int_within(value, minimum, maximum):
    return is_number(value, numbers.Integral) and minimum <= value <= maximum


# scikit-learn's constraints, attrs and pydantic take True, an infinity or an
# integer of 400 digits for a float, or say it in other words, and would need
# more lines than a condition beside its words.
def _check(allowed, holds):
    """A check of a parameter, called with its name and value.

    It raises ``ValueError``, naming the parameter, its value and what is
    allowed, as every check of this module does.
    """
    def check(name, value):
        if not holds(value):
            raise _error(name, value, allowed)
    return check


def _finite(allowed, holds):
    return _check(f"{allowed} is needed", lambda v: _is_finite(v) and holds(v))


def _finite_or_none(allowed, holds):
    return _check(f"None or {allowed} is needed",
                  lambda v: v is None or _is_finite(v) and holds(v))


def at_least(minimum):
    """Check that a parameter is a finite number >= ``minimum``."""
    return _finite(f"a finite number >= {minimum}", lambda v: v >= minimum)


def half_open(lower, upper):
    """Check that a parameter lies in [lower, upper)."""
    return _finite(
        f"a number in [{lower}, {upper})", lambda v: lower <= v < upper)


def between(minimum, maximum):
    """Check that a parameter lies in [minimum, maximum]."""
    return _finite(f"a number from {minimum:g} to {maximum:g}",
                   lambda v: minimum <= v <= maximum)


def between_or_none(minimum, maximum):
    """Check that a parameter is None or lies in [minimum, maximum]."""
    return _finite_or_none(f"a number from {minimum:g} to {maximum:g}",
                           lambda v: minimum <= v <= maximum)


def int_between(minimum, maximum):
    """Check that a parameter is an integer from minimum to maximum."""
    return _check(f"an integer between {minimum} and {maximum} is needed",
                  lambda v: _is_int_within(v, minimum, maximum))


positive, positive_or_none = (
    kind("a finite number > 0", lambda v: v > 0)
    for kind in (_finite, _finite_or_none))
fraction, fraction_or_none = (
    kind("a number in (0, 1]", lambda v: 0 < v <= 1)
    for kind in (_finite, _finite_or_none))
in_unit_interval = half_open(0, 1)
non_negative = at_least(0)
positive_int = int_between(1, _MAX_SIZE)
number_of_classes = int_between(2, _MAX_SIZE)
n_steps = int_between(1, _MAX_STEPS)
n_steps_or_none = int_between(0, _MAX_STEPS)
# Of L-BFGS: SciPy's workspace has 11 times the square of it.
n_pairs = int_between(1, 1000)


def one_of(*choices):
    """Check that a parameter is one of the given values."""
    return _check(f"allowed are {', '.join(map(repr, choices))}",
                  lambda v: v in choices)


def batch_size(value, n_inner, n_outer):
    """Check a batch size; where there are fewer samples, say so once.

    Parameters
    ----------
    value : object
    n_inner, n_outer : int
        Numbers of samples of both levels. A batch of more is one of all.
    """
    if isinstance(value, str) and value == "full":
        return
    if not _is_int_within(value, 1, _MAX_BATCH):
        raise _error(
            "batch_size", value,
            f"an integer between 1 and {_MAX_BATCH} or 'full' (all samples "
            "of each level at every iteration) is needed")
    fewer = [f"the {n} {level} samples" for level, n in (
        ("inner", n_inner), ("outer", n_outer)) if n < value]
    if fewer:
        warn_once(f"batch_size={value} is more than {' and '.join(fewer)}: "
                  "all of them are taken")


def _as_array(name, data):
    """An array, where one with a mask or a sparse one stays what it is."""
    if sparse.issparse(data) or np.ma.isMaskedArray(data):
        return data
    try:
        return np.asarray(data)
    except ValueError as error:  # Rows of several lengths.
        raise _error(name, "what makes no array",
                     f"an array is needed ({error})") from error


def _as_floats(name, X):
    """An array or CSR matrix of float64."""
    X = _as_array(name, X)
    if np.iscomplexobj(X):
        raise _error(name, "complex entries", "real numbers are needed")
    try:
        if sparse.issparse(X):
            return X.tocsr().astype(float)
        X = X.astype(float, copy=False)
    except (TypeError, ValueError) as error:
        raise _error(name, "entries that are no numbers",
                     f"numbers are needed ({error})") from error
    # A masked entry is one that is missing.
    return X.filled(np.nan) if np.ma.isMaskedArray(X) else X


def _as_labels(name, y):
    """An array of numbers or of strings."""
    y = _as_array(name, y)
    if np.ma.isMaskedArray(y):
        y = np.where(np.ma.getmaskarray(y), None, y.data)
    elif sparse.issparse(y):
        y = y.toarray()
    if y.dtype.kind == "O":
        for value in y.ravel():
            if (not isinstance(value, (numbers.Real, np.bool_, str))
                    or value != value):
                raise _error(name, f"labels such as {value!r}",
                             "numbers or strings are needed")
        if len({isinstance(value, str) for value in y.ravel()}) == 2:
            raise _error(name, "numbers and strings as labels",
                         "one of both is needed")
        y = np.array(y.tolist())
    if y.dtype.kind not in "biufUS":
        raise _error(name, f"labels of type {y.dtype}",
                     "numbers or strings are needed")
    return y


def _finite_samples(name, X, y):
    """Features as float64 and labels, of matching shapes and finite."""
    X, y = _as_floats(f"{name} X", X), _as_labels(f"{name} y", y)
    if (X.ndim != 2 or y.ndim != 1 or X.shape[0] != len(y)
            or 0 in X.shape):
        raise _error(
            f"{name} shapes (X, y)", (X.shape, y.shape),
            "(n, p) and (n,) with n, p >= 1 are needed",
        )
    entries = X.data if sparse.issparse(X) else X
    bad = np.count_nonzero(~np.isfinite(entries))
    if bad:
        raise _error(f"{name} X", f"{bad} NaN or infinite entries",
                     "all entries must be finite")
    if y.dtype.kind == "f" and not np.all(np.isfinite(y)):
        raise _error(f"{name} y", "NaN or infinite labels",
                     "all labels must be finite")
    return X, y


def same_features(**sets):
    """Check that sets of samples have the same number of features.

    Parameters
    ----------
    **sets : array or sparse matrix, shape (n_samples, n_features)
        By their names, for the error.
    """
    widths = {name: X.shape[1] for name, X in sets.items()}
    if len(set(widths.values())) > 1:
        listed = ", ".join(f"{n} in {name}" for name, n in widths.items())
        raise ValueError(
            f"numbers of features are not valid: {listed}; all sets need "
            "the same")


def samples(name, X, y):
    """Check features and labels of a binary problem; labels become +-1.

    Parameters
    ----------
    name : str
        Which data this is, for the error.
    X : array-like or sparse matrix, shape (n_samples, n_features)
    y : array-like, shape (n_samples,)
        Exactly two classes; the larger label becomes +1.

    Returns
    -------
    X : array or CSR matrix of float64, shape (n_samples, n_features)
    y : array of float64, shape (n_samples,)
        Values -1 and 1.
    """
    X, y = _finite_samples(name, X, y)
    classes = np.unique(y)
    if len(classes) != 2:
        raise _error(f"{name} y", f"classes {classes[:5].tolist()}",
                     "exactly two classes are needed")
    return X, np.where(y == classes[1], 1.0, -1.0)


def finite_numbers(name, values, shape):
    """Check an array of finite numbers.

    Parameters
    ----------
    name : str
    values : array-like
    shape : tuple of int

    Returns
    -------
    array of float64, of this shape
    """
    values = _as_floats(name, values)
    if values.shape != shape or not np.all(np.isfinite(values)):
        raise ValueError(
            f"{name} of shape {values.shape} is not valid: finite numbers of "
            f"shape {shape} are needed")
    return values


def class_samples(name, X, y):
    """Check features and labels of a problem of several classes, as they are.

    Parameters
    ----------
    name : str
        Which data this is, for the error.
    X : array-like or sparse matrix, shape (n_samples, n_features)
    y : array-like, shape (n_samples,)
        Integers, as floats too, or strings.

    Returns
    -------
    X : array or CSR matrix of float64, shape (n_samples, n_features)
    y : array, shape (n_samples,)
    """
    X, y = _finite_samples(name, X, y)
    if y.dtype.kind == "f":
        wrong = y[y != np.round(y)]
        if wrong.size:
            raise _error(f"{name} y", f"labels such as {wrong[0]}",
                         "integers or strings are needed")
        y = y.astype(np.int64)
    return X, y


def fits_memory(name, n_classes, n_features):
    """Refuse a z of which a solver could not hold some thirty copies."""
    most = psutil.virtual_memory().total // 256
    if n_classes * n_features > most:
        raise ValueError(
            f"n_classes={n_classes!r} is not valid for the {n_features} "
            f"features of {name}: their product, the entries of z, may be at "
            f"most {most} with the memory of this machine")


def labelled_samples(name, X, y, n_classes):
    """Check features and labels of a problem of several classes.

    Parameters
    ----------
    name : str
        Which data this is, for the error.
    X : array-like, shape (n_samples, n_features)
    y : array-like of integers, shape (n_samples,)
        Classes, from 0 to n_classes - 1; some may have no sample.
    n_classes : int
        At least 2.

    Returns
    -------
    X : array of float64, shape (n_samples, n_features)
    y : array of int64, shape (n_samples,)
    """
    number_of_classes("n_classes", n_classes)
    X, y = _finite_samples(name, X, y)
    fits_memory(name, n_classes, X.shape[1])
    wrong = ([] if y.dtype.kind in "iu" and 0 <= y.min() <= y.max() < n_classes
             else np.unique(y)[:12].tolist())
    if wrong:
        raise _error(f"{name} y", f"classes {wrong}",
                     f"integers from 0 to {n_classes - 1} are needed")
    return X, y.astype(np.int64)


def regression_samples(name, X, y):
    """Check features and real targets.

    Parameters
    ----------
    name : str
        Which data this is, for the error.
    X : array-like, shape (n_samples, n_features)
    y : array-like of numbers, shape (n_samples,)

    Returns
    -------
    X : array of float64, shape (n_samples, n_features)
    y : array of float64, shape (n_samples,)
    """
    X, y = _finite_samples(name, X, y)
    if y.dtype.kind not in "iuf":
        raise _error(f"{name} y", f"entries of type {y.dtype}",
                     "real numbers are needed")
    return X, y.astype(float)
