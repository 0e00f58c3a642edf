"""What solvers and datasets share: one folder a concern.

- ``compiling``: how code is compiled, kept and called by its address;
- ``functions``: what is differentiated, one kind of function a folder;
- ``problems``: what datasets share;
- ``methods``: what solvers share;
- ``reference``: the exact solution, and the metrics;
- ``reporting``: from results tables to figures and choices of parameters.

The loose files tie them to benchopt: ``checks``, errors that name a parameter;
``parameters``, numbers as users write them; ``optional``, packages that may be
missing; ``sources``, code that changes without a version; ``stopping``, when a
run ends; ``moved``, old names of modules.

Imports run one way: solvers -> methods -> functions -> compiling; datasets ->
problems -> functions; objective -> reference.
"""
import hashlib
import os
from pathlib import Path

from benchmark_utils.moved import name_what_has_moved
from benchmark_utils.sources import imported_by

name_what_has_moved()

# Where the suite holds BLAS to one thread it does so by threadpoolctl, which
# does not know that of Apple. This variable does the same for it, but for all
# of the process, and read once: here, before anything of the suite computes.
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

_HERE = Path(__file__).resolve().parent


def source_hash():
    """Hash of the sources of this package, as 16 hexadecimal digits.

    Also of what these import from outside the environment. The folder
    ``reporting`` is not part of it: it reads results and has no influence on
    them.
    """
    digest = hashlib.sha256()
    files = [path for path in sorted(_HERE.rglob("*.py"))
             if "reporting" not in path.relative_to(_HERE).parts]
    for path in files:
        digest.update(path.relative_to(_HERE).as_posix().encode())
        digest.update(path.read_bytes())
    digest.update(imported_by(*files).encode())
    return digest.hexdigest()[:16]


SOURCE_HASH = source_hash()
