"""tune and compare, through benchopt, on a copy of the suite."""
import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

import pandas as pd
import pytest
import yaml
from handmade import A, table
from harness import COMPILED, ROOT, copy_suite, run

from benchmark_utils.reporting import (
    compare,
    configs,
    record,
    running,
    seeds,
    tables,
    tune,
)
from benchmark_utils.reporting import suite as has

DATASET = "simulated_logistic[n_train=200,n_validation=150,n_features=4]"
TUNE = ["-m", "benchmark_utils.reporting.tune", DATASET, "--max-seconds",
        "0.1", "--seed", "1", "--configurations", "4", "--survivors", "3",
        "--finalists", "2", "--starts", "2", "--evaluations", "1"]
LBFGS = "L-BFGS[memory=5,tolerance=1e-10]"
COMPARE = ["-m", "benchmark_utils.reporting.compare"]

# One worker makes the suite that they share.
pytestmark = pytest.mark.xdist_group("commands")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A suite with a new method, and what tune has made of it."""
    suite = copy_suite(tmp_path_factory.mktemp("commands") / "suite")
    (suite / "configs").mkdir()
    source = (ROOT / "solvers/template_solver.py").read_text()
    assert 'name = "Template"' in source
    (suite / "solvers/mine.py").write_text(source.replace(
        'name = "Template"', 'name = "Mine"\n\n    search_space = '
        '{"step_size": [0.1, 1e200], "outer_ratio": [1, 10]}'))
    said = run([*TUNE, "-s", "Mine", "-s", LBFGS, "-j", "1"], suite)
    (suite / "said.json").write_text(json.dumps(said))
    return suite


def folder(suite, command="tune"):
    found, = (suite / "outputs" / command).glob("simulated*")
    return found


def test_tune_chooses_by_its_rules(suite):
    code, text = json.loads((suite / "said.json").read_text())
    assert code == 0, text
    lines = [line for line in text.splitlines() if line.startswith("Mine:")]
    # All that its choices allow, of which the long steps diverge.
    assert "Mine: 4 configurations, of which 2 diverged" in lines[0], text
    assert "L-BFGS: 1 configurations, of which 0 diverged" in text
    written = (folder(suite) / "best.yml").read_text()
    config = yaml.safe_load(written)
    assert lines[0] in written
    # Of the comparison, not of the choice.
    assert config["n-repetitions"] == seeds.REPETITIONS
    own = seeds.of_tuning(1, 2)
    assert configs.seeds_of(folder(suite) / "best.yml") == own
    assert "n_train=200" in config["dataset"][0]
    chosen = {name: values for solver in config["solver"]
              for name, values in solver.items()}
    assert chosen["Mine"]["step_size"] == [0.1]
    assert chosen["L-BFGS"]["memory"] == [5]
    story = json.loads((folder(suite) / "tune.json").read_text())
    assert story["rules"]["configurations"] == 4 and story["jobs"] == 1
    assert story["rules"]["evaluations"] == 1
    assert story["rules"]["seeds"] == own
    assert story["tried"] == {"Mine": 4, "L-BFGS": 1}
    assert story["versions"]["benchopt"] and story["code"]["sources"]
    # The table of the grid knows what diverged.
    grid = pd.read_parquet(next(folder(suite).glob("*_grid.parquet")))
    lost = {name for text in grid["configurations_diverged"].dropna()
            for name in json.loads(text)}
    assert len(lost) == 2 and all("step_size=1e+200" in name for name in lost)
    assert set(grid["base_seed"].astype(str)) == {str(own[0])}
    assert set(grid["p_obj_evaluations"]) == {1}


def test_tune_goes_on_where_it_was(suite):
    before = {file: file.stat().st_mtime_ns
              for file in folder(suite).glob("*-*.parquet")}
    assert len(before) >= 3
    code, text = run([*TUNE, "-s", "Mine", "-s", LBFGS], suite)
    assert code == 0 and " configurations, " not in text.replace(
        "configurations, of which", ""), text
    for file, changed in before.items():
        assert file.stat().st_mtime_ns == changed


def test_compare_takes_what_tune_has_chosen(suite):
    code, text = run([*COMPARE, DATASET, "--starts", "2", "--repetitions",
                      "3", "--max-seconds", "0.1"], suite)
    assert code == 0, text
    assert "parameters of 2 methods from" in text
    made = folder(suite, "compare")
    names = {file.name for file in made.iterdir()}
    assert {"figure.svg", "figure.pdf", "families.svg", "families.pdf",
            "table.md", "table.tex", "table.csv", "record.json",
            "dashboard.html", f"{made.name}.parquet"} <= names
    assert "booktabs" in (made / "table.tex").read_text()
    rows = pd.read_csv(made / "table.csv")
    assert set(rows["method"]) == {"Mine", "L-BFGS"}
    assert set(rows["asked"]) == {6}
    story = json.loads((made / "record.json").read_text())
    assert len(story["runs"]) == 2
    for started in story["runs"]:
        assert started["jobs"] == 1
        assert started["machine before"]["system-cpus"]
    assert story["repetitions"]["Mine"][1] == 6
    assert len(story["rows"]["benchmark-code"]) == 1
    page = (made / "dashboard.html").read_text()
    assert f'href="{made.name}.parquet"' in page
    assert not list((suite / "outputs").glob("*.html"))
    # No start is one on which the parameters were chosen.
    own, chosen = (set(story["seeds"][f"of the {what}"])
                   for what in ("comparison", "choice"))
    tried = pd.concat(map(pd.read_parquet, folder(suite).glob("*.parquet")))
    assert set(tried["base_seed"].astype(int)) <= chosen
    table = pd.read_parquet(made / f"{made.name}.parquet")
    assert set(table["base_seed"].astype(int)) == own
    assert own and chosen and not own & chosen


def test_the_track_without_tuning_has_the_defaults_of_the_files(suite):
    code, text = run(
        [*COMPARE, DATASET, "--defaults", "-s", "SOBA", "-s", "Mine",
         "--starts", "1", "--repetitions", "2", "--max-seconds", "0.05",
         "--no-dashboard"], suite)
    assert code == 0, text
    made, = (suite / "outputs/compare").glob("*_defaults")
    rows = pd.read_csv(made / "table.csv")
    assert set(rows["method"]) == {"Mine", "SOBA"}
    assert "step_size=1.0" in rows["parameters"][0]


def test_parameters_and_comparison_of_one_seed_are_refused(
        capsys, tmp_path):
    config = tmp_path / "mine.yml"
    config.write_text(f"#   seeds = [1]\ndataset: ['{DATASET}']\n"
                      "solver: [{SOBA: {step_size: [1.0]}}]\n")
    with pytest.raises(SystemExit):
        compare.main([DATASET, "--config", str(config), "--changed",
                      "--folder", str(tmp_path)])
    said = capsys.readouterr().err
    assert "chosen on the seeds [1]" in said and "[1, 2, 3]" in said


def test_code_that_differs_from_its_commit_is_not_compared(
        capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "commit", lambda: {"changed": True})
    with pytest.raises(SystemExit):
        compare.main(["quadratic", "-s", "SOBA", "--folder", str(tmp_path)])
    assert "commit first, or give --changed" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, reason", [
    (["quadratic[n_inner=9]"], "no parameters of any method on quadratic["),
    (["ijcnn1", "-s", "Template"], "no parameters of ['Template']"),
    (["nope"], "dataset='nope' is not valid"),
    (["quadratic[n_inner=[8,9]]"], "it means several"),
    (["ijcnn1", "--table", "none.parquet"], "results='none.parquet'"),
    (["digits", "--table", str(ROOT / "results/ijcnn1.parquet")],
     "dataset='digits' is not valid: one of ['ijcnn1["),
    (["ijcnn1", "--config", "none.yml"], "config='none.yml'"),
    (["ijcnn1", "--repetitions", "0"], "argument --repetitions: '0'"),
    (["ijcnn1", "--max-seconds", "-3"], "argument --max-seconds: '-3'")])
def test_compare_says_what_is_missing(capsys, arguments, reason):
    with pytest.raises(SystemExit):
        compare.main(arguments)
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arguments, reason", [
    (["-s", "Nope"], "solver='Nope' is not valid"),
    (["-s", "SOBA[speed=1]"], "Unknown parameter 'speed'"),
    (["-s", "SOBA[step_size=-1]"], "step_size=-1"),
    (["--configurations", "0"], "argument --configurations: '0'"),
    (["--output", str(ROOT / "config.yml")], "config.yml' is not valid")])
def test_tune_says_what_is_wrong(capsys, tmp_path, arguments, reason):
    with pytest.raises(SystemExit):
        tune.main([DATASET, "--folder", str(tmp_path), *arguments])
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.iterdir())  # Before anything runs.


def test_tune_says_that_there_is_no_data(capsys, tmp_path):
    with pytest.raises(SystemExit):
        tune.main(["quadratic[noise=-1]", "--folder", str(tmp_path)])
    assert "no data: quadratic: noise=-1.0 is not valid" in (
        capsys.readouterr().err)


def test_a_stage_is_of_its_data_and_settings(tmp_path):
    options = Namespace(timeout=None, n_jobs=None, parallel_config=None,
                        evaluations=None)

    def stem(typed, seconds=1.0, repetitions=2, seed=0, memory=5):
        entries = has.configurations({"solver": [
            {"L-BFGS": {"memory": memory}}]})
        return running.Stage(tmp_path, "a", has.Dataset(typed), entries,
                             seconds, repetitions, options, seed).yml.stem

    first = stem(DATASET)
    assert first == stem(DATASET)
    others = {stem("quadratic[n_inner=8]"), stem(DATASET, seconds=2.0),
              stem(DATASET, repetitions=3), stem(DATASET, seed=1),
              stem(DATASET, memory=6)}
    assert len({first, *others}) == 6


def test_how_runs_end_is_read_from_benchopt(tmp_path):
    entries = has.configurations({"solver": [
        {"L-BFGS": {"memory": 5, "tolerance": 1e-3}},
        {"SABA": {"step_size": [1e4], "batch_size": 10}},
        {"F2SA-p": {"lmbda": 1e-3}}]})
    stage = running.Stage(
        tmp_path, "a", has.Dataset(DATASET), entries, 0.05, 2,
        Namespace(timeout=None, n_jobs=None, parallel_config=None,
                  evaluations=None), 0)
    df = stage.run()
    assert set(df["solver_name"]) == {stage.names[0]}
    assert set(df[tables.ASKED]) == {2}
    done, diverged, skipped = stage.ends.values()
    assert (done, diverged) == ("done", "diverged")
    assert skipped.startswith("skip: lmbda=0.001 is not large enough")
    line, = stage.unusual()
    assert line.startswith("F2SA-p: skip: lmbda=0.001")


def test_tables_of_two_machines_are_refused(suite, tmp_path):
    curve = [(0, 9), (1, 4)]
    first = table({(A, 0): curve}, **{"system-processor": "one"})
    second = table({("SABA[step_size=1.0]", 0): curve},
                   **{"system-processor": "two"})
    for name, df in {"a": first, "b": second}.items():
        df.to_parquet(tmp_path / f"{name}.parquet")
    command = [*COMPARE, "d", "--table", str(tmp_path / "a.parquet"),
               "--table", str(tmp_path / "b.parquet"), "--folder",
               str(tmp_path), "--no-dashboard"]
    code, text = run(command, suite)
    assert code == 2 and "system-processor" in text and "two" in text, text
    code, text = run([*command, "--mixed"], suite)
    assert code == 0, text
    assert "Of several machines" in (tmp_path / "d/table.md").read_text()


def test_compare_of_several_datasets_has_an_overview(suite, tmp_path):
    curve = [(0, 9), (1, 4)]
    pd.concat([
        table({(A, k): curve, ("SABA[step_size=1.0]", k): [(0, 9), (1, 3)]},
              dataset=name)
        for name in ("d[n=1]", "e[n=1]") for k in range(5)
    ]).to_parquet(tmp_path / "a.parquet")
    code, text = run(
        [*COMPARE, "d", "e", "--table", str(tmp_path / "a.parquet"),
         "--folder", str(tmp_path), "--no-dashboard"], suite)
    assert code == 0, text
    made = {file.name for file in (tmp_path / "overview").iterdir()}
    assert {"ranks.md", "ranks.svg", "ranks.pdf", "profile.svg",
            "profile.pdf", "record.json", "overview.parquet"} <= made
    assert "| SABA | 1 | 1 | 1.0 |" in text


def test_an_interrupted_tune_goes_on(suite):
    command = [sys.executable, "-u", *TUNE, "-s", "Mine", "--folder",
               "outputs/stopped"]
    process = subprocess.Popen(
        command, cwd=suite, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(COMPILED)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 120
    logs = suite / "outputs/stopped"
    while not any("done" in log.read_text() for log in logs.glob("*.log")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "interrupted: the same command goes on" in text
    assert "Traceback" not in text
    code, text = run(command[2:], suite)
    assert code == 0 and "Mine: 4 configurations" in text, text
