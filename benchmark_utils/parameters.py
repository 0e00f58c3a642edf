"""How parameters are read and named, the same for everything that has some.

benchopt takes parameters as they are typed, and YAML reads ``1e-3`` as text:
a number wherever a number is meant is one here, and has one name.
"""
import numbers
import re

from benchmark_utils import checks

_EXACT = 2**53  # Up to here, floats hold all integers.
# What has a meaning in names of files, in URLs, or in names of benchopt.
_SPECIAL = re.compile(r"[^\w +@()-]")


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
    written as 5e-1, which ``float`` reads as well, and 2.0 as 2. In text, a
    character that a file or a list of parameters cannot have is ~ and its
    code, as % and its code are in a URL: two texts never become one.
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
        return brackets[0] + ",".join(
            without_dot(entry) or "~" for entry in value) + brackets[1]
    return _SPECIAL.sub(
        lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode(
            errors="surrogatepass")), str(value))


#: Names of what was made in this process, and the parameters behind them.
_named = {}


def namesake(instance):
    """Say which other parameters have the name of an instance.

    Results are told apart by names, and benchopt writes values as text: None
    and "None", for instance, are one.

    Parameters
    ----------
    instance : ReadsNumbers

    Returns
    -------
    str or None
        Why the instance cannot be run beside the other one, which was there
        first.
    """
    parameters = instance._parameters
    key = type(instance), str(instance)
    first = _named.setdefault(key, parameters)
    for name, value in parameters.items():
        if not _equal(value, first.get(name)):
            return (f"{name}={value!r} and {name}={first.get(name)!r} have "
                    f"one name, {instance}: leave one of them out")
    return None


def _equal(one, other):
    if repr(one) == repr(other):
        return True
    try:
        return bool(one == other)
    except ValueError:  # Arrays.
        return False


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
