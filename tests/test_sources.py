"""Which imports are followed: those that change without a version."""
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT

from benchmark_utils import sources
from benchmark_utils.sources import imported_by, is_installed


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder on Python's path, of which nothing is known yet."""
    monkeypatch.syspath_prepend(tmp_path)
    sources._locate.cache_clear()
    yield tmp_path
    sources._locate.cache_clear()


def test_what_is_installed():
    assert is_installed(np.__file__) and is_installed(importlib.util.__file__)
    assert is_installed(None) and is_installed("<frozen importlib._bootstrap>")
    assert not is_installed(__file__) and not is_installed("<string>")


def test_solvers_of_the_suite_import_nothing_beside_it():
    for folder in ("solvers", "datasets"):
        assert imported_by(*(ROOT / folder).glob("*.py")) == ""


@pytest.mark.parametrize("statement", [
    "import beside_a", "import numpy, beside_a as other",
    "from beside_a import something", "x = 1; import beside_a",
    "def f():\n    from beside_a import (\n        # (a)\n        x)",
    "if True: import beside_a", "from beside_p import deep",
    "from beside_p.deep import x", "import beside_p.deep",
    "from beside_p import relative", "import beside_p.up.further"])
def test_an_edit_is_seen(beside, statement):
    """However it is imported; and nothing of it is run."""
    (beside / "beside_p" / "up").mkdir(parents=True)
    (beside / "beside_p" / "__init__.py").write_text("raise SystemExit\n")
    (beside / "beside_p" / "up" / "__init__.py").write_text("")
    (beside / "beside_p" / "relative.py").write_text("from . import deep\n")
    (beside / "beside_p" / "up" / "further.py").write_text(
        "from ..deep import x\n")
    deep = beside / "beside_p" / "deep.py"
    deep.write_text("x = 1\n")
    (beside / "beside_a.py").write_text("from beside_p.deep import x\n")
    solver = beside / "solver.py"
    solver.write_text(statement + "\n")
    first = imported_by(solver)
    assert first and imported_by(solver) == first
    deep.write_text("x = 2\n")
    assert imported_by(solver) != first
    assert not any(name.startswith("beside") for name in sys.modules)


def test_text_that_looks_like_an_import(beside):
    solver = beside / "solver.py"
    solver.write_text(
        '"""Steps\n\nfrom the paper, import of nothing\n"""\nimport numpy\n')
    assert imported_by(solver) == ""
    solver.write_bytes("import kaputt (\n# \xe9".encode("latin-1"))
    assert imported_by(solver) == ""


def test_a_package_that_is_installed_in_place(beside, monkeypatch):
    """Its finder knows where it is; no folder of Python's path does."""
    place = beside / "elsewhere" / "src" / "in_place.py"
    place.parent.mkdir(parents=True)
    place.write_text("x = 1\n")

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "in_place":
                return importlib.util.spec_from_file_location(name, place)
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    solver = beside / "solver.py"
    solver.write_text("import in_place\n")
    first = imported_by(solver)
    place.write_text("x = 2\n")
    assert "" != first != imported_by(solver)


def test_files_of_another_environment_are_installed(tmp_path):
    file = tmp_path / "venv" / "lib" / "site-packages" / "a.py"
    assert is_installed(str(file))
    assert not is_installed(str(Path(tmp_path, "a.py")))
