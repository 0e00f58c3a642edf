"""Where compiled code is kept, and when it may be used again.

Numba's disk cache notices an edit of the file that defines a compiled
function, but not of what this function calls or uses from other files. It is
therefore replaced by one whose key is a fingerprint (``fingerprint``). An edit
compiles again what depends on it, and nothing else; a copy of the suite in
another folder may share the cache.
"""
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba import config
from numba.core import caching
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from benchmark_utils import checks
from benchmark_utils.compiling.fingerprint import Undecided, fingerprint

_ROOT = Path(__file__).resolve().parents[2]
# What no fingerprint sees: how a compiled call finds its kernel, and the
# fields of what is handed to compiled code.
_CONVENTIONS = ["benchmark_utils/compiling/cache.py",
                "benchmark_utils/compiling/compiled.py",
                "benchmark_utils/compiling/fingerprint.py",
                "benchmark_utils/compiling/indirect.py"]
# Settings of Numba's, by environment variables, that change machine code.
_SETTINGS = ["OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK",
             "DEBUGINFO_DEFAULT", "USING_SVML", "USE_LEGACY_TYPE_SYSTEM",
             "LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS"]


def hash_of(files):
    """Hash of names and contents of files, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).relative_to(_ROOT).as_posix().encode())
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def writable_folder(name):
    """A folder for compiled code: the user's choice, the suite, or /tmp.

    What is read there is run. The folder is therefore this user's alone, and
    one that another user has made is passed over, which is said.

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
        os.environ.get("NUMBA_CACHE_DIR"), _ROOT / "__cache__" / "numba"]
    if hasattr(os, "geteuid"):
        candidates.append(Path(tempfile.gettempdir())
                          / f"benchmark_bilevel_{os.geteuid()}")
    for candidate in filter(None, candidates):
        folder = Path(candidate) / name
        try:
            # In /tmp anybody may have made the folder above it, too.
            if candidate is candidates[-1]:
                _make_private(folder.parent)
            _make_private(folder)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except PermissionError as error:
            if error.errno is None:  # From here, and not from the system.
                checks.warn_once(str(error))
        except OSError:
            pass
    return ""


def _make_private(folder):
    """Make a folder that nobody else can write to.

    Raises
    ------
    OSError
        If it cannot be made, or a file is in its place.
    PermissionError
        If it is another user's, or remains open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "geteuid"):
        return
    status = folder.lstat()  # Not what a link of another user points to.
    if _is_private(status) and stat.S_IMODE(status.st_mode) & 0o077:
        folder.chmod(0o700)
    elif not _is_private(status) and status.st_uid == os.geteuid() and (
            stat.S_ISDIR(status.st_mode)):
        folder.chmod(0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
        raise PermissionError(
            f"compiled code is not kept in {folder}: it is of user "
            f"{status.st_uid} with mode {stat.S_IMODE(status.st_mode):o}, a "
            f"folder of user {os.geteuid()} with mode 700 is needed")


def _is_private(status):
    """Whether a file is this user's, and nobody else can change it."""
    return not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid()
        and not stat.S_IMODE(status.st_mode) & 0o022)


_FOLDER = writable_folder(hash_of(_ROOT / name for name in _CONVENTIONS))


class Files:
    """One file a signature, written whole or not at all.

    Numba's own index numbers its files, and two processes that compile at
    once may give one number to two signatures: the wrong one is then run.

    Parameters
    ----------
    folder : Path or str
    name : str
        Of the function, with all that is the same for its signatures.
    """

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name

    def _path(self, key):
        key = repr((numba.__version__, llvmlite.__version__, np.__version__,
                    sys.implementation.cache_tag,
                    getattr(sys, "abiflags", ""),
                    [getattr(config, name, None) for name in _SETTINGS], key))
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.folder / f"{self.name}.{digest}.nbc"

    def save(self, key, data):
        data = dumps(data)
        _make_private(self.folder)
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115
            dir=self.folder, delete=False)
        try:
            with file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(file.name, self._path(key))
        except BaseException:  # No space; on Windows, somebody reads it.
            Path(file.name).unlink(missing_ok=True)
            raise

    def load(self, key):
        try:
            with self._path(key).open("rb") as file:
                if not (_is_private(self.folder.lstat())
                        and _is_private(os.fstat(file.fileno()))):
                    return None
                data = file.read()
        except OSError:
            return None
        # Damaged machine code would end the interpreter.
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            return None
        return pickle.loads(data[32:])

    def flush(self):
        for file in self.folder.glob(f"{self.name}.*.nbc"):
            file.unlink(missing_ok=True)


class Cache(caching._Cache):
    """Disk cache of a compiled function, for ``Dispatcher._cache``.

    It is opened when the function is first compiled: what it calls may be
    defined after it. What cannot be kept is compiled in each process.

    Parameters
    ----------
    dispatcher : dispatcher
        The function, with its options.
    """

    def __init__(self, dispatcher):
        self.dispatcher = dispatcher
        self.is_enabled = True

    @cached_property
    def files(self):
        """Those of this version of the function, or None."""
        function = self.dispatcher.py_func
        if not _FOLDER:
            return None
        try:
            version = fingerprint(self.dispatcher)[:16]
        except Exception as error:
            self._say_undecided(error)
            return None
        file = Path(function.__code__.co_filename).resolve()
        folder = file.parent
        if _ROOT in folder.parents:
            folder = folder.relative_to(_ROOT)
        name = "".join(c for c in function.__qualname__ if c not in "<>")
        return Files(Path(_FOLDER, *folder.parts[-2:]),
                      f"{file.stem}.{name}-{version}")

    def _say_undecided(self, error):
        checks.warn_once(
            f"{self.dispatcher.__name__} is compiled in each process: its "
            f"code cannot be kept, as it depends on {error}")

    def _key(self, signature, codegen):
        arguments, result = normalize_signature(signature)
        return fingerprint(tuple(arguments), result), codegen.magic_tuple()

    @property
    def cache_path(self):
        return self.files and str(self.files.folder)

    def load_overload(self, sig, target_context):
        """What has been kept for a signature, or None."""
        if not self.is_enabled or self.files is None:
            return None
        target_context.refresh()
        try:
            data = self.files.load(self._key(sig, target_context.codegen()))
            return data and CompileResult._rebuild(target_context, *data)
        except Exception:  # A cache that cannot be read is no cache.
            return None

    def save_overload(self, sig, data):
        """Keep what has been compiled, where that can be done."""
        # Addresses of this process: of ctypes, of a large global array.
        if data.library.has_dynamic_globals or not all(
                loop.can_cache for loop in data.lifted):
            return
        if not self.is_enabled or self.files is None:
            return
        try:
            key = self._key(sig, data.codegen)
            self.files.save(key, data._reduce())
        except Undecided as error:
            self._say_undecided(error)
        except OSError:
            pass  # A full disk: it is compiled again next time.

    def enable(self):
        self.is_enabled = True

    def disable(self):
        self.is_enabled = False

    def flush(self):
        if self.files is not None:
            self.files.flush()
