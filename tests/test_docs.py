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
