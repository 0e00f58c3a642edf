"""Solvers and datasets of a package that may be missing."""
from importlib import import_module, invalidate_caches
from importlib.util import find_spec

from benchmark_utils import checks


class NeedsPackage:
    """What one line leaves out where its package is missing.

    An import at the top of a file makes benchopt print a traceback into each
    run. Inherit from this class first, import the package in the methods that
    use it, and name it in ``package``; ``requirements`` says how it is
    installed, by ``benchopt install`` too.
    """

    package = None

    @classmethod
    def is_installed(cls, env_name=None, raise_on_not_installed=None,
                     quiet=False, **options):
        """As in benchopt; ImportError if asked for."""
        if env_name is not None:  # That of another interpreter.
            return super().is_installed(
                env_name=env_name, quiet=quiet,
                raise_on_not_installed=raise_on_not_installed, **options)
        invalidate_caches()
        try:
            if find_spec(cls.package) is not None:
                return True
        except ImportError:
            pass
        to_install = " ".join(
            requirement.rpartition("::")[2]
            for requirement in cls.requirements or [cls.package])
        message = f"{cls.name} is left out: pip install {to_install}"
        if raise_on_not_installed:
            raise ImportError(message)
        if not quiet:
            checks.warn_once(message)
        return False


class Later:
    """A module that is imported when something in it is first used.

    Parameters
    ----------
    name : str
        For instance "jax.numpy".
    """

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        module = import_module(self._name)
        try:
            value = getattr(module, attribute)
        except AttributeError:
            value = import_module(f"{self._name}.{attribute}")
        setattr(self, attribute, value)
        return value
