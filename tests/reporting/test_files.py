"""What commands write: whole, and nobody else's."""
import json
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml
from benchopt import results
from handmade import SABA, SHORT, A, table
from harness import ROOT, run

from benchmark_utils.reporting import (
    compare,
    conditions,
    configs,
    files,
    running,
    summary,
    tables,
)
from benchmark_utils.reporting import suite as has

DATASET = has.Dataset("quadratic[n_inner=8]")


def test_a_file_is_whole_or_not_there(tmp_path):
    file = tmp_path / "made" / "a.txt"
    files.write(file, "é")
    with pytest.raises(KeyboardInterrupt):
        with files.replacing(file) as part:
            part.write_text("half")
            raise KeyboardInterrupt
    assert file.read_text(encoding="utf-8") == "é"
    assert [other.name for other in file.parent.iterdir()] == ["a.txt"]


def test_who_locks_a_file_has_it_alone(tmp_path):
    # In processes, as commands are.
    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from benchmark_utils.reporting import files
file = Path({str(tmp_path)!r}) / "n"
with files.locked(file):
    n = int(file.read_text()) if file.exists() else 0
    time.sleep(1.5)
    files.write(file, str(n + 1))
"""
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda _: run(["-c", script]), range(3)))
    assert [code for code, _ in said] == [0, 0, 0], said
    assert (tmp_path / "n").read_text() == "3"
    assert any("waiting for another command" in text for _, text in said)


def test_names_are_short_and_their_own():
    names = ["a" * 300, "a" * 299 + "b", "é" * 300, "x/y", "x"]
    short = [files.short(name) for name in names]
    assert len(set(short)) == 5 and short[-1] == "x"
    assert all(len(name.encode()) <= files.LONGEST for name in short)
    assert not any("/" in name for name in short)
    slug = has.Dataset("libsvm[name=" + "a" * 300 + "]").slug
    assert len(slug) <= files.LONGEST


def methods(*names):
    return has.methods(names)[0]


def choose(file, name, line, seconds=5.0, dataset=DATASET):
    method, = methods(name)
    choices = configs.Choices(file, dataset, seconds, [method])
    choices.write([method.entry({"step_size": 0.1})], [
        f"{method.name}: {line}", "    at the edge"])


def test_a_second_choice_is_added_to_the_first(tmp_path):
    file = tmp_path / "best.yml"
    choose(file, "SOBA", "first")
    choose(file, "HOAG", "second")
    choose(file, "SOBA", "third")
    config = yaml.safe_load(file.read_text())
    assert config["solver"] == [{"HOAG": {"step_size": [0.1]}},
                                {"SOBA": {"step_size": [0.1]}}]
    assert config["objective"] == ["*[max_seconds=5]"]
    assert [line for line in file.read_text().splitlines()
            if line.startswith("#")][1:] == [
        "# HOAG: second", "#     at the edge",
        "# SOBA: third", "#     at the edge"]


def test_what_a_user_has_added_to_choices_stays(tmp_path):
    file = tmp_path / "best.yml"
    choose(file, "SOBA", "first")
    file.write_text("# Mine\n" + file.read_text().replace(
        "n-repetitions: 5", "n-repetitions: 20\ntimeout: 900\n"))
    choose(file, "HOAG", "second")
    config = yaml.safe_load(file.read_text())
    assert config["n-repetitions"] == 20 and config["timeout"] == 900
    assert "# Mine" in file.read_text() and len(config["solver"]) == 2


def test_choices_that_do_not_fit_are_refused_with_both_named(tmp_path):
    file = tmp_path / "best.yml"
    choose(file, "SOBA", "first")
    before = file.read_text()
    with pytest.raises(ValueError, match=r"SOBA.*of 5 s, and not of 9 s"):
        choose(file, "HOAG", "second", seconds=9.0)
    with pytest.raises(ValueError, match=r"n_inner=8.*and not on quadratic"):
        choose(file, "HOAG", "second", dataset=has.Dataset("quadratic"))
    assert file.read_text() == before
    # All that was there is chosen anew: nothing to be kept apart from.
    choose(file, "SOBA", "again", seconds=9.0)
    assert "max_seconds=9" in file.read_text()
    file.write_text("")
    with pytest.raises(ValueError, match="best.yml' is not valid"):
        choose(file, "SOBA", "third")


def test_tables_of_grids_are_added_by_method():
    old = table({(A, 0): SHORT, (SABA, 0): SHORT})
    old[tables.DIVERGED] = [json.dumps(["SABA[x=1]", "SOBA[x=1]"])] + [
        None] * 3
    new = table({("SABA[step_size=2.0]", 0): SHORT})
    found = tables.added(old, new, {"SABA"})
    assert set(found["solver_name"]) == {A, "SABA[step_size=2.0]"}
    assert list(found[tables.DIVERGED].dropna()) == ['["SOBA[x=1]"]']
    assert tables.added(old, new, {"SABA", "SOBA"}) is new


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage whose benchopt is a script, and how often it has run."""
    entries = has.configurations({"solver": [
        {"SOBA": {"step_size": [0.1, 1.0]}}, "HOAG"]})
    made = running.Stage(
        tmp_path, "a", DATASET, entries, 1.0, 1,
        Namespace(seed=0, timeout=None, n_jobs=None, parallel_config=None,
                  evaluations=None), 0)
    df = table({(name, 0): SHORT for name in made.names})
    df.to_parquet(tmp_path / "whole.parquet")
    made.ran = []

    def command(config, output, alone=False, parallel=None):
        left = yaml.safe_load(config.read_text())["solver"]
        if config != made.yml:  # That is for the record.
            made.ran.append((len(left), alone))
        return [sys.executable, "-c", made.script, str(output), *made.names]

    made.script = f"""
import shutil, sys
for name in sys.argv[2:]:
    print(f"|--{{name}}:\\x1b[0m \\x1b[1;32mdone")
shutil.copy({str(tmp_path / "whole.parquet")!r}, sys.argv[1] + ".parquet")
"""
    monkeypatch.setattr(made, "_command", command)
    monkeypatch.setattr(conditions.Others, "cores", lambda self: 0.0)
    return made


@pytest.mark.parametrize("broken", ["done", "parquet"])
@pytest.mark.parametrize("how", ["empty", "half", "missing"])
def test_a_stage_with_a_broken_file_is_made_again(stage, broken, how, capsys):
    whole = stage.run()
    assert len(whole) == 6 and stage.story["goes on"] is False
    stage.run()
    assert len(stage.ran) == 1
    file = getattr(stage, broken)
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:len(data) // 2] if how == "half" else b"")
    pd.testing.assert_frame_equal(stage.run(), whole)
    assert len(stage.ran) == 2
    if (broken, how) != ("done", "missing"):
        assert f"{file} is not whole, and made again" in (
            capsys.readouterr().err)
    stage.run()
    assert len(stage.ran) == 2 and stage.story["goes on"] is True


KILLED = """
import os, signal, sys, yaml
from pathlib import Path
part = Path(sys.argv[1])
left = str(yaml.safe_load((part.parent / "config.yml").read_text())["solver"])
names = [name for name in sys.argv[2:] if "HOAG" not in name]
print(f"|--{names[0]}:\\x1b[0m \\x1b[1;32mdone", flush=True)
if HOW and "HOAG" in left:
    for name in sys.argv[2:]:
        if "HOAG" in name:
            print(f"|--{name}:\\x1b[0m 3 %", flush=True)
    HOW
"""


@pytest.mark.parametrize("how, said", [
    ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
    ("os._exit(3)", "its process ended with exit code 3"),
    ("sys.exit('The exit codes of the workers are {SIGKILL(-9)}')",
     "killed by SIGKILL")])
def test_a_method_that_is_killed_is_named_and_the_others_kept(
        stage, how, said, capsys):
    whole = stage.script
    kills = KILLED.replace("HOW and", "").replace("HOW", how)
    stage.script = kills + whole
    df = stage.run()
    hoag = next(name for name in stage.names if name.startswith("HOAG"))
    assert len(df) == 6 and [n for n, _ in stage.ran] == [3, 2]
    assert said in stage.ends[hoag]
    assert f"{hoag}: killed" in capsys.readouterr().err
    assert any("HOAG: killed" in line for line in stage.unusual())
    # The same command tries it again.
    stage.script = whole
    stage.run()
    assert [n for n, _ in stage.ran] == [3, 2, 3]
    assert set(stage.ends.values()) == {"done"}


def test_of_several_that_ran_the_killed_one_is_found(stage):
    both = KILLED.replace("HOW and", "").replace(
        "HOW", "sys.exit('The exit codes of the workers are {SIGKILL(-9)}')")
    stage.script = both.replace(
        'print(f"|--{names[0]}:\\x1b[0m \\x1b[1;32mdone"',
        'print(f"|--{names[0]}:\\x1b[0m 1 %"') + stage.script
    with pytest.raises(ValueError, match="nothing says by which"):
        stage.run()
    assert [alone for _, alone in stage.ran] == [False, True]


def test_a_stage_that_somebody_ends_is_no_method_that_is_killed(stage):
    stage.script = ("import os, signal\n"
                    "os.kill(os.getpid(), signal.SIGTERM)")
    with pytest.raises(ValueError, match="ended by SIGTERM: the same command"):
        stage.run()


def test_a_method_that_is_killed_each_time_does_not_hold_up_the_others(stage):
    names = [f"SOBA[x={k}]" for k in range(9)]
    stage.__class__ = type("Stage", (running.Stage,), {"names": names})
    killed = {}
    for name in names[:running.MOST_KILLED]:
        stage._leave_out(name, "killed by SIGKILL", killed)
    assert set(killed) == set(names)


@pytest.fixture
def results_table(tmp_path):
    file = tmp_path / "a.parquet"
    pd.concat([table({(A, k): SHORT, (SABA, k): SHORT}, dataset=dataset)
               for dataset in ("d[n=1]", "e[n=1]", "d[n=1+]")
               for k in range(5)], ignore_index=True).to_parquet(file)
    return file


@pytest.mark.parametrize("command, option", [
    (summary.main, "--figure")])
def test_places_are_checked_first(command, option, results_table, tmp_path,
                                  capsys):
    arguments = [str(results_table), "--dataset", "e"]
    # A folder that is missing is made; a file that is there is not replaced.
    place = tmp_path / "new" / "figure.svg"
    command([*arguments, option, str(place)])
    assert place.stat().st_size
    mine = tmp_path / "mine.svg"
    mine.write_text("mine")
    for bad in (mine, mine / "figure.svg"):
        with pytest.raises(SystemExit):
            command([*arguments, option, str(bad)])
        assert f"{option[2:]}=" in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_a_folder_that_cannot_be_is_found_before_anything_runs(
        tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").write_text("")
    monkeypatch.setattr(running.Stage, "run", None)
    with pytest.raises(SystemExit):
        compare.main(["ijcnn1", "--folder", str(tmp_path / "taken/a")])
    assert "folder=" in capsys.readouterr().err


def test_a_comparison_keeps_what_a_user_has_edited(
        results_table, tmp_path, capsys):
    arguments = ["e", "--table", str(results_table), "--folder",
                 str(tmp_path / "c"), "--no-dashboard"]
    (tmp_path / "c/e").mkdir(parents=True)
    (tmp_path / "c/e/figure.svg").write_text("drawn by hand")
    compare.main(arguments)
    (tmp_path / "c/e/table.tex").write_text("edited")
    compare.main(arguments)
    said = capsys.readouterr().err
    kept = {file.name: file.read_text()
            for file in (tmp_path / "c/e").glob("*_1.*")}
    assert kept == {"figure_1.svg": "drawn by hand", "table_1.tex": "edited"}
    assert "figure_1.svg" in said and "table_1.tex" in said
    assert "in place of the comparison of" in said


def test_two_datasets_are_not_written_to_one_folder(
        results_table, tmp_path, capsys):
    arguments = ["--table", str(results_table), "--folder", str(tmp_path),
                 "--no-dashboard"]
    for datasets, reason in [
            (["d[n=1]", "d[n=1+]"], "d[n=1] and d[n=1+] would both be"),
            (["e", "e[n=1]"], "e[n=1] is asked for twice")]:
        with pytest.raises(SystemExit):
            compare.main([*datasets, *arguments])
        assert reason in capsys.readouterr().err
    assert not list(tmp_path.glob("*/record.json"))
    compare.main(["d[n=1]", *arguments])
    folder, = tmp_path.glob("d*")
    folder.rename(tmp_path / "e")
    with pytest.raises(SystemExit):
        compare.main(["e", *arguments])
    assert "has a comparison on d[n=1], and not on e[n=1]" in (
        capsys.readouterr().err)


def test_a_dataset_that_fails_does_not_stop_the_others(
        results_table, tmp_path, capsys, monkeypatch):
    problem = compare.Problem

    def fails(df, dataset, *others):
        if dataset == "d[n=1]":
            raise ValueError("no data")
        return problem(df, dataset, *others)

    monkeypatch.setattr(compare, "Problem", fails)
    with pytest.raises(SystemExit) as ended:
        compare.main(["d[n=1]", "e", "--table", str(results_table),
                      "--folder", str(tmp_path), "--no-dashboard"])
    assert ended.value.code == 2
    assert "d[n=1]: no data" in capsys.readouterr().err
    assert (tmp_path / "e/record.json").exists()


def test_benchopt_takes_the_name_of_a_file_before_it_writes(
        tmp_path, monkeypatch):
    """What README says of two runs at once; if this fails, it need not."""
    taken = []
    monkeypatch.setattr(results, "to_parquet",
                        lambda df, path: taken.append(path))
    for _ in range(2):  # The first has not written yet.
        results.save_results(table({(A, 0): SHORT}),
                             tmp_path / "benchopt_run_2026-01-01_00h00m00s")
    assert taken[0] == taken[1]
