"""Config files of benchopt, as the commands read and write them."""
import pytest
import yaml

from benchmark_utils.reporting import configs


@pytest.mark.parametrize("solver", [
    {"SOBA": {"step_size": [1.0, 100.0]}}, "SOBA[step_size=[1.0,100.0]]",
    {"SOBA": {"step_size": ["1e0", "1e2"]}},
    {"SOBA[step_size=[1,100]]": {}}])
def test_solvers_and_values_of_a_config(solver):
    found = configs.listed({"solver": [solver, "HOAG"]})
    assert found == [("SOBA", {"step_size": [1.0, 100.0]}), ("HOAG", {})]


def test_methods_of_configs_are_what_benchopt_runs():
    config = {"solver": ["so*", {"srba": {}}, "Mine"]}
    found = configs.methods_of([config], {"SOBA", "SRBA"})
    assert {"SOBA", "SRBA", "Mine"} <= found


def test_a_config_is_what_benchopt_reads():
    text = configs.config_text("d[n=1]", [{"SOBA": {"step_size": [1.0]}}],
                               5, 0.5)
    assert yaml.safe_load(text) == {
        "dataset": ["d[n=1]"], "objective": ["*[max_seconds=0.5]"],
        "n-repetitions": 5, "solver": [{"SOBA": {"step_size": [1.0]}}]}


@pytest.mark.parametrize("content", [None, "a: [", "- 1", ""])
def test_a_file_that_is_no_config_is_named(tmp_path, content):
    file = tmp_path / "a.yml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match="config='.*a.yml' is not valid"):
        configs.read_config(file)


@pytest.mark.parametrize("line, seeds", [
    ("#   seeds = [10000, 10001, 10002]", [10000, 10001, 10002]),
    ("#   seed = 0", [0]), ("", [])])
def test_seeds_of_a_choice_are_in_its_file(tmp_path, line, seeds):
    file = tmp_path / "best.yml"
    file.write_text(f"# chosen\n{line}\nsolver: [SOBA]\n")
    assert configs.seeds_of(file) == seeds


def test_rules_of_a_choice_are_in_its_file(tmp_path):
    file = tmp_path / "best.yml"
    file.write_text(
        "# Parameters on d[n=1], chosen by tune:\n# SOBA: 8 of them\n"
        "#     machine = AMD EPYC with 2 CPUs, seeds = [10000]\n"
        "# L-BFGS: 1 of them\n#     seeds = [10000]\n# A: 1 of them\n"
        "#     finalists = 3, machine = X with 4 CPUs\nsolver: [SOBA]\n")
    assert configs.rule_of(file, "machine") == {
        "SOBA": "AMD EPYC with 2 CPUs", "A": "X with 4 CPUs"}
    assert configs.rule_of(file, "finalists") == {"A": "3"}
