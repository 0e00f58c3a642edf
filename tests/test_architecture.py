"""Who may import what: the folders of the tree are its layers."""
import ast

import pytest
from harness import ROOT

UTILS = ROOT / "benchmark_utils"
KINDS = [
    f"benchmark_utils.functions.{file.stem}"
    for file in (UTILS / "functions").iterdir()
    if file.stem not in ("__init__", "oracles", "batches", "derivatives")]
RUNNERS = ["solvers", "datasets", "plots", "objective"]

# What must not be imported, by the folder or file that must not.
FORBIDDEN = {
    "solvers": ["datasets", "plots", "objective", "benchmark_utils.dataset",
                "benchmark_utils.problem", "benchmark_utils.reference",
                "benchmark_utils.reporting", *KINDS],
    "datasets": ["solvers", "plots", "objective", "benchmark_utils.methods",
                 "benchmark_utils.functions.oracles",
                 "benchmark_utils.reporting"],
    "plots": ["solvers", "datasets", "objective", "numba",
              "benchmark_utils.methods", "benchmark_utils.functions"],
    "objective.py": ["solvers", "datasets", "plots",
                     "benchmark_utils.methods", "benchmark_utils.functions"],
    "benchmark_utils": [*RUNNERS, "benchmark_utils.methods",
                        "benchmark_utils.reporting",
                        "benchmark_utils.functions.oracles"],
    "benchmark_utils/functions": [
        *RUNNERS, "benchopt", "benchmark_utils.methods",
        "benchmark_utils.reporting", "benchmark_utils.problem",
        "benchmark_utils.dataset", "benchmark_utils.reference"],
    "benchmark_utils/methods": [
        *RUNNERS, "benchmark_utils.reporting", "benchmark_utils.problem",
        "benchmark_utils.dataset", "benchmark_utils.reference", *KINDS],
    "benchmark_utils/reporting": [
        "solvers", "datasets", "numba", "benchmark_utils.methods",
        "benchmark_utils.functions", "benchmark_utils.dataset"],
}
# The metrics share no code with what they judge.
INDEPENDENT = ["numba", "benchopt", "benchmark_utils"]
# Only these know benchopt.
BENCHOPT = {"methods/solver.py", "dataset.py", "stopping.py"}


def imports(file):
    """Full names of all modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name, module):
    return name == module or name.startswith(module + ".")


@pytest.mark.parametrize("place", sorted(FORBIDDEN))
def test_imports(place):
    path = ROOT / place
    files = [path] if path.is_file() else list(path.glob("*.py"))
    assert files, f"{place} has no files"
    for file in files:
        for name in imports(file):
            for module in FORBIDDEN[place]:
                assert not within(name, module), f"{file} imports {name}"


def test_metrics_are_independent_of_what_they_judge():
    files = list((UTILS / "reference").glob("*.py"))
    assert len(files) > 1
    for file in files:
        for name in imports(file):
            if not within(name, "benchmark_utils.reference"):
                for module in INDEPENDENT:
                    assert not within(name, module), f"{file} imports {name}"


def test_only_the_base_classes_know_benchopt():
    for file in UTILS.rglob("*.py"):
        place = file.relative_to(UTILS).as_posix()
        if not place.startswith("reporting/"):
            knows = any(within(name, "benchopt") for name in imports(file))
            assert not knows or place in BENCHOPT, file


def test_no_solver_imports_another():
    for file in (ROOT / "solvers").glob("*.py"):
        for name in imports(file):
            assert not within(name, "solvers"), f"{file} imports {name}"


def test_no_import_cycles():
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in UTILS.rglob("*.py") if file.name != "__init__.py"}
    graph = {
        module: {name for name in imports(file) if name in modules}
        for module, file in modules.items()}
    done = set()
    while len(done) < len(graph):
        ready = {m for m in graph if m not in done and graph[m] <= done}
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready
