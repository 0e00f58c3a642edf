"""What the documentation shows works as it is shown."""
import re
import shutil

import numpy as np
import pytest
from benchopt.utils.dynamic_modules import _load_class_from_module
from benchopt.utils.run_context import RunContext
from harness import (
    ROOT,
    SOLVERS,
    copy_suite,
    make_problem,
    make_solver,
    run,
    run_solver,
)

from benchmark_utils.functions.derivatives import check_problem
from benchmark_utils.reference import metrics

PROTOTYPES = re.findall(
    r"`(solvers/\w+\.py)`:\n\n```python\n(.*?)```",
    (ROOT / "docs/prototypes.md").read_text(), re.DOTALL)


def test_prototypes_pass_the_conformance_check(tmp_path):
    suite = copy_suite(tmp_path / "suite")
    shutil.copytree(ROOT / "tests", suite / "tests",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for file, code in PROTOTYPES:
        (suite / file).write_text(code)
    assert len(PROTOTYPES) == 2
    # The one in JAX is for dense logistic problems alone.
    status, output = run(
        ["-m", "pytest", "-q", "tests/solvers/test_every_solver.py", "-k",
         "GradientDescent and (not JAX or logistic and not sparse)"],
        cwd=suite)
    assert status == 0, output
    assert " passed" in output, output


@pytest.fixture
def prototypes(tmp_path, monkeypatch):
    """Both prototypes, where solvers are looked for."""
    pytest.importorskip("jax")
    (tmp_path / "solvers").mkdir()
    for file, code in PROTOTYPES:
        (tmp_path / file).write_text(code)
        solver = _load_class_from_module(
            tmp_path, tmp_path / file, "Solver")
        monkeypatch.setitem(SOLVERS, solver.name, solver)


@pytest.mark.parametrize("penalty", ["feature", "scalar"])
def test_prototypes_are_the_same_method(prototypes, penalty):
    problem = make_problem(
        "simulated_logistic", n_train=80, n_validation=60, n_features=5,
        penalty=penalty)
    plain, jax = (
        run_solver(make_solver(name, problem, eval_freq=2), 8)
        for name in ("GradientDescent", "JAXGradientDescent"))
    for name in ("inner_var", "outer_var"):
        np.testing.assert_allclose(jax[name], plain[name], rtol=1e-10)
    assert jax["oracle_calls"] == plain["oracle_calls"]


def test_prototype_in_jax_compiles_outside_of_the_timing(
        prototypes, logistic, caplog):
    import jax

    solver = make_solver("JAXGradientDescent", logistic, eval_freq=3)
    with jax.log_compiles():
        solver.warm_up()
        assert "descend" in caplog.text
        caplog.clear()
        run_solver(solver, 9)
        assert not caplog.records


def test_prototype_in_jax_skips_other_problems(
        prototypes, quadratic, sparse_logistic, cleaning):
    solver = SOLVERS["JAXGradientDescent"].get_instance()
    for problem in (quadratic, sparse_logistic, cleaning):
        assert solver.skip(problem=problem)[0]


@pytest.mark.parametrize("page", ["docs/losses.md", "README.md"])
def test_a_problem_from_its_losses(page, tmp_path):
    """The whole file that is shown, as it is shown."""
    pytest.importorskip("jax")
    shown = re.findall(
        r"`datasets/my_problem\.py`[^`]*```python\n(.*?)```",
        (ROOT / page).read_text(), re.DOTALL)
    if page != "README.md":
        assert len(shown) == 1
    for code in shown:
        file = tmp_path / "datasets" / "my_problem.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
        dataset = _load_class_from_module(
            tmp_path, file, "Dataset").get_instance()
        RunContext().set_run_context(
            "objective", dataset, "solver", repetition=0, base_seed=0)
        problem = dataset.get_data()["problem"]
        check_problem(problem)
        result = run_solver(make_solver(
            "SOBA", problem, batch_size=32, eval_freq=100, step_size=0.5),
            1000)
        start, end = (metrics(problem, z, x)["value"] for z, x in (
            (problem.inner_start, problem.outer_start),
            (result["inner_var"], result["outer_var"])))
        assert end < start


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_recipe_for_a_suite_that_may_not_be_written_to(tmp_path):
    page = (ROOT / "README.md").read_text()
    recipe = re.search(r"may not write to \| `BENCHOPT_CACHE=\S+ benchopt "
                       r"(.*)` \|", page).group(1)
    suite = copy_suite(tmp_path / "suite")
    # Files where folders would be: this stops the superuser as well.
    for name in ("outputs", "__cache__"):
        (suite / name).write_text("")
    command = recipe.replace("PATH", str(suite)).split()
    status, output = run(
        ["-m", "benchopt", *command, "-d", "quadratic[n_inner=8,n_outer=8]",
         "-s", "L-BFGS", "-n", "2"], cwd=tmp_path, TMPDIR=str(tmp_path),
        BENCHOPT_CACHE=str(tmp_path / "cache"))
    assert status == 0, output
    assert (tmp_path / "results/mine.parquet").exists(), output


def test_scripts_start():
    """From elsewhere too: they find the suite by themselves."""
    scripts = [str(script) for script in ROOT.glob("benchmarks/*.py")
               if script.stem not in ("conftest", "peers")
               and not script.stem.startswith("test_")]
    code = ("import runpy, sys\nfor script in sys.argv[1:]:\n"
            "    runpy.run_path(script)")
    status, output = run(["-c", code, *scripts], cwd=ROOT.parent)
    assert status == 0, output
