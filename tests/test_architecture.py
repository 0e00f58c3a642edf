"""Who may import what: docs/architecture.md, as a test."""
import ast

import pytest
from harness import ROOT

UTILS = ROOT / "benchmark_utils"

# What must not be imported, by the folder or file that must not.
FORBIDDEN = {
    "solvers": ["datasets", "plots", "objective", "benchmark_utils.dataset",
                "benchmark_utils.reference", "benchmark_utils.reporting",
                "benchmark_utils.logistic", "benchmark_utils.quadratic",
                "benchmark_utils.multinomial",
                "benchmark_utils.sparse_logistic"],
    "datasets": ["solvers", "plots", "objective", "benchmark_utils.solver",
                 "benchmark_utils.oracles", "benchmark_utils.estimators",
                 "benchmark_utils.reporting"],
    "plots": ["solvers", "datasets", "objective", "numba",
              "benchmark_utils.solver", "benchmark_utils.oracles"],
    "benchmark_utils": ["solvers", "datasets", "plots", "objective",
                        "benchmark_utils.reporting"],
    "objective.py": ["solvers", "datasets", "plots",
                     "benchmark_utils.solver", "benchmark_utils.oracles"],
}
# The metrics share no code with what they judge.
INDEPENDENT = ["numba", "benchopt", "benchmark_utils"]
# Only these know benchopt.
BENCHOPT = {"solver.py", "dataset.py", "stopping.py"}


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
    for file in [path] if path.is_file() else path.glob("*.py"):
        for name in imports(file):
            for module in FORBIDDEN[place]:
                assert not within(name, module), f"{file} imports {name}"


def test_metrics_are_independent_of_what_they_judge():
    for name in imports(UTILS / "reference.py"):
        for module in INDEPENDENT:
            assert not within(name, module), f"reference.py imports {name}"


def test_only_the_base_classes_know_benchopt():
    for file in UTILS.glob("*.py"):
        knows = any(within(name, "benchopt") for name in imports(file))
        assert not knows or file.name in BENCHOPT, file


def test_no_solver_imports_another():
    for file in (ROOT / "solvers").glob("*.py"):
        for name in imports(file):
            assert not within(name, "solvers"), f"{file} imports {name}"


def test_no_import_cycles():
    modules = {f"benchmark_utils.{f.stem}": f for f in UTILS.glob("*.py")}
    graph = {
        module: {name for name in imports(file) if name in modules}
        for module, file in modules.items()}
    done = set()
    while len(done) < len(graph):
        ready = {m for m in graph if m not in done and graph[m] <= done}
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready
