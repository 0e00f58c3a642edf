"""tune and compare on a cluster: Dask, and SLURM where it is installed."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness import ROOT, copy_suite, run

from benchmark_utils.reporting import cluster, killed

DATASET = "quadratic[n_inner=64,n_outer=64,inner_dim=6,outer_dim=4]"
REPORTING = "benchmark_utils.reporting"
COMPARE = ["-m", f"{REPORTING}.compare", DATASET, "--max-seconds", "0.2",
           "--starts", "1", "--repetitions", "2", "--no-dashboard"]
TUNE = ["-m", f"{REPORTING}.tune", DATASET, "--max-seconds", "0.2",
        "--configurations", "3", "--survivors", "2", "--finalists", "1",
        "--starts", "2"]
METHODS = ["-s", "SOBA", "-s", "SABA"]

# One worker makes the suite that they share.
pytestmark = [pytest.mark.xdist_group("cluster"),
              pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A suite, in which each command keeps its runs for itself."""
    suite = copy_suite(tmp_path_factory.mktemp("cluster") / "suite")
    shutil.copytree(ROOT / "configs", suite / "configs")
    source = (ROOT / "solvers/template_solver.py").read_text(encoding="utf-8")
    assert 'name = "Template"' in source
    (suite / "solvers/killed.py").write_text(source.replace(
        'name = "Template"', '''name = "Killed"

    def pre_run_hook(self, callback):
        import os, signal, time
        time.sleep(float(os.environ.get("HANG", 0)))
        os.kill(os.getpid(), signal.SIGKILL)
'''), encoding="utf-8")
    return suite


def do(suite, name, command, *options, **environment):
    """Run a command that keeps nothing of other ones; return its tables."""
    code, text = run([*command, "--folder", str(suite / name), *options],
                     suite, BENCHOPT_CACHE=str(suite / f"{name}-kept"),
                     **environment)
    assert code == 0, text
    # Stages, but not the table that is made of them.
    stages = [file for file in (suite / name).rglob("*-*.parquet")
              if file.with_suffix(".yml").exists()]
    return text, pd.concat(map(pd.read_parquet, stages), ignore_index=True)


def assert_same_iterates(df, reference):
    """What two tables share is equal to the bit: h after n iterations."""
    key = ["objective_name", "base_seed", "solver_name", "idx_rep",
           "stop_val"]
    measured = [c for c in df if c.startswith("objective_") and c not in key
                and "time" not in c and "seconds" not in c]
    assert "objective_value" in measured
    both = df.merge(reference, on=key, suffixes=("", "_reference"))
    # Times of evaluation differ, the one at the start does not.
    assert (both["stop_val"] > 0).sum() >= 4, both["stop_val"]
    assert set(both["solver_name"]) == set(reference["solver_name"]) & set(
        df["solver_name"])
    for column in measured:
        pd.testing.assert_series_equal(
            both[column], both[f"{column}_reference"], check_names=False,
            check_exact=True)


@pytest.fixture(scope="module")
def compared(suite):
    """A comparison with -j."""
    return do(suite, "compared", COMPARE, "--defaults", *METHODS, "-j", "2")


def test_compare_through_dask_has_the_same_iterates(suite, compared):
    _, df = do(suite, "dask", COMPARE, "--defaults", *METHODS,
               "--parallel-config", "configs/parallel/dask_local.yml")
    assert_same_iterates(df, compared[1])


def test_a_worker_of_dask_that_is_killed_does_not_stop_the_others(suite):
    text, df = do(suite, "dask-killed", COMPARE, "--defaults", "-s", "SOBA",
                  "-s", "Killed", "--parallel-config",
                  "configs/parallel/dask_local.yml")
    assert "]: killed" in text, text
    assert {name.partition("[")[0] for name in df["solver_name"]} == {"SOBA"}
    assert set(df["idx_rep"]) == {0, 1}


@pytest.fixture(scope="module")
def slurm():
    """Environment in which sbatch and submitit find a SLURM of the test."""
    pytest.importorskip("submitit")
    # Paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    script = [str(ROOT / "tests/slurm.sh")]
    try:
        started = subprocess.run(
            [*script, "start", str(folder / "s")], text=True, timeout=600,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if started.returncode == 77:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield {"SLURM_CONF": str(folder / "s/slurm.conf")}
    finally:
        subprocess.run([*script, "stop", str(folder / "s")], timeout=120,
                       check=False)
        shutil.rmtree(folder, ignore_errors=True)


SLURM = ["--parallel-config", "configs/parallel/slurm.yml"]


def test_tune_and_compare_through_slurm_have_the_same_iterates(
        suite, compared, slurm):
    _, reference = do(suite, "tuned", TUNE, *METHODS, "-j", "2")
    _, df = do(suite, "slurm-tuned", TUNE, *METHODS, *SLURM, **slurm)
    assert_same_iterates(df, reference)
    _, df = do(suite, "slurm-compared", COMPARE, "--defaults", *METHODS,
               *SLURM, **slurm)
    assert_same_iterates(df, compared[1])


@pytest.mark.parametrize("how, state", [
    ("0", "FAILED"),
    # SLURM counts minutes, and ends what is over its time twice a minute.
    ("1000", "TIMEOUT")])
def test_a_job_that_is_killed_is_named_and_the_others_kept(
        suite, slurm, how, state):
    config = yaml.safe_load(
        (suite / "configs/parallel/slurm.yml").read_text(encoding="utf-8"))
    config["slurm_time"] = "00:01:00" if how != "0" else "00:15:00"
    file = suite / f"{state}.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    text, df = do(suite, state, COMPARE, "--defaults", "-s", "SOBA", "-s",
                  "Killed", "--parallel-config", str(file), HANG=how, **slurm)
    assert f"killed in a job of SLURM, which says {state}" in text
    assert {name.partition("[")[0] for name in df["solver_name"]} == {"SOBA"}
    assert set(df["idx_rep"]) == {0, 1}


def test_an_interrupted_command_leaves_no_job(suite, slurm):
    def queue():
        return subprocess.run(
            ["squeue", "--noheader", "--format=%j"], text=True, check=True,
            env={**os.environ, **slurm}, stdout=subprocess.PIPE).stdout

    process = subprocess.Popen(
        [sys.executable, *COMPARE, "--defaults", "-s", "Killed", *SLURM,
         "--folder", str(suite / "interrupted")], cwd=suite,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env={**os.environ, **slurm, "HANG": "1000"},
        # A shell that starts this in the background ignores SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        until(lambda: "start-" in queue())
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)
        until(lambda: "start-" not in queue())
    finally:
        if process.poll() is None:
            process.kill()


def until(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


JOB = ("Traceback (most recent call last):\n"
       "submitit.core.utils.UncompletedJobError: Job 22_2 (task: 0) with path "
       "{path}/22_2_0_result.pkl\nhas not produced any output (state: {state})"
       "\nError stream produced:\n")
BEGUN = "\x1b[1;34m    |--{}:\x1b[0m initialization (1 / 2 reps)"


@pytest.mark.parametrize("state, printed, names, again", [
    ("OUT_OF_MEMORY", BEGUN.format("A[x=1]"), ["A[x=1]"], False),
    ("TIMEOUT", BEGUN.format("A[x=1]"), ["A[x=1]"], False),
    # Before it had begun, or on a node that broke: nobody is to blame.
    ("FAILED", "", [], True), ("FAILED", None, [], True),
    ("NODE_FAIL", BEGUN.format("A[x=1]"), [], True)])
def test_what_slurm_says_of_a_job(tmp_path, state, printed, names, again):
    folder = tmp_path / "a folder"
    folder.mkdir()
    if printed is not None:
        (folder / "22_2_0_log.out").write_text(printed, encoding="utf-8")
    found = killed.find(1, JOB.format(path=folder, state=state),
                        ["A[x=1]", "B"], [])
    assert found == (f"killed in a job of SLURM, which says {state}", names,
                     again)


def test_a_job_that_somebody_cancels_is_no_method_that_is_killed(tmp_path):
    with pytest.raises(ValueError, match="job 22_2 of SLURM was cancelled"):
        killed.find(1, JOB.format(path=tmp_path, state="CANCELLED by 0"),
                    ["A"], [])


@pytest.mark.parametrize("printed, names", [
    (BEGUN.format("B"), ["B"]), ("", ["B", "C"])])
def test_what_dask_says_of_a_worker(printed, names):
    text = printed + (
        "2026-11-29 17:21:41,616 - distributed.scheduler - ERROR - Task "
        "batch_of-97ee marked as failed because 4 workers died while trying "
        "to run it\n")
    # By the signal with which it was made to stop waiting.
    found = killed.find(-signal.SIGINT, text, ["A", "B", "C"], ["A"])
    assert killed.waits_in_vain(text) and not killed.waits_in_vain(printed)
    assert found == ("killed with its worker of Dask", names, False)


def test_what_dask_could_not_send_is_tried_again():
    """benchopt notes what it has shown while Dask reads it: nobody's fault."""
    text = BEGUN.format("B") + (
        "2026-12-01 05:34:57,850 - distributed.protocol.pickle - ERROR - "
        "Failed to serialize LLGExpr(dsk={'batch_of-97ee'}).\n"
        "RuntimeError: dictionary changed size during iteration\n")
    found = killed.find(-signal.SIGINT, text, ["A", "B", "C"], ["A"])
    assert killed.waits_in_vain(text)
    assert found == ("killed as Dask could not send a run", [], True)


@pytest.mark.parametrize("text, n_jobs, reason", [
    (None, None, "No such file"), ("- a", None, "backend=None"),
    ("backend: slurm", None, "backend='slurm', and one of"),
    ("backend: submitit", 2, "n_jobs=2 is not for SLURM"),
    ("backend: submitit\nslurm_additional_parameters: 3", None,
     "slurm_additional_parameters=3")])
def test_a_parallel_config_is_checked_first(
        tmp_path, monkeypatch, text, n_jobs, reason):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr(cluster.shutil, "which", lambda name: name)
    file = tmp_path / "a.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="n_jobs|parallel_config=.*a.yml") \
            as error:
        cluster.read(file, n_jobs)
    assert reason in str(error.value)


def test_what_is_not_installed_is_said_first(tmp_path, monkeypatch):
    file = tmp_path / "a.yml"
    file.write_text("backend: submitit", encoding="utf-8")
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="package submitit, which is not"):
        cluster.read(file)
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr(cluster.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="'sbatch'.* are not found"):
        cluster.read(file)


def test_jobs_of_slurm_have_the_name_of_their_stage():
    prepared = cluster.prepared({
        "backend": "submitit", "slurm_name": "mine",
        "slurm_additional_parameters": {"account": "a"}}, "search-1")
    assert prepared == {
        "backend": "submitit", "slurm_job_name": f"search-1-{os.getpid()}",
        "slurm_additional_parameters": {"signal": "CONT@1", "account": "a"}}
    assert cluster.prepared({"backend": "dask"}, "search-1") == {
        "backend": "dask"}
