"""What solvers and datasets share, from the kernels up.

- ``functions``: what is differentiated, one kind of function a file;
- ``methods``: what solvers share;
- ``reporting``: from results tables to figures and choices of parameters;
- ``problem``, ``dataset``: a bilevel problem, and what makes one; ``images``:
  data hyper-cleaning; ``handwritten``, ``libsvm``: sets of images, and of
  LIBSVM; ``digest``: what was read,
  as part of the key of results that are kept;
- ``reference``: the exact metrics; ``stopping``: when a run ends;
- ``checks``: errors that name a parameter; ``optional``: packages that may be
  missing;
- ``compiled``, ``cache``: how code is compiled, and where it is kept.

Imports run one way: solvers -> methods -> functions -> compiled; datasets ->
functions, problem; objective -> reference.
"""
import hashlib
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def source_hash():
    """Hash of the sources of this package, as 16 hexadecimal digits.

    The folder ``reporting`` is not part of it: it reads results and has no
    influence on them.
    """
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*.py")):
        if "reporting" not in path.relative_to(_HERE).parts:
            digest.update(str(path.relative_to(_HERE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


SOURCE_HASH = source_hash()
