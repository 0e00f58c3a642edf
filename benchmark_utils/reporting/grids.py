"""Which parameters are tried: a first grid, and how it grows.

Each method with a step size gets the values of ``STEPS``; what belongs to a
method is in the attribute ``grid`` of its class, such as

    grid = {"eta": [0.1, 0.5, 2.5, 12.0], "n_neumann_steps": [5, 10, 20]}

and a parameter that is in neither keeps the values of ``parameters``. What is
tried next may leave the grid, but not go below an attribute ``least``, as in

    least = {"lmbda0": 0.1}

where a smaller value makes another method of it; what is typed may.
"""
import itertools
import math
import zlib

import numpy as np

from benchmark_utils import checks
from benchmark_utils.parameters import as_number

STEPS = {
    "step_size": [0.1, 0.32, 1.0, 3.2],
    "outer_ratio": [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0],
}
#: Share of the configurations of a method that its first grid may take.
FIRST = 2 / 3
#: Configurations that are added to the grid at a time.
AT_A_TIME = 6


def axes(method):
    """Values of each parameter of a method in its first grid.

    Parameters
    ----------
    method : suite.Method

    Returns
    -------
    dict of {str: list}

    Raises
    ------
    ValueError
        If the attribute ``grid`` of the class has an unknown parameter, or a
        value that is not allowed or below ``least``.
    """
    cls = method.cls
    own = getattr(cls, "grid", {})
    names = [name.strip() for key in cls.parameters for name in key.split(",")]
    unknown = sorted({*own, *method.fixed} - {*names, *cls.parameters})
    if unknown:
        raise ValueError(f"grid={own!r} of {cls.name} is not valid: {unknown} "
                         f"are not among its parameters {names}")
    found = {}
    for name, default in cls.parameters.items():
        values = method.fixed.get(
            name, own.get(name, STEPS.get(name, default)))
        values = values if isinstance(values, list) else [values]
        found[name] = [
            value if "," in name else as_number(value, default[0])
            for value in values]
        for value in found[name]:
            _constraint(cls, name)(name, value)
            _check_least(method, name, value)
    return found


def _constraint(cls, name):
    return getattr(cls, "constraints", {}).get(name, lambda name, value: None)


def _check_least(method, name, value):
    least = getattr(method.cls, "least", {}).get(name)
    if least is not None and name not in method.fixed:
        checks.at_least(least)(name, value)


def key(parameters):
    """What tells configurations of a method apart."""
    return tuple(sorted((name, repr(as_number(value)))
                        for name, value in parameters.items()))


def first(method, n):
    """The first grid: at most n configurations.

    A grid that has more is thinned. All pairs of step sizes then stay, as far
    as n allows, and the other parameters take turns, such that each value is
    met about as often as any other.

    Returns
    -------
    list of dict
    """
    values = axes(method)
    steps = [name for name in STEPS if name in values]
    cells = _product({name: values[name] for name in steps})
    others = _product({name: values[name] for name in values
                       if name not in steps})
    # The same for each run of the command.
    rng = np.random.default_rng(zlib.crc32(method.name.encode()))
    if len(cells) * len(others) > n:
        rng.shuffle(cells)
        rng.shuffle(others)
    return [{**cell, **others[(i + turn) % len(others)]}
            for turn in range(len(others))
            for i, cell in enumerate(cells)][:n]


def _product(values):
    """All combinations; parameters that are given together stay so."""
    found = []
    for combination in itertools.product(*values.values()):
        parameters = {}
        for names, value in zip(values, combination, strict=True):
            if "," in names:
                parameters.update(zip(map(str.strip, names.split(",")), value,
                                      strict=True))
            else:
                parameters[names] = value
        found.append(parameters)
    return found


def more(method, tried, best, n):
    """Configurations to try next, around the best so far.

    First those beyond the edge of the grid, if the best is at it; then its
    neighbours; then values half-way to them.

    Parameters
    ----------
    method : suite.Method
    tried : list of dict
        Configurations that have been tried.
    best : dict or None
        The best of them. If all diverged, the smallest step is taken for it.
    n : int
        How many at most.

    Returns
    -------
    list of dict
        Possibly empty: nothing is left to try, or there is a single
        configuration.
    """
    grown = _growing(method, tried)
    if best is None:
        best = min(tried, key=lambda p: (
            p.get("step_size", 0.0), -p.get("outer_ratio", 0.0)))
    beyond, beside, between = [], [], []
    for name, (values, ratio) in grown.items():
        place = values.index(best[name])
        for side, factor in ((-1, 1 / ratio), (1, ratio)):
            at_edge = not 0 <= place + side < len(values)
            if at_edge:
                value = rounded(best[name] * factor, best[name])
                beyond.append({**best, name: value})
                if set(STEPS) <= set(grown) and name in STEPS:
                    # The same step of x, from another step of z.
                    other, = set(STEPS) - {name}
                    beyond.append({**best, name: value, other: rounded(
                        best[other] * factor, 1.0)})
                continue
            neighbour = values[place + side]
            beside.append({**best, name: neighbour})
            half = rounded(math.sqrt(best[name] * neighbour), best[name])
            if abs(math.log(neighbour / best[name])) > math.log(2):
                between.append({**best, name: half})
    known = {key(parameters) for parameters in tried}
    found = []
    for parameters in [*beyond, *beside, *between]:
        if key(parameters) not in known and allowed(method, parameters):
            known.add(key(parameters))
            found.append(parameters)
    return found[:n]


def smaller(method, parameters):
    """The same with a third of the step of x, and of all steps.

    Parameters
    ----------
    method : suite.Method
    parameters : dict

    Returns
    -------
    list of dict
        Without what is fixed, or not allowed; empty for a method without
        steps.
    """
    found = [
        {**parameters, name: rounded(parameters[name] * factor, 1.0)}
        for name, factor in (("outer_ratio", 10**0.5), ("step_size", 10**-0.5))
        if name in parameters and name not in method.fixed]
    return [p for p in found if allowed(method, p)]


def _growing(method, tried):
    """Parameters whose values grow, with those tried and their ratio."""
    found = {}
    for name, values in axes(method).items():
        numbers = [v for v in values if checks.is_number(v) and v > 0]
        # What was typed is not left; a choice of one value is none.
        if len(numbers) < 2 or len(numbers) < len(values) or (
                name in method.fixed):
            continue
        ends = sorted(numbers)
        ratio = (ends[-1] / ends[0]) ** (1 / (len(ends) - 1))
        found[name] = sorted({p[name] for p in tried}), ratio
    return found


def rounded(value, like):
    """To 1, 1.8, 3.2 or 5.6 times a power of ten, or to an integer >= 1.

    Grids of different methods, and what is between their values, thus have
    the same numbers.
    """
    if checks.is_number(like, int):
        return max(1, round(value))
    return float(f"{10 ** (round(4 * math.log10(value)) / 4):.2g}")


def allowed(method, parameters):
    """Whether each of the parameters is one that the method takes."""
    try:
        for name, value in parameters.items():
            _constraint(method.cls, name)(name, value)
            _check_least(method, name, value)
    except ValueError:
        return False
    return True
