"""What solvers and datasets share: functions, oracles, mini-batches, metrics.

Importing this package tells Numba where to keep compiled code. Numba's disk
cache notices an edit of the file that defines a compiled function, but not of
the kernels that this function calls from other files. The folder is therefore
named after a hash of every source in this package, so that an edited kernel
is never shadowed by what was compiled before.
"""
import hashlib
import os
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def source_hash():
    """Hash of the sources of this package, as 16 hexadecimal digits.

    The folder ``reporting`` is not part of it: it reads results and has no
    influence on them.
    """
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*.py")):
        if "reporting" in path.parts:
            continue
        digest.update(str(path.relative_to(_HERE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


SOURCE_HASH = source_hash()


def _numba_cache_dir():
    """First writable place among the user's choice, the suite, and /tmp."""
    candidates = [
        os.environ.get("NUMBA_CACHE_DIR"),
        _HERE.parent / "__cache__" / "numba",
        Path(tempfile.gettempdir()) / f"benchmark_bilevel_{os.getuid()}"
        if hasattr(os, "getuid") else None,
    ]
    for candidate in filter(None, candidates):
        folder = Path(candidate) / SOURCE_HASH
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except OSError:
            continue
    return ""  # Numba then falls back on its own choice.


try:
    from numba import config
except ImportError:  # Listing the benchmark does not need Numba.
    pass
else:
    # The module is executed anew whenever benchopt loads the benchmark.
    if SOURCE_HASH not in config.CACHE_DIR:
        config.CACHE_DIR = _numba_cache_dir()
