"""A package that is missing is one line, with what to install."""
import ast
import re
import sys

import pytest
from harness import ROOT, copy_suite, run

from benchmark_utils import checks
from benchmark_utils.optional import NeedsPackage


class Base:
    name = "Mine"
    requirements = None

    @classmethod
    def is_installed(cls, **options):
        return options


class Missing(NeedsPackage, Base):
    package = "no_such_package"
    requirements = ["pip::no-such-package", "channel::another"]


class There(NeedsPackage, Base):
    package = "numpy"


def test_what_is_there_is_installed():
    assert There.is_installed() is True
    assert There.is_installed(raise_on_not_installed=True, reload=True) is True


def test_what_is_missing_is_said_once(caplog):
    checks.warn_once.cache_clear()
    for options in ({}, {}, {"quiet": True}, {"reload": True}):
        assert Missing.is_installed(**options) is False
    assert [record.getMessage() for record in caplog.records] == [
        "Mine is left out: pip install no-such-package another"]
    with pytest.raises(ImportError, match="pip install no-such-package"):
        Missing.is_installed(raise_on_not_installed=True)


def test_another_environment_is_benchopts_affair():
    options = Missing.is_installed(env_name="other", quiet=True)
    assert options == {"env_name": "other", "quiet": True,
                       "raise_on_not_installed": None}


def test_it_is_found_once_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert not Missing.is_installed(quiet=True)
    (tmp_path / "no_such_package.py").touch()
    assert Missing.is_installed(quiet=True, reload=True)


REQUIRED = {"sklearn": "scikit-learn"}


@pytest.mark.parametrize("place", ["solvers", "datasets", "benchmark_utils"])
def test_nothing_that_may_be_missing_is_imported_at_the_top(place):
    names = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(),
                       re.MULTILINE)
    # What comes with Numba and with benchopt.
    known = {*names, *sys.stdlib_module_names, "benchmark_utils", "llvmlite",
             "click", "joblib", "pandas", "matplotlib", "yaml"}
    for file in (ROOT / place).rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            for module in modules:
                package = module.partition(".")[0]
                assert REQUIRED.get(package, package) in known, file


def test_a_run_without_it(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    solver = suite / "solvers" / "optuna_tpe.py"
    solver.write_text(solver.read_text().replace(
        'package = "optuna"', 'package = "no_such_package"'))
    code, text = run(
        ["-m", "benchopt", "run", ".", "-s", "Optuna", "-s", "L-BFGS",
         "-n", "2", "--no-plot", "-d", "quadratic[n_inner=8,n_outer=8]"],
        suite)
    assert code == 0 and "done" in text, text
    assert text.count("Optuna is left out: pip install optuna") == 1
    assert "Traceback" not in text and "not installed" in text


IN_TORCH = """
import numpy as np

from benchmark_utils.functions.differentiable import Differentiable, torch
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem


class Dataset(BilevelDataset):
    name = "in_torch"

    def get_problem(self):
        G = Differentiable(
            lambda z, x, a: torch.exp(z @ a) + x @ z, (np.eye(3),),
            np.zeros(3), np.zeros(3), library="torch")
        return BilevelProblem(G, G, G.inner_start, G.outer_start)
"""


def test_a_loss_in_torch_without_it(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    (suite / "datasets" / "in_torch.py").write_text(IN_TORCH)
    (tmp_path / "torch.py").write_text("raise ImportError('it is not here')")
    code, text = run(
        ["-m", "benchopt", "run", ".", "-s", "L-BFGS", "-n", "2", "--no-plot",
         "-d", "in_torch", "-d", "quadratic[n_inner=8,n_outer=8]"],
        suite, PYTHONPATH=str(tmp_path))
    assert code == 0 and "done" in text, text
    assert ("in_torch: PyTorch is needed, and cannot be imported (it is not "
            "here): pip install 'torch>=2.4'") in " ".join(text.split())
    assert "Traceback" not in text
