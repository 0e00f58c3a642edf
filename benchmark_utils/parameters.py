"""How parameters are read and named, the same for everything that has some.

benchopt takes parameters as they are typed, and YAML reads ``1e-3`` as text:
a number wherever a number is meant is one here, and has one name.
"""
import numbers

from benchmark_utils import checks

_EXACT = 2**53  # Up to here, floats hold all integers.


def as_number(value, default=None):
    """A number, if one is meant and the value can be read as one.

    Parameters
    ----------
    value : object
        As typed or as YAML has it: text that ``float`` reads, a number of
        any type, a list of these, or anything else.
    default : object, optional
        What the parameter is where it is not given. A number is meant if
        this is a number, or None. If it is an integer, a value that is whole
        becomes one; if it is a float, any number becomes one.

    Returns
    -------
    object
        A plain float or int, or the value as it is: a check then says what
        is allowed.
    """
    if isinstance(default, (list, tuple)) and isinstance(value, (list, tuple)):
        inside = default[0] if len(default) else None
        return type(value)(as_number(entry, inside) for entry in value)
    if default is not None and not checks.is_number(default):
        return value
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    elif not checks.is_number(value):
        return value
    if isinstance(default, float) or not isinstance(value, numbers.Integral):
        try:
            value = float(value)
        except OverflowError:  # More than 308 digits: the check will say so.
            return value
        # A float where an integer is meant, such as 1e3.
        whole = value.is_integer() and abs(value) < _EXACT
        meant = isinstance(default, numbers.Integral)
        return int(value) if whole and meant else value
    return int(value)


def without_dot(value):
    """Text of a parameter in a name that becomes a file's.

    benchopt cuts the name of a figure at its last dot, so that 0.5 is
    written as 5e-1, which ``float`` reads as well, and 2.0 as 2.
    """
    if checks.is_number(value, float):
        text = repr(float(value))
        digits, _, exponent = text.partition("e")
        whole, _, decimals = digits.partition(".")
        decimals = decimals.rstrip("0")
        power = int(exponent or 0) - len(decimals)
        if not (whole + decimals).lstrip("-").isdigit():
            return text  # NaN or infinity.
        sign = "-" if whole.startswith("-") else ""
        digits = (whole + decimals).lstrip("-").lstrip("0") or "0"
        return f"{sign}{digits}" + (f"e{power}" if power else "")
    if isinstance(value, (list, tuple)):
        brackets = "[]" if isinstance(value, list) else "()"
        return brackets[0] + ",".join(map(without_dot, value)) + brackets[1]
    return str(value).replace(".", "-").replace("/", "-")


class ReadsNumbers:
    """What has parameters, some of them numbers: before benchopt's class."""

    def save_parameters(self, **parameters):
        """benchopt's hook, called with what was typed."""
        defaults = {
            name: next(iter(values), None)
            for name, values in type(self).parameters.items()}
        super().save_parameters(**{
            name: as_number(value, defaults.get(name))
            for name, value in parameters.items()})


class NamesFiles(ReadsNumbers):
    """Parameters whose values are in the names of figures."""

    @property
    def parameter_template(self):
        """benchopt's hook: the parameters in the name of an instance."""
        text = ",".join(
            f"{name}={without_dot(value)}"
            for name, value in sorted(self._parameters.items()))
        return text.replace("{", "{{").replace("}", "}}")
