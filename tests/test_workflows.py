"""The workflows are what GitHub understands."""
import re

import pytest
import yaml
from harness import ROOT, run

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))


def check(*files):
    return run(["-m", "check_jsonschema", "--builtin-schema",
                "vendor.github-workflows", *map(str, files)])


def test_workflows_fit_their_schema():
    assert len(WORKFLOWS) >= 2
    code, text = check(*WORKFLOWS)
    assert code == 0, text


@pytest.mark.parametrize("right, wrong", [
    ("runs-on:", "run-on:"), ("timeout-minutes: 60", "timeout-minutes: an h"),
    ("steps:", "step:"), ("branches: [main]", "branch: [main]")])
def test_what_does_not_fit_is_found(tmp_path, right, wrong):
    source = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    assert right in source
    (tmp_path / "tests.yml").write_text(source.replace(right, wrong))
    code, text = check(tmp_path / "tests.yml")
    assert code == 1 and "Schema validation errors" in text, text


def test_python_versions_are_text():
    """3.10 without quotes would be 3.1."""
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "tests.yml").read_text())
    versions = workflow["jobs"]["tests"]["strategy"]["matrix"][
        "python-version"]
    readme = (ROOT / "README.md").read_text()
    oldest = re.search(r"Python (3\.\d+) or later", readme).group(1)
    assert versions[0] == oldest
    assert all(isinstance(version, str) for version in versions)


def test_other_processors_are_tried():
    """ARM with each change, several arithmetics each week."""
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "tests.yml").read_text())
    # YAML reads the key "on" as true.
    assert {"push", "schedule"} <= set(workflow[True])
    jobs = workflow["jobs"]
    assert jobs["arm"]["runs-on"].endswith("-arm")
    assert any(step.get("run") == ".ci/arithmetics"
               for step in jobs["arithmetics"]["steps"])
