""".ci/compare-changed, on a repository with changed solvers."""
import os
import re
import shutil
import subprocess

import pandas as pd
import pytest
from harness import ROOT, copy_suite, run

QUICK = ["--tune", "--configurations 2 --survivors 1 --finalists 1 "
         "--starts 2 --max-seconds 0.05",
         "--compare", "--starts 1 --repetitions 2 --max-seconds 0.05"]
HEAVY_BALL = (ROOT / "tests" / "heavy_ball.py").read_text()

pytestmark = [
    pytest.mark.xdist_group("compare-changed"),
    pytest.mark.skipif(not shutil.which("git"), reason="there is no git")]


def git(suite, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments],
        cwd=suite, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A repository of the suite, with what a comparison needs."""
    suite = copy_suite(tmp_path_factory.mktemp("changed") / "suite")
    for folder in (".ci", "configs", "results", "tests"):
        shutil.copytree(ROOT / folder, suite / folder,
                        ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / file, suite / file)
    # Ranking a few of the committed methods takes less time than all.
    table = suite / "results/quadratic.parquet"
    rows = pd.read_parquet(table)
    rows[rows["solver_name"].str.match(r"(SO|SA|SR|SPA|SFF|MSE)BA\[")
         ].to_parquet(table)
    git(suite, "init", "-q", "-b", "main")
    git(suite, "add", "-A")
    git(suite, "commit", "-qm", "The suite")
    return suite


@pytest.fixture
def suite(original):
    """The repository, as it was committed."""
    yield original
    git(original, "checkout", "-q", "main")
    git(original, "reset", "-q", "--hard")
    git(original, "clean", "-qfdx", "-e", "__cache__")


def compare_changed(suite, base="main", *options):
    step = suite / "outputs" / "step.md"
    step.parent.mkdir(exist_ok=True)
    step.write_text("Before\n")
    code, text = run([".ci/compare-changed", base, *options], suite,
                     GITHUB_STEP_SUMMARY=str(step))
    return code, text, step.read_text()


def test_a_new_solver_is_compared_and_a_broken_one_stops_nothing(suite):
    git(suite, "checkout", "-qb", "branch")
    (suite / "solvers/heavy_ball.py").write_text(HEAVY_BALL)
    # One that benchopt could not even list.
    (suite / "solvers/syntax.py").write_text("class Solver(:\n")
    git(suite, "add", "-A")
    git(suite, "commit", "-qm", "A method")
    # What is not committed counts, too.
    soba = suite / "solvers/soba.py"
    soba.write_text("import no_such_package\n" + soba.read_text())
    code, text, summary = compare_changed(
        suite, "main", "-d", "quadratic", "-j", "1", *QUICK)
    assert code == 1, text
    assert summary.startswith("Before\n# Solvers that are not as in main")
    rows = dict(re.findall(r"^\| (solvers/\S+) \| (.*) \|$", summary,
                           re.MULTILINE))
    assert set(rows) == {f"solvers/{name}.py"
                         for name in ("heavy_ball", "soba", "syntax")}
    assert re.match(r"HeavyBall \| \d+ passed", rows["solvers/heavy_ball.py"])
    assert "**left out**: is not Python" in rows["solvers/syntax.py"]
    assert "no_such_package" in rows["solvers/soba.py"]
    # The table and the figure have it beside five, the parameters, and how
    # they were chosen.
    assert "HeavyBall: 2 configurations" in summary
    table = re.findall(r"^\| ([\w-]+) \| \w+=", summary, re.MULTILINE)
    assert len(table) == 6 and "HeavyBall" in table, summary
    chart = re.search(r"```mermaid\n(.*?)```\n\n(.*)", summary, re.DOTALL)
    lines = re.findall(r"^  line \[(.*)\]$", chart[1], re.MULTILINE)
    legend = chart[2].splitlines()[0]
    assert "🟥 HeavyBall" in legend and len(lines) == legend.count("·") + 1
    # A point each 1/16, to the end: Mermaid's sums of steps are exact.
    low, high = map(float, re.search(
        r'x-axis ".*" (\S+) --> (\S+)', chart[1]).groups())
    assert (16 * low).is_integer() and (16 * high).is_integer()
    assert {len(line.split(", ")) for line in lines} == {
        16 * (high - low) + 1}
    made = suite / "outputs/changed"
    assert (made / "compare/quadratic/figure.svg").exists()
    assert (made / "summary.md").read_text() in summary
    # A user's files are as they were.
    assert soba.read_text().startswith("import no_such_package")


def test_without_a_changed_solver_there_is_nothing_to_do(suite):
    (suite / "datasets/mine.py").write_text("")
    (suite / "solvers/template_mine.py").write_text("")
    (suite / "solvers/notes.md").write_text("")
    code, text, summary = compare_changed(suite)
    assert code == 0 and "there is nothing to compare" in summary, text


def test_two_of_one_name_are_left_out(suite):
    for name in ("one", "two"):
        (suite / f"solvers/{name}.py").write_text(HEAVY_BALL)
    (suite / "solvers/mine.py").write_text(
        HEAVY_BALL.replace('"HeavyBall"', '"Soba"'))
    code, text, summary = compare_changed(suite)
    assert code == 1 and "quadratic" not in summary, text
    for file, others in [("one", "solvers/two.py"), ("two", "solvers/one.py"),
                         ("mine", "solvers/soba.py")]:
        assert re.search(rf"solvers/{file}\.py .*as {others};", summary), text


@pytest.mark.parametrize("change, reason", [
    (('name = "HeavyBall"', "name = NAME"), "has no class Solver with name"),
    (("z, rho, moves[0]", "z, rho, z + self"), "a test fails")])
def test_a_method_that_fails_is_not_compared(suite, change, reason):
    assert change[0] in HEAVY_BALL
    (suite / "solvers/mine.py").write_text(HEAVY_BALL.replace(*change))
    code, text, summary = compare_changed(suite)
    assert code == 1 and reason in summary, text
    assert "## quadratic" not in summary


def test_a_base_that_is_not_there_is_refused(suite):
    code, text, summary = compare_changed(suite, "no-such-branch")
    assert code == 2 and "base='no-such-branch' is not valid" in text
    assert summary == "Before\n"


def test_scripts_can_be_started():
    assert os.access(ROOT / ".ci" / "compare-changed", os.X_OK)
