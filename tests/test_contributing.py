"""What a contributor and a user are told is there, and is valid."""
import re
import shutil
import subprocess

import pytest
import yaml
from harness import ROOT, run

TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(
    r"^## (\d+\.\d+), (\d{4}-\d\d-\d\d)\n(.*?)(?=^## |\Z)", CHANGELOG,
    re.MULTILINE | re.DOTALL)


def check(schema, *files):
    return run(["-m", "check_jsonschema", "--builtin-schema",
                f"vendor.{schema}", *map(str, files)])


def test_citation_is_valid_and_of_the_newest_release(tmp_path):
    source = (ROOT / "CITATION.cff").read_text()
    code, text = check("citation-file-format", ROOT / "CITATION.cff")
    assert code == 0, text
    citation = yaml.safe_load(source)
    version, date, _ = RELEASES[0]
    assert citation["version"] == version
    assert str(citation["date-released"]) == date
    wrong = tmp_path / "CITATION.cff"
    wrong.write_text(source.replace("type: software", "type: program"))
    code, text = check("citation-file-format", wrong)
    assert code == 1 and "type" in text, text


def test_templates_of_issues_fit_their_schemas(tmp_path):
    forms = sorted(set(TEMPLATES.glob("*.yml")) - {TEMPLATES / "config.yml"})
    assert len(forms) == 2
    for schema, files in [("github-issue-forms", forms),
                          ("github-issue-config", [TEMPLATES / "config.yml"])]:
        code, text = check(schema, *files)
        assert code == 0, text
    wrong = tmp_path / "form.yml"
    wrong.write_text(forms[0].read_text().replace("textarea", "text-area"))
    code, text = check("github-issue-forms", wrong)
    assert code == 1, text


def test_a_release_is_read_in_a_minute():
    assert RELEASES
    for version, _, text in RELEASES:
        assert len(text.strip().splitlines()) < 40, version


def test_changelog_names_modules_that_have_moved():
    from benchmark_utils.moved import _NEW

    said = dict(re.findall(r"`([\w.]+)` → `([\w.]+)`", CHANGELOG))
    assert len(said) >= 3
    for old, new in said.items():
        assert _NEW[old.removeprefix("benchmark_utils.")] == new


def test_five_commands_are_in_one_place():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    block, = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    commands = [line.partition("#")[0] for line in block.splitlines()]
    assert len(commands) == 5
    files = re.findall(r"[\w.-]*[./][\w./-]+", " ".join(commands))
    assert {"requirements-test.txt", "tests/solvers",
            ".ci/compare-changed"} <= set(files)
    for name in [*files, *re.findall(r"\]\(([\w./]+)\)", text)]:
        assert (ROOT / name).exists(), name


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_a_commit_has_no_fault_that_ruff_sees(tmp_path):
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "fine.py").write_text("import os\n\nprint(os.name)\n")
    # A script is checked by its first line, without a name in .py.
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "compare-changed"
    script.write_text("#!/usr/bin/env python3\nprint(1)\n")
    script.chmod(0o755)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    commit = ["-m", "pre_commit", "run"]
    code, text = run(commit, tmp_path, **home)
    assert code == 0 and "Passed" in text, text
    for file in (tmp_path / "fine.py", script):
        source = file.read_text()
        file.write_text(source.replace("print", "import sys\n\nprint"))
        subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
        code, text = run(commit, tmp_path, **home)
        assert code == 1 and "F401" in text and file.name in text, text
        file.write_text(source)
