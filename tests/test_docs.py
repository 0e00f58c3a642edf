"""What the documentation shows works as it is shown."""
import re
import shutil

from harness import ROOT, copy_suite, run


def test_prototype_passes_the_conformance_check(tmp_path):
    text = (ROOT / "docs/prototypes.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    suite = copy_suite(tmp_path / "suite")
    shutil.copytree(ROOT / "tests", suite / "tests",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (suite / "solvers/gradient_descent.py").write_text(code)
    status, output = run(
        ["-m", "pytest", "-q", "tests/solvers/test_every_solver.py", "-k",
         "GradientDescent"], cwd=suite)
    assert status == 0, output
    assert " passed" in output, output


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_recipe_for_a_suite_that_may_not_be_written_to(tmp_path):
    page = (ROOT / "README.md").read_text()
    recipe = re.search(r"may not write to \| `BENCHOPT_CACHE=\S+ benchopt "
                       r"(.*)` \|", page).group(1)
    suite = copy_suite(tmp_path / "suite")
    # Files where folders would be: this stops the superuser as well.
    for name in ("outputs", "__cache__"):
        (suite / name).write_text("")
    command = recipe.replace("PATH", str(suite)).split()
    status, output = run(
        ["-m", "benchopt", *command, "-d", "quadratic[n_inner=8,n_outer=8]",
         "-s", "L-BFGS", "-n", "2"], cwd=tmp_path, TMPDIR=str(tmp_path),
        BENCHOPT_CACHE=str(tmp_path / "cache"))
    assert status == 0, output
    assert (tmp_path / "results/mine.parquet").exists(), output


def test_scripts_start():
    """From elsewhere too: they find the suite by themselves."""
    scripts = [str(script) for script in ROOT.glob("benchmarks/*.py")
               if script.stem not in ("conftest", "test_speed")]
    code = ("import runpy, sys\nfor script in sys.argv[1:]:\n"
            "    runpy.run_path(script)")
    status, output = run(["-c", code, *scripts], cwd=ROOT.parent)
    assert status == 0, output
