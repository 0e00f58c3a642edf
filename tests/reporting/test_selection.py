"""The config of the best parameters, from results tables."""
import pandas as pd
import pytest
import yaml
from handmade import A, B, C, problem, table

from benchmark_utils.reporting import runs, selection


@pytest.fixture
def grid(tmp_path):
    df = table({(A, 0): [(0, 9), (1, 4)], (B, 0): [(0, 9), (1, 3)],
                (C, 0): [(0, 9), (1, 2)]})
    df.to_parquet(tmp_path / "grid.parquet")
    return tmp_path / "grid.parquet"


def select(*arguments):
    selection.main([*map(str, arguments)])


def test_writes_a_config_and_reports_edges(grid, tmp_path, capsys):
    output = tmp_path / "best.yml"
    select(grid, "--dataset", "d", "--repetitions", "3", "--output", output)
    assert yaml.safe_load(output.read_text()) == {
        "dataset": ["d[n=1]"], "n-repetitions": 3,
        "solver": [{"SOBA": {"step_size": [10]}}]}
    assert ("at the edge of the grid: step_size=10.0 (tried 0.1 to 10.0)"
            in capsys.readouterr().err)


@pytest.mark.parametrize("solver", [
    {"SOBA": {"step_size": [1.0, 100.0]}}, {"SOBA": {"step_size": 100}},
    {"soba": {"step_size": "1e2"}}, "SOBA[step_size=[1.0,100.0]]",
    "SO*[step_size=100]", {"SOBA[step_size=100]": {}},
    {"SOBA": {"step_size, batch_size": [[100, 64], [1.0, 64]]}}])
def test_knows_of_values_of_the_grid_that_diverged(
        grid, tmp_path, capsys, solver):
    config = tmp_path / "grid.yml"
    config.write_text(yaml.safe_dump({"solver": [solver, "HOAG"]}))
    select(grid, "--dataset", "d", "--grid", config)
    said = capsys.readouterr().err
    assert "edge" not in said
    # And of methods of which nothing is left.
    assert "diverged, or was not run: ['HOAG']" in said


@pytest.mark.parametrize("name, tried, chosen, typed", [
    ("step_size", {0.1, 1.0}, 1.0, "1.0,10.0,100.0"),
    ("step_size", {0.1, 1.0}, 0.01, "0.0001,0.001,0.01"),
    ("n_inner_steps", {1, 10}, 10, "10,100,1000"),
    ("n_inner_steps", {4, 5}, 4, "2,3,4"),
    ("shift", {0.0, 0.5}, 0.0, "-1.0,-0.5,0.0"),
    # Nothing is beyond, or nothing beyond is allowed.
    ("n_inner_steps", {1, 10}, 1, None), ("momentum", {0.5, 0.9}, 0.9, None),
    ("step_size", {0.1, 1.0, 10.0}, 1.0, None), ("kind", set(), "a", None)])
def test_at_an_edge_it_is_said_what_to_type(name, tried, chosen, typed):
    configuration = runs.Configuration(f"SOBA[{name}={chosen}]", [], 1)
    found = selection.edges(
        {("SOBA", name): tried}, configuration,
        lambda parameters: parameters.get("momentum", 0) < 1)
    assert len(found) == (typed is not None)
    if typed:
        assert found[0].endswith(f'with -s "SOBA[{name}=[{typed}]]"')
        # As benchopt reads it.
        listed, = selection.listed({"solver": [found[0].split('"')[1]]})
        assert chosen in listed[1][name] and len(listed[1][name]) == 3


@pytest.mark.parametrize("option, value", [
    ("--repetitions", "0"), ("--repetitions", "1.5"), ("--repetitions", "a"),
    ("--repetitions", "inf"), ("--max-seconds", "-3"), ("--max-seconds", "0"),
    ("--max-seconds", "nan"), ("--shortlist", "-1"), ("--shortlist", "0"),
    ("--seconds", "-1"), ("--seconds", "x")])
def test_a_number_that_is_none_is_refused(grid, capsys, option, value):
    with pytest.raises(SystemExit):
        select(grid, "--dataset", "d", f"{option}={value}")
    assert f"argument {option}: {value!r} is not valid" in (
        capsys.readouterr().err)


def test_numbers_are_what_float_reads(grid, capsys):
    select(grid, "--dataset", "d", "--repetitions", "1e1", "--max-seconds",
           "5e-1")
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["n-repetitions"] == 10
    assert config["objective"] == ["*[max_seconds=0.5]"]


@pytest.mark.parametrize("arguments, reason", [
    (["--dataset", "e"], "dataset='e' is not valid"),
    (["--dataset", "d[n=2]"], "dataset='d[n=2]' is not valid"),
    (["--dataset", "d", "--grid", "none.yml"], "config='none.yml'"),
    (["--dataset", "d", "--objective", "p"], "objective='p' is not valid")])
def test_what_is_not_there_is_said(grid, capsys, arguments, reason):
    with pytest.raises(SystemExit):
        select(grid, *arguments)
    assert reason in capsys.readouterr().err


def test_a_grid_on_a_dataset_that_is_typed_in_part(tmp_path, capsys):
    names = [f"sim[n_features=6,n_train={n},noise=1e-1]" for n in (200, 400)]
    pd.concat([
        table({(A, 0): [(0, 9), (1, 4 + k)], (B, 0): [(0, 9), (1, 4)]},
              dataset=name).assign(
            p_dataset_n_features=6, p_dataset_noise=0.1,
            p_dataset_n_train=200 * (k + 1))
        for k, name in enumerate(names)]).to_parquet(tmp_path / "a.parquet")
    select(tmp_path / "a.parquet", "--dataset", "sim[n_train=400]")
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["dataset"] == ["sim[n_features=6,n_train=400,noise=0.1]"]


def test_shortlist_goes_from_the_best_to_smaller_steps_of_x():
    name = "SOBA[outer_ratio={},step_size={}]".format
    curves = {
        (name(0.1, 1.0), 0): [(0, 9), (1, 5)],  # A larger step, but worse.
        (name(0.32, 1.0), 0): [(0, 9), (1, 2)],  # The best.
        (name(1.0, 1.0), 0): [(0, 9), (1, 4)],
        (name(0.32, 0.32), 0): [(0, 9), (1, 3)],  # The same step of x.
        (name(3.2, 1.0), 0): [(0, 9), (1, 6)],
    }
    late = {(name(10.0, 1.0), 0): [(0, 9), (1, 1.5), (9, 1)]}
    chosen = selection.shortlist(problem(table(curves | late)), 0.5, 2)
    assert len(chosen) == 2  # All equal at the start: the largest steps.
    chosen = selection.shortlist(problem(table(curves)), 2.0, 3)
    assert [(c.parameters["step_size"], c.parameters["outer_ratio"])
            for c in chosen] == [(1.0, 0.32), (0.32, 0.32), (1.0, 3.2)]
