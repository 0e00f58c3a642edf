"""Who may import what: the folders of the tree are its layers."""
import ast
import importlib

import pytest
from harness import ROOT

UTILS = ROOT / "benchmark_utils"
KINDS = sorted(folder.name for folder in (UTILS / "functions").iterdir()
               if (folder / "__init__.py").exists())

# What each place may import of this suite, beside what is in it.
ALLOWED = {
    "objective.py": ["SOURCE_HASH", "checks", "parameters", "sources",
                     "stopping", "reference"],
    "solvers": ["checks", "optional", "compiling", "methods",
                "functions.oracles", "functions.batches"],
    "datasets": ["checks", "problems", "reference",
                 *(f"functions.{kind}" for kind in KINDS)],
    "plots": ["reporting"],
    "docs": ["reporting"],
    "benchmark_utils/compiling": ["checks", "sources"],
    "benchmark_utils/functions": ["checks", "optional", "compiling"],
    "benchmark_utils/problems": [
        "checks", "parameters", "sources",
        *(f"functions.{kind}" for kind in KINDS)],
    "benchmark_utils/methods": [
        "checks", "parameters", "sources", "compiling", "functions.oracles",
        "functions.batches"],
    # The metrics share no code with what they judge.
    "benchmark_utils/reference": [],
    "benchmark_utils/reporting": ["SOURCE_HASH", "checks", "parameters",
                                  "sources"],
}
# A kind of function stands alone: of its wing it has only the loose files.
ALLOWED |= {
    f"benchmark_utils/functions/{kind}": [
        "checks", "optional", "compiling", "optional",
        *(f"functions.{file.stem}"
          for file in (UTILS / "functions").glob("[a-z]*.py"))]
    for kind in KINDS}
LOOSE = [f"benchmark_utils/{file.name}" for file in UTILS.glob("[a-z]*.py")]
ALLOWED |= {file: ["checks", "parameters"] for file in LOOSE}
# Only these know benchopt, and only these Numba's or LLVM's internals.
BENCHOPT = ["benchmark_utils/reporting", "benchmark_utils/methods/solver.py",
            "benchmark_utils/problems/dataset.py",
            "benchmark_utils/problems/loading.py",
            "benchmark_utils/stopping.py"]
INTERNALS = ["benchmark_utils/compiling",
             "benchmark_utils/methods/sampling.py"]


def files_of(place):
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imports(file):
    """Full names of all that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name, modules):
    return any(name == module or name.startswith(module + ".")
               for module in modules)


@pytest.mark.parametrize("place", ALLOWED)
def test_imports(place):
    own = place.removesuffix(".py").replace("/", ".")
    allowed = [own, *(f"benchmark_utils.{name}" for name in ALLOWED[place])]
    suite = ["benchmark_utils", "solvers", "datasets", "plots", "objective",
             "docs"]
    assert files_of(place), f"{place} has no files"
    for file in files_of(place):
        for name in imports(file):
            assert within(name, allowed) or not within(name, suite), (
                f"{file} imports {name}")


def test_every_folder_has_its_line():
    folders = {
        file.parent.relative_to(ROOT).as_posix()
        for file in UTILS.rglob("*.py")} - {"benchmark_utils"}
    assert folders <= set(ALLOWED)


@pytest.mark.parametrize(
    "library, places, exempt",
    [(["benchopt"], BENCHOPT, []),
     (["llvmlite", "numba"], INTERNALS,
      ["numba.types", "numba.njit", "numba.config"])])
def test_what_only_some_may_import(library, places, exempt):
    known = {file for place in places for file in files_of(place)}
    for file in set(files_of("benchmark_utils")) - known:
        for name in imports(file):
            assert not within(name, library) or name in exempt, (
                f"{file} imports {name}")


def test_metrics_do_not_compile():
    for file in files_of("benchmark_utils/reference"):
        assert not any(within(name, ["numba"]) for name in imports(file))


@pytest.mark.parametrize("place", [
    "objective.py", "test_config.py", "solvers", "datasets", "plots",
    *(f"benchmark_utils/{folder}" for folder in (
        "compiling", "functions", "problems", "methods", "reference"))])
def test_text_files_have_an_encoding(place):
    """That of a machine is another on Windows, and in a C locale."""
    for file in files_of(place):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(
                    node.func, "id", ""))
                mode = [arg.value for arg in node.args
                        if isinstance(arg, ast.Constant)]
                given = {keyword.arg for keyword in node.keywords}
                binary = name == "open" and any(
                    "b" in str(value) for value in mode)
                assert name not in ("open", "read_text", "write_text") or (
                    binary or "encoding" in given), f"{file}:{node.lineno}"


@pytest.mark.parametrize("folder", ["solvers", "datasets"])
def test_runners_stand_alone(folder):
    for file in files_of(folder):
        assert not any(within(name, [folder]) for name in imports(file)), file


def test_no_import_cycles():
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in files_of("benchmark_utils") if file.name != "__init__.py"}
    graph = {
        module: {other for name in imports(file) for other in modules
                 if within(name, [other])}
        for module, file in modules.items()}
    done = set()
    while len(done) < len(graph):
        ready = {m for m in graph if m not in done and graph[m] <= done}
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready


@pytest.mark.parametrize("old, new", [
    ("compiled", "compiling.compiled"), ("dataset", "problems.dataset"),
    ("functions.sparse_logistic", "functions.logistic.sparse")])
def test_old_names_of_modules_are_refused_with_the_new(old, new):
    with pytest.raises(ImportError, match=rf"is benchmark_utils\.{new} now"):
        importlib.import_module(f"benchmark_utils.{old}")
    importlib.import_module(f"benchmark_utils.{new}")


MOST_LINES = 400


def test_a_long_file_says_why():
    """A docstring that names its more than 400 lines has the reason, too."""
    long = {
        file.relative_to(ROOT).as_posix()
        for folder in ("benchmark_utils", "solvers", "plots", "datasets",
                       "docs", "benchmarks", "tests")
        for file in files_of(folder)
        if len(file.read_text().splitlines()) > MOST_LINES
        and f"{MOST_LINES} lines" not in " ".join((
            ast.get_docstring(ast.parse(file.read_text())) or "").split())}
    assert not long
