"""Runs that are spread out, stopped, started again, or that diverge."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import psutil
import pytest
from harness import ROOT, SOLVERS, copy_suite, run

from benchmark_utils.reporting import killed

# The default size of the quadratic: there, BLAS would use several threads.
GRID = ["-s", "SOBA[step_size=[0.1,1.0]]", "-s", "L-BFGS",
        "-d", "quadratic", "-d",
        "simulated_logistic[n_train=500,n_validation=500]",
        "-o", "*[max_seconds=1000000]", "-n", "6", "--no-plot"]
N_RUNS = 6


def benchopt(*arguments):
    return ["-m", "benchopt", "run", ".", *GRID, *arguments]


KEY = ["dataset_name", "solver_name", "idx_rep", "stop_val"]


def table(suite, name):
    """What a run says of the iterates: all columns but times and system."""
    results = pd.read_parquet(suite / "outputs" / f"{name}.parquet")
    columns = sorted(
        c for c in results if c.startswith(("objective_", "p_")))
    return results.set_index(KEY)[columns].sort_index()


def assert_same_iterates(found, expected):
    """To the bit, where both were evaluated: when depends on the speed."""
    common = found.index.intersection(expected.index)
    pd.testing.assert_frame_equal(
        found.loc[common], expected.loc[common], check_exact=True)
    # The start, and what followed, of each run.
    shared = pd.Series(1, index=common).groupby(level=KEY[:3]).sum()
    runs = expected.groupby(level=KEY[:3]).size()
    assert set(shared.index) == set(runs.index) and shared.min() >= 3


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A suite with the table of a run that nothing has disturbed."""
    suite = copy_suite(tmp_path_factory.mktemp("robustness") / "suite")
    shutil.copytree(ROOT / "configs", suite / "configs")
    code, text = run(benchopt("--output", "whole", "--no-cache"), suite)
    assert code == 0, text
    assert len(table(suite, "whole")) == N_RUNS * 7
    return suite


@pytest.mark.parametrize("how", ["joblib", "dask_local"])
def test_parallel_run_gives_the_same_table(suite, how):
    for _ in range(3):
        try:
            code, text = run(
                benchopt("--no-cache", "--output", how, "--parallel-config",
                         f"configs/parallel/{how}.yml"), suite, timeout=240)
            break
        except subprocess.TimeoutExpired as error:
            # A race of benchopt's with Dask; no other wait is forgiven.
            code, text = None, str(error.output)
            assert killed.waits_in_vain(text), text
    assert code == 0, text
    assert_same_iterates(
        table(suite, how), table(suite, "whole"))


# Runs of about a second, so that one can be stopped in its middle.
LONG = ["-s", "SOBA[step_size=[0.1,0.3,0.5,1.0]]", "-d", "quadratic",
        "-o", "*[max_seconds=1]", "--no-plot"]


def start_and_stop(suite, name, jobs, stop):
    """Start a run and stop it in its middle.

    Parameters
    ----------
    stop : callable
        Called with the process of the run when its first solver is done.

    Returns
    -------
    int
        How many solvers were done.
    """
    command = [sys.executable, "-u", "-m", "benchopt", "run", ".", *LONG,
               "--output", name, "-j", str(jobs)]
    environment = {k: v for k, v in os.environ.items()
                   if k != "NUMBA_CACHE_DIR"}
    log = suite / f"{name}.log"
    with log.open("w") as stream:
        process = psutil.Popen(
            command, cwd=suite, stdout=stream, stderr=subprocess.STDOUT,
            env=environment, start_new_session=True,
            # A shell that starts this in the background ignores SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        deadline = time.monotonic() + 120
        while not n_done(log) and process.poll() is None:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        stop(process)
        assert process.wait(timeout=60) != 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
    assert not (suite / "outputs" / f"{name}.parquet").exists()
    return n_done(log)


def n_done(log):
    # The word in the colour of a status: "Loading ... done." is not one.
    return len(re.findall(r"\x1b\[1;3\dmdone", log.read_text()))


def interrupt(process):
    # What Ctrl-C does: the signal goes to the workers as well.
    os.killpg(process.pid, signal.SIGINT)


def kill(process):
    process.kill()


def kill_worker(process):
    workers = [child for child in process.children(recursive=True)
               if "loky" in " ".join(child.cmdline())
               and "tracker" not in " ".join(child.cmdline())]
    assert workers, [child.cmdline() for child in process.children()]
    workers[0].kill()


@pytest.fixture(scope="module")
def whole(suite):
    """Table of the long runs that nothing has disturbed."""
    code, text = run(["-m", "benchopt", "run", ".", *LONG, "--no-cache",
                      "--output", "long"], suite)
    assert code == 0, text
    return table(suite, "long")


@pytest.mark.parametrize("stop, jobs", [
    (interrupt, 1), (kill, 1), (kill_worker, 2)])
def test_a_stopped_run_goes_on_where_it_was(suite, whole, stop, jobs):
    name = f"{stop.__name__}_{jobs}"
    shutil.rmtree(suite / "__cache__" / "benchopt", ignore_errors=True)
    done = start_and_stop(suite, name, jobs, stop)
    assert 1 <= done < 4, "stopped too late"
    code, text = run(["-m", "benchopt", "run", ".", *LONG, "--output", name,
                      "-j", str(jobs)], suite)
    assert code == 0, text
    assert done <= text.count("(cached)") < 4, text
    assert_same_iterates(
        table(suite, name), whole)


def test_two_runs_at_once_share_a_folder_and_its_caches(whole, tmp_path):
    # Both compile what the other does, and keep the same results.
    suite = copy_suite(tmp_path / "suite")
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(run, ["-m", "benchopt", "run", ".", *LONG,
                                  "--output", name], suite)
                for name in ("first", "second")]
    for one in runs:
        code, text = one.result()
        assert code == 0, text
        assert "error" not in text.lower(), text
    for name in ("first", "second"):
        assert_same_iterates(
            table(suite, name), whole)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0,
                    reason="the superuser may write everywhere")
def test_read_only_suite_runs(whole, tmp_path):
    suite, elsewhere = copy_suite(tmp_path / "suite"), tmp_path / "elsewhere"
    (elsewhere / "outputs").mkdir(parents=True)
    folders = [path for path in [suite, *suite.rglob("*")] if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        code, text = run(
            ["-m", "benchopt", "run", str(suite), *LONG, "--output",
             str(elsewhere / "outputs" / "read_only")], elsewhere,
            BENCHOPT_CACHE=str(elsewhere), TMPDIR=str(elsewhere))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert code == 0, text
    assert_same_iterates(
        table(elsewhere, "read_only"), whole)


def test_unwritable_output_is_found_before_anything_runs(suite):
    (suite / "taken").write_text("")
    code, text = run(["-m", "benchopt", "run", ".", *LONG, "--output",
                      "taken/results"], suite)
    assert code != 0
    assert "taken" in text.splitlines()[-1], text
    assert "SOBA" not in text


def test_steps_of_1000_on_every_solver(suite):
    with_step = sorted(name for name, solver in SOLVERS.items()
                       if "step_size" in solver.parameters
                       and name != "Template")
    assert len(with_step) >= 18
    start = time.monotonic()
    code, text = run(
        ["-m", "benchopt", "run", ".", "-n", "30", "--no-plot", "-d",
         "simulated_logistic[n_train=500,n_validation=500]", "-o",
         "*[max_seconds=2]", "--output", "diverging", "-s", "L-BFGS",
         *[word for name in with_step
           for word in ("-s", f"{name}[step_size=1000.0]")]], suite)
    assert code == 0, text
    assert "Traceback" not in text
    assert time.monotonic() - start < 20 * len(with_step), text
    results = pd.read_parquet(suite / "outputs" / "diverging.parquet")
    assert "L-BFGS" in {name.split("[")[0] for name in results["solver_name"]}
    # Whoever has ended stands in the table with finite numbers, whoever has
    # not does not.
    n_ended = results["solver_name"].nunique()
    assert len(re.findall(r"\x1b\[1;3\dmdiverged", text)) == (
        len(with_step) + 1 - n_ended), text
    metrics = results.filter(regex="^objective_(?!.*(?:name|minimum))")
    assert np.isfinite(metrics.select_dtypes("number")).all(axis=None)


FINGERPRINTS = """
import hashlib, json, sys
sys.path.insert(0, "tests")
from harness import SOLVERS, make_problem, make_solver, run_solver

problem = make_problem("simulated_logistic", n_train=200, n_validation=150,
                       n_features=5)
bits = {}
for name in sorted(SOLVERS):
    if not SOLVERS[name].is_installed(quiet=True):
        continue
    solver = make_solver(name, problem)
    result = run_solver(solver, 4 * getattr(solver, "eval_freq", 1))
    bits[name] = hashlib.sha256(
        result["inner_var"].tobytes() + result["outer_var"].tobytes()
        + str(result["oracle_calls"]).encode()).hexdigest()
print(json.dumps(bits))
"""


def test_another_process_gives_the_same_bits():
    # Other hashes of strings, and thus another order of sets, in each.
    outputs = [run(["-c", FINGERPRINTS], PYTHONHASHSEED=seed)
               for seed in ("1", "2")]
    bits = [json.loads(text.splitlines()[-1]) for _, text in outputs]
    assert len(bits[0]) >= 22
    assert bits[0] == bits[1]


def test_a_bad_time_limit_is_a_reason_to_skip(suite):
    _, text = run(["-m", "benchopt", "run", ".", "-s", "SOBA", "-d",
                   "quadratic", "-o", "*[max_seconds=-1]", "--no-plot"],
                  suite)
    assert "max_seconds=-1.0 is not valid" in text, text
    assert "Traceback" not in text and "skip" in text
