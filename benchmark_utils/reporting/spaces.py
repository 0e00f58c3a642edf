"""Where parameters are searched, and points in it.

Each method with a step size searches ``STEPS``; what belongs to a method is in
the attribute ``search_space`` of its class, such as

    search_space = {"eta": (0.01, 10.0), "n_neumann_steps": (5, 100),
                    "variant": ["a", "b"]}
    least = {"eta": 0.001}

A tuple is a range, on a logarithmic scale, which is left where the best lies
at its end, but for values that ``constraints`` refuse or that are below
``least``, where a smaller value makes another method of it. A list has
choices. A parameter that is in neither keeps its default.
"""
import math
import zlib

from scipy.stats import qmc

from benchmark_utils import checks
from benchmark_utils.parameters import as_number

STEPS = {"step_size": (0.03, 10.0), "outer_ratio": (1e-4, 100.0)}


class Space:
    """The search space of a method.

    Parameters
    ----------
    method : suite.Method
        What was typed of its parameters is not searched.

    Attributes
    ----------
    axes : dict of {str: tuple or list}
        Ranges (low, high) and choices of each parameter.

    Raises
    ------
    ValueError
        If the attribute ``search_space`` has an unknown parameter, or a value
        that is not allowed.
    """

    def __init__(self, method):
        cls, self.name = method.cls, method.name
        self._check = getattr(cls, "constraints", {})
        self._least = {name: value for name, value
                       in getattr(cls, "least", {}).items()
                       if name not in method.fixed}
        if hasattr(cls, "grid"):
            raise ValueError(
                f"grid of {cls.name} is not valid: it is search_space now, "
                "with ranges (low, high) or lists of choices")
        own = getattr(cls, "search_space", {})
        names = [name.strip()
                 for key in cls.parameters for name in key.split(",")]
        unknown = sorted({*own, *method.fixed} - {*names, *cls.parameters})
        if unknown:
            raise ValueError(
                f"search_space={own!r} of {cls.name} is not valid: {unknown} "
                f"are not among its parameters {names}")
        self.axes, self.default = {}, {}
        self._integers = {name for name, (default, *_)
                          in cls.parameters.items()
                          if checks.is_number(default, int)}
        for name, (default, *_) in cls.parameters.items():
            values = method.fixed.get(
                name, own.get(name, STEPS.get(name, [default])))
            if isinstance(values, tuple):
                values = tuple(as_number(value, default) for value in values)
                if len(values) != 2 or not 0 < values[0] < values[1]:
                    raise ValueError(
                        f"search_space: {name}={values!r} of {cls.name} is "
                        "not valid: (low, high) with 0 < low < high is needed")
            else:
                values = [value if "," in name else as_number(value, default)
                          for value in (values if isinstance(values, list)
                                        else [values])]
            for value in values:
                self._checked(name, value)
            self.axes[name] = values
            within = isinstance(values, tuple) or default in values
            self.default[name] = default if within and self._is_allowed(
                {name: default}) else values[0]

    def _checked(self, name, value):
        if name in self._check:
            self._check[name](name, value)
        if name in self._least:
            checks.at_least(self._least[name])(name, value)

    def points(self, n, known=(), best=None, halvings=0):
        """Points that cover the space evenly: scrambled Sobol' points.

        I. M. Sobol', 1967; A. B. Owen, 1995. The same for each run of the
        command.

        Parameters
        ----------
        n : int
            How many at most: choices alone may have fewer.
        known : iterable of dict
            What is left out.
        best : dict, optional
            With ``halvings``: ranges are halved so often around it, and half
            of the points have its choices.
        halvings : int

        Returns
        -------
        list of dict
        """
        free = [name for name, values in self.axes.items() if len(values) > 1]
        seen, found = {key(p) for p in known}, []
        if not seen and n:
            found.append(self._flat(self.default))
            seen.add(key(found[0]))
        sampler = qmc.Sobol(max(1, len(free)), rng=zlib.crc32(
            f"{self.name} {halvings}".encode()))
        # A space of few points is met again and again: an end to it.
        for u in sampler.random_base2(math.ceil(math.log2(8 * max(1, n)))):
            if len(found) >= n:
                break
            point = dict(self.default)
            for name, share in zip(free, u, strict=False):
                point[name] = self._value(name, share, best, halvings)
            point = self._flat(point)
            if key(point) not in seen and self._is_allowed(point):
                seen.add(key(point))
                found.append(point)
        return found

    def _value(self, name, share, best, halvings):
        """The value of a parameter at a share of its axis, from 0 to 1."""
        values = self.axes[name]
        if isinstance(values, list):
            if best is not None and "," not in name:
                # Half of the points keep the choice.
                values = [best[name]] * len(values) + values
            return values[min(int(share * len(values)), len(values) - 1)]
        low, high = self._halved(name, best, halvings)
        value = low * (high / low) ** share
        return max(1, round(value)) if name in self._integers else float(
            f"{value:.2g}")

    def _halved(self, name, best, halvings):
        """A range around the best, which may lie beyond that of the file."""
        low, high = self.axes[name]
        if best is None:
            return low, high
        half = (high / low) ** (0.5 ** (halvings + 1))
        new_low, new_high = best[name] / half, best[name] * half
        if not self._is_allowed({name: new_low}):
            new_low = max(low, new_low)
        if not self._is_allowed({name: new_high}):
            new_high = min(high, new_high)
        return new_low, new_high

    def _is_allowed(self, parameters):
        try:
            for name, value in parameters.items():
                integer = name in self._integers and checks.is_number(value)
                self._checked(name, int(value) if integer else value)
        except ValueError:
            return False
        return True

    @staticmethod
    def _flat(point):
        """Parameters that are given together, one by one."""
        found = {}
        for names, value in point.items():
            if "," in names:
                found.update(zip(map(str.strip, names.split(",")), value,
                                 strict=True))
            else:
                found[names] = value
        return found

    def edges(self, parameters):
        """Values at an end of a range that is not left, with the reason.

        Returns
        -------
        list of str
        """
        return [
            f"{name}={parameters[name]} of {values[0]} to {values[1]}"
            for name, values in self.axes.items()
            if isinstance(values, tuple) and name in parameters and not (
                1.05 * values[0] <= parameters[name] <= values[1] / 1.05)]

    def smallest(self, tried):
        """The most careful of what has been tried: the smallest step of x."""
        return min(tried, key=lambda p: (
            p.get("step_size", 0.0) / p.get("outer_ratio", 1.0)))


def key(parameters):
    """What tells configurations of a method apart."""
    return tuple(sorted((name, repr(as_number(value)))
                        for name, value in parameters.items()))
