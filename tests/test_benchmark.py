"""The whole: cache of compiled code, benchopt's own test, a real run."""
import re
from pathlib import Path

import pandas as pd
import pytest
from harness import copy_suite, run

STEP = """
from benchopt.benchmark import Benchmark
from benchopt.utils.run_context import RunContext
benchmark = Benchmark(".")
solver, dataset = (
    next(c for c in classes if c.name == name).get_instance(**parameters)
    for classes, name, parameters in [
        (benchmark.get_solvers(), "SOBA", dict(batch_size="full")),
        (benchmark.get_datasets(), "quadratic",
         dict(n_inner=8, n_outer=8, inner_dim=2, outer_dim=2))])
RunContext().set_run_context(
    "objective", dataset, solver, repetition=0, base_seed=0)
solver.set_objective(problem=dataset.get_problem())
solver._reset()
solver.start()
solver.advance(1)
compiled = solver.advance.__globals__["soba"]
print(sum(compiled.stats.cache_hits.values()), solver.x.tolist())
"""


def test_compiled_once_and_edits_of_kernels_take_effect(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    outputs = [run(["-c", STEP], suite, **cache) for _ in range(2)]
    assert [code for code, _ in outputs] == [0, 0], outputs
    (hits_cold, x_cold), (hits_warm, x_warm) = (
        text.strip().split(" ", 1) for _, text in outputs)
    assert (hits_cold, hits_warm) == ("0", "1")
    assert x_cold == x_warm

    # The cached solver calls this kernel, from another file.
    kernel = suite / "benchmark_utils" / "compiling" / "compiled.py"
    source = kernel.read_text()
    edited = source.replace("-= step_size * dir", "-= 2.0 * step_size * dir")
    assert edited != source
    kernel.write_text(edited)
    code, text = run(["-c", STEP], suite, **cache)
    assert code == 0, text
    hits, x_edited = text.strip().split(" ", 1)
    assert hits == "0" and x_edited != x_warm


def test_read_only_suite_compiles_elsewhere(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    # A file where the folder should be: fails for the superuser as well.
    (suite / "__cache__").write_text("")
    code, text = run(["-c", STEP], suite, TMPDIR=str(tmp_path),
                     NUMBA_CACHE_DIR="")
    assert code == 0, text
    assert list(tmp_path.glob("benchmark_bilevel_*/*/**/*.nbc"))


def test_shared_code_is_part_of_the_key_of_results(tmp_path):
    """benchopt would otherwise show results of an older kernel as cached."""
    suite = copy_suite(tmp_path / "suite")
    command = ["-m", "benchopt", "run", ".", "-s", "SOBA", "-n", "2",
               "-d", "quadratic[inner_dim=4,outer_dim=2,n_inner=64,"
               "n_outer=64]", "--no-plot"]
    texts = [run(command, suite)[1] for _ in range(2)]
    assert "(cached)" not in texts[0] and "(cached)" in texts[1]
    kernel = (suite / "benchmark_utils" / "functions" / "quadratic"
              / "function.py")
    kernel.write_text(kernel.read_text() + "# An edit.\n")
    assert "(cached)" not in run(command, suite)[1]


def test_benchopt_test():
    """Without flags, offline, without conda, and beside pytest-benchmark."""
    pytest.importorskip("pytest_benchmark")
    code, text = run(
        ["-m", "benchopt", "test", ".", "-rs"],
        BENCHOPT_CONDA_CMD="no-conda", http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9", PYTEST_ADDOPTS="")
    assert code == 0, text
    assert re.search(r"plugins: .*benchmark", text), text
    assert re.search(r"\d+ passed, \d+ skipped in", text), text
    assert "installs are tested by conda, and there is no 'no-conda'" in text
    assert "covtype: not in" in text and "libsvm: no set is named" in text
    assert not re.search(r"SKIPPED .*quadratic", text)


def test_run_goes_on_where_data_cannot_be_had(finished_run):
    _, code, text = finished_run
    assert code == 0, text
    assert "no ijcnn1 in" in text and "LIBSVMDATA_HOME" in text
    assert "Traceback" not in text
    assert "error" not in re.sub(r"URLError|urlopen error", "", text), text


def test_run_writes_table_and_dashboard(finished_run):
    suite = finished_run[0]
    table, = (suite / "outputs").glob("*.parquet")
    results = pd.read_parquet(table)
    assert list((suite / "outputs").glob("*.html"))
    columns = {"value", "grad_norm", "inner_distance", "oracle_calls"}
    assert columns <= {c.removeprefix("objective_") for c in results}
    curves = results.sort_values("stop_val").groupby(
        ["dataset_name", "solver_name"])
    assert {"SOBA", "SABA", "AID-GD"} <= {
        name.split("[")[0] for _, name in curves.groups}
    for names, curve in curves:
        h = curve["objective_value"].to_numpy()
        # In the time, random trials need not find anything better; h at the
        # start is the same then, but for what rounds as z is another.
        stays = names[1].startswith(("Optuna", "RandomSearch"))
        assert h[-1] < h[0] or (
            stays and h[-1] <= h[0] + 1e-12 * abs(h[0])), names
        assert (curve["objective_oracle_calls"].diff().dropna() > 0).all()


def test_divergence_ends_as_such_and_the_run_goes_on(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    code, text = run(
        ["-m", "benchopt", "run", ".", "--no-plot", "-n", "20", "-d",
         "simulated_logistic[n_train=500,n_validation=500]",
         "-o", "*[max_seconds=0.2]",
         "-s", "SABA[step_size=1e4]", "-s", "SOBA[batch_size=0]",
         "-s", "SOBA"], suite)
    assert code == 0, text
    assert "diverged" in text
    assert "batch_size=0 is not valid" in text
    table, = (suite / "outputs").glob("*.parquet")
    names = pd.read_parquet(table)["solver_name"].unique()
    assert len(names) == 1 and "batch_size=64" in names[0]


def test_progress_is_bounded_by_the_solver_time(finished_run):
    table, = (finished_run[0] / "outputs").glob("*.parquet")
    results = pd.read_parquet(table)
    # Evaluations are 1.5 times as many iterations apart.
    assert results["time"].max() < 0.5 * 4 + 5.0
    assert Path(table).stat().st_size < 2**20
