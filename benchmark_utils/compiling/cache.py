"""Where compiled code is kept, and when it may be used again.

Numba's disk cache notices an edit of the file that defines a compiled
function, but not of the kernels that this function calls from other files. It
is therefore given another key: a fingerprint of the function and of all that
it calls in this suite. An edit compiles again what calls it, and nothing else;
a copy of the suite in another folder may share the cache.
"""
import hashlib
import os
import pickle
import tempfile
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType

import llvmlite
import numba
import numpy as np
from numba.core import caching
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.serialize import dumps

_ROOT = Path(__file__).resolve().parents[2]
# What no fingerprint sees: how a compiled call finds its kernel, and the
# fields of what is handed to compiled code.
_CONVENTIONS = ["benchmark_utils/compiling/cache.py",
                "benchmark_utils/compiling/compiled.py",
                "benchmark_utils/compiling/indirect.py",
                "benchmark_utils/methods/sampling.py"]


def hash_of(files):
    """Hash of names and contents of files, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).relative_to(_ROOT).as_posix().encode())
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def writable_folder(name):
    """A folder for compiled code: the user's choice, the suite, or /tmp.

    Parameters
    ----------
    name : str
        Of the folder in ``$NUMBA_CACHE_DIR`` or ``__cache__/numba``.

    Returns
    -------
    str
        Empty where nothing can be written.
    """
    candidates = [
        os.environ.get("NUMBA_CACHE_DIR"),
        _ROOT / "__cache__" / "numba",
        Path(tempfile.gettempdir()) / f"benchmark_bilevel_{os.getuid()}"
        if hasattr(os, "getuid") else None,
    ]
    for candidate in filter(None, candidates):
        folder = Path(candidate) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    return ""


_FOLDER = writable_folder(hash_of(_ROOT / name for name in _CONVENTIONS))


def fingerprint(function):
    """Hash of a function and of what it calls in this suite.

    Bytecode, constants, options of the compiler, and the values of global
    numbers; the same for compiled and plain functions and intrinsics that it
    names, also as attributes of modules of this suite. Comments and places in
    a file do not count. What comes from other packages does not either:
    Numba's version is part of the key of its cache.

    Parameters
    ----------
    function : function or dispatcher

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    seen, pending = set(), [function]
    while pending:
        current = pending.pop()
        options = getattr(current, "targetoptions", {})
        current = getattr(current, "py_func", current)
        if current in seen:
            continue
        seen.add(current)
        digest.update(repr((
            current.__qualname__,
            sorted((key, str(sorted(value) if isinstance(value, set)
                             else value)) for key, value in options.items()),
        )).encode())
        for name, value in _names(current, digest):
            if isinstance(value, _Intrinsic):
                value = value._defn
            if isinstance(value, Dispatcher) or (
                    isinstance(value, FunctionType) and _is_ours(value)):
                pending.append(value)
            elif isinstance(value, np.ndarray):
                digest.update(value.tobytes())
            elif isinstance(value, (int, float, str, tuple, np.generic)):
                digest.update(f"{name}={value!r}".encode())
    return digest.hexdigest()


def _names(function, digest):
    """Names in a function and their values; its code goes to ``digest``."""
    codes = [function.__code__]
    for code in codes:  # Grows by the functions defined within.
        constants = [c for c in code.co_consts if not hasattr(c, "co_code")]
        codes += [c for c in code.co_consts if hasattr(c, "co_code")]
        digest.update(code.co_code + repr(
            (constants, code.co_names, code.co_varnames)).encode())
        for name in code.co_names:
            value = function.__globals__.get(name)
            yield name, value
            if isinstance(value, ModuleType) and _is_ours(value):
                yield from ((inner, getattr(value, inner, None))
                            for inner in code.co_names)
    for cell in function.__closure__ or ():
        yield "cell", cell.cell_contents


def _is_ours(value):
    """Whether a plain function or a module is of this suite."""
    if isinstance(value, FunctionType):
        file = value.__code__.co_filename
    elif isinstance(value, ModuleType):
        file = getattr(value, "__file__", None) or ""
    else:
        return False
    path = Path(file)
    # An environment may lie in the suite's folder.
    return _ROOT in path.parents and (
        "site-packages" not in path.relative_to(_ROOT).parts)


class _Locator(caching._CacheLocator):
    """The place of a version of a function: a folder for each of ours."""

    def __init__(self, function, file):
        folder = Path(file).resolve().parent
        if _ROOT in folder.parents:
            folder = folder.relative_to(_ROOT)
        self.path = os.path.join(_FOLDER, *folder.parts[-2:])
        self.version = fingerprint(function)[:16]

    def get_cache_path(self):
        return self.path

    def get_source_stamp(self):
        return self.version

    def get_disambiguator(self):
        return self.version

    @classmethod
    def from_function(cls, function, file):
        return cls(function, file)


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _Files:
    """One file a signature, written whole or not at all.

    Numba's own index numbers its files, and two processes that compile at
    once may give one number to two signatures: the wrong one is then run.
    """

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name

    def _path(self, key):
        key = repr((numba.__version__, llvmlite.__version__, key))
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.folder / f"{self.name}.{digest}.nbc"

    def save(self, key, data):
        data = dumps(data)
        with tempfile.NamedTemporaryFile(
                dir=self.folder, delete=False) as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(file.name, self._path(key))

    def load(self, key):
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        # Damaged machine code would end the interpreter.
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            return None
        return pickle.loads(data[32:])

    def flush(self):
        for file in self.folder.glob(f"{self.name}.*.nbc"):
            file.unlink(missing_ok=True)


class _Entries(caching.Cache):
    _impl_class = _Implementation

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base)


class Cache(caching._Cache):
    """Disk cache of a compiled function, for ``Dispatcher._cache``.

    It is opened when the function is first compiled: what it calls may be
    defined after it.

    Parameters
    ----------
    function : function
        The one that is compiled.
    """

    def __init__(self, function):
        self.function = function

    @cached_property
    def entries(self):
        return _Entries(self.function)

    @property
    def cache_path(self):
        return self.entries.cache_path

    def load_overload(self, sig, target_context):
        if not _FOLDER:
            return None
        try:
            return self.entries.load_overload(sig, target_context)
        except Exception:  # A cache that cannot be read is no cache.
            return None

    def save_overload(self, sig, data):
        if _FOLDER:
            try:
                self.entries.save_overload(sig, data)
            except OSError:
                pass  # A full disk: it is compiled again next time.

    def enable(self):
        self.entries.enable()

    def disable(self):
        self.entries.disable()

    def flush(self):
        self.entries.flush()
