"""Mistakes in a loss and its data, found before anything is timed."""
import contextlib
import io
import re
import traceback

import numpy as np

from benchmark_utils import checks


def needs(library):
    """Find out whether the library that differentiates is there.

    Parameters
    ----------
    library : module
        ``losses`` or ``torch_losses``.

    Raises
    ------
    ValueError
        If it is missing or too old: with the command that installs it.
    """
    try:
        installed = library.version()
    except ImportError as error:
        raise ValueError(
            f"{library.NAME} is needed, and cannot be imported ({error}): "
            f"{library.INSTALL}") from error
    version = tuple(map(int, re.findall(r"\d+", installed)[:3]))
    if version < library.OLDEST:
        raise ValueError(
            f"{library.NAME} {installed} is too old: {library.INSTALL}")


def samples(name, data):
    """Arrays of n rows each: floats as float64, the rest as integers.

    Raises
    ------
    ValueError
        Naming the array.
    """
    if not isinstance(data, (tuple, list)) or not data:
        raise ValueError(
            f"data of {name} is not valid: a tuple of arrays of n rows is "
            f"needed, not {type(data).__name__}")
    arrays = []
    for k, array in enumerate(data):
        what = f"data[{k}] of {name}"
        try:
            array = np.asarray(array)
        except ValueError as error:
            raise ValueError(f"{what} is not valid: {error}") from error
        if array.dtype.kind not in "fiub":
            raise ValueError(
                f"{what} of type {array.dtype} is not valid: real numbers "
                "are needed")
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(
                f"{what} of shape {array.shape} is not valid: a row for "
                "each of n >= 1 samples is needed")
        if len(array) != len(arrays[0] if arrays else array):
            raise ValueError(
                f"{what} has {len(array)} rows, and data[0] has "
                f"{len(arrays[0])}: one row a sample is needed in each")
        if array.dtype.kind == "f":
            if array.dtype != np.float64:
                checks.warn_once(f"{what} is {array.dtype}: it is made "
                                 "float64, as all computations are")
            if not np.all(np.isfinite(array)):
                raise ValueError(f"{what} has NaN or infinite entries")
            array = np.ascontiguousarray(array, np.float64)
        else:
            array = np.ascontiguousarray(array, np.int64)
        arrays.append(array)
    return tuple(arrays)


def flat(library, name, argument, value):
    """A variable as a flat array of float64.

    Raises
    ------
    ValueError
        Naming it.
    """
    what = f"{argument} of {name}"
    try:
        with library.in_double():
            array = np.asarray(library.ravel(value))
    except Exception as error:
        raise ValueError(
            f"{what} is not valid: arrays, or a tree of them, are needed "
            f"({error})") from error
    if array.size == 0 or array.dtype.kind not in "fiu":
        raise ValueError(f"{what} of {array.size} entries of type "
                         f"{array.dtype} is not valid: real numbers are "
                         "needed, at least one")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{what} has NaN or infinite entries")
    return array.astype(np.float64)


def traced(library, name, what, given, function, *arguments, shape=()):
    """What a function of the user's does, which is traced twice.

    Parameters
    ----------
    library : module
        ``losses`` or ``torch_losses``.
    name, what : str
        Whose function it is, and what it is: a loss.
    given, function : callable
        As it was given, and of flat z and x.
    *arguments : tuple of arrays
        Variables, and a sample.
    shape : tuple of int
        That of the result.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If it raises, prints, has effects, returns anything else than real
        numbers of that shape, or is not the same the second time.
    """
    what = f"{what} {getattr(given, '__name__', given)!r} of {name}"

    def trace():
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), library.in_double():
                found = library.trace(function, *arguments)
        except Exception as error:
            instead = library.instead_of_branches(error)
            hint = instead and (
                f"; where code depends on values, use {instead}")
            raise ValueError(
                f"{what} is not valid: {_where(error)}"
                f"{type(error).__name__}: "
                f"{str(error).splitlines()[0]}{hint or ''}") from error
        if printed.getvalue():
            raise ValueError(
                f"{what} is not valid: it prints "
                f"{printed.getvalue().splitlines()[0][:60]!r}, once, while "
                f"{library.NAME} traces it, and never again")
        return found

    found = trace()
    if found.effects:
        raise ValueError(
            f"{what} is not valid: it does more than compute "
            f"({', '.join(found.effects)})")
    if ([s for _, s in found.outputs] != [shape]
            or not found.outputs[0][0].startswith("float")):
        wanted = "one real number" if not shape else (
            f"real numbers of shape {shape}")
        returned = ", ".join(
            kind + (str(list(s)) if s else "") for kind, s in found.outputs)
        raise ValueError(
            f"{what} is not valid: it returns {returned or 'nothing'}, and "
            f"not {wanted}")
    if found.text != trace().text:
        raise ValueError(
            f"{what} is not valid: traced twice, it is not the same "
            "function; it may use random numbers or what changes outside "
            "of it: such numbers belong in data")
    return found


def _where(error):
    """The last line of the user's own code in a traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if "site-packages" not in frame.filename
              and "functions/differentiable" not in frame.filename]
    if not frames:
        return ""
    return f"line {frames[-1].lineno} of {frames[-1].filename}: "


def finite(name, losses, gradients):
    """Check what a loss and its derivatives are at the start.

    Raises
    ------
    ValueError
        Naming the first sample whose loss is not a number, or the variable.
    """
    wrong = np.flatnonzero(~np.isfinite(losses))
    if wrong.size:
        raise ValueError(
            f"loss of {name} is {losses[wrong[0]]} at the start, of sample "
            f"{wrong[0]} and {wrong.size - 1} others")
    for argument, gradient in zip("zx", gradients, strict=True):
        if not np.all(np.isfinite(gradient)):
            raise ValueError(
                f"loss of {name} has a derivative in {argument} that is NaN "
                "or infinite at the start")
