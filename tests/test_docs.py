"""What the documentation shows works as it is shown."""
import re
import shlex
import shutil

import numpy as np
import pytest
import yaml
from benchopt.cli.main import run as benchopt_run
from benchopt.utils.dynamic_modules import _load_class_from_module
from harness import (
    DATASETS,
    OBJECTIVE,
    ROOT,
    SOLVERS,
    copy_suite,
    make_problem,
    make_solver,
    run,
    run_solver,
)

from benchmark_utils.functions.derivatives import (
    check_function,
    check_problem,
)
from benchmark_utils.problems.loading import problem_of
from benchmark_utils.reference import metrics

PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
README = PAGES["README.md"]
# What a code block may be, and the test that runs it.
LANGUAGES = {
    "python": "written to the file that the line above names, or compiled",
    "bash": "its commands and options are known",
    "yaml": "read", "bibtex": "entries are closed"}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WHOLE = re.compile(
    r"`((?:solvers|datasets)/\w+\.py)`:\n\n```python\n(.*?)^```$",
    re.DOTALL | re.MULTILINE)
PROTOTYPES = WHOLE.findall(PAGES["docs/prototypes.md"])
RECIPES = WHOLE.findall(README)


def blocks(language):
    """Code blocks of all pages, with the page."""
    return [(page, code) for page, text in PAGES.items()
            for found, code in FENCED.findall(text) if found == language]


def commands():
    """Command lines of all pages, in blocks and within sentences."""
    # A page of results records what was typed when it was made.
    texts = {page: text.partition("## How it was made")[0]
             for page, text in PAGES.items()}
    lines = [(page, line) for page, text in texts.items()
             for found, code in FENCED.findall(text) if found == "bash"
             for line in code.replace("\\\n", " ").splitlines()]
    lines += [(page, code.replace("\n", " "))
              for page, text in texts.items()
              for code in re.findall(r"`([^`]+)`", FENCED.sub("", text))]
    for page, line in lines:
        for command in line.split("&&"):
            words = shlex.split(command, comments=True) if (
                command.strip()) else []
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)  # A variable of the environment.
            if words:
                yield page, words


def copy_with_tests(target, files):
    suite = copy_suite(target)
    shutil.copytree(ROOT / "tests", suite / "tests",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", suite)
    for file, code in files:
        assert not (suite / file).exists()
        (suite / file).write_text(code)
    return suite



def test_prototypes_pass_the_conformance_check(tmp_path):
    suite = copy_with_tests(tmp_path / "suite", PROTOTYPES)
    assert len(PROTOTYPES) == 2
    # The one in JAX is for dense logistic problems alone.
    status, output = run(
        ["-m", "pytest", "-n", "0", "tests/solvers/test_every_solver.py",
         "-k", "GradientDescent and (not JAX or logistic and not sparse)"],
        cwd=suite)
    assert status == 0, output
    assert " passed" in output, output


def test_recipes_pass_the_test_beside_them(tmp_path):
    tests = re.findall(r"`(pytest [^`]+)` tests it", README)
    assert len(tests) == len(RECIPES) >= 2
    suite = copy_with_tests(tmp_path / "suite", RECIPES)
    for command in tests:
        status, output = run(["-m", *shlex.split(command)], cwd=suite)
        assert status == 0, output
        assert " passed" in output, output


def test_recipes_run_with_the_others(tmp_path):
    suite = copy_with_tests(tmp_path / "suite", RECIPES)
    status, output = run(
        ["-m", "benchopt", "run", ".", "-d", "breast_cancer", "-s",
         "MyMethod", "-s", "L-BFGS", "-n", "3", "--no-plot"], cwd=suite)
    assert status == 0, output
    assert list((suite / "outputs").glob("*.parquet")), output


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


def test_a_problem_from_its_losses(tmp_path):
    """The whole file that is shown, as it is shown."""
    pytest.importorskip("jax")
    (file, code), = WHOLE.findall(PAGES["docs/losses.md"])
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(code)
    dataset = _load_class_from_module(tmp_path, tmp_path / file, "Dataset")
    problem = problem_of(dataset.get_instance())
    check_problem(problem)
    result = run_solver(make_solver(
        "SOBA", problem, batch_size=32, eval_freq=100, step_size=0.5), 1000)
    start, end = (metrics(problem, z, x)["value"] for z, x in (
        (problem.inner_start, problem.outer_start),
        (result["inner_var"], result["outer_var"])))
    assert end < start


def test_a_loss_in_torch():
    pytest.importorskip("torch")
    code, = (code for page, code in blocks("python")
             if page == "docs/losses.md" and 'library="torch"' in code)
    rng = np.random.default_rng(0)
    X, y, z, x = rng.standard_normal((20, 3)), np.ones(20), *np.ones((2, 3))
    shown = {"X": X, "y": y, "z": z, "x": x}
    exec(code, shown)
    check_function(shown["G"], z, x, 8, rng)


def test_links_lead_somewhere():
    for page, text in PAGES.items():
        for target, section in re.findall(
                r"\]\(([^)#:]*)(?:#([^):]+))?\)", FENCED.sub("", text)):
            file = (ROOT / page).parent / target if target else ROOT / page
            assert file.exists(), (page, target)
            if section:
                # As GitHub makes them of headings.
                anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(
                    " ", "-") for heading in re.findall(
                        r"^#+ (.*)", file.read_text(), re.MULTILINE)]
                assert section in anchors, (page, target, section)


def test_pages_are_in_the_index_and_link_to_others():
    for page in ROOT.glob("docs/*.md"):
        linked = re.findall(r"\]\(([\w/.]+\.md)", page.read_text())
        assert set(linked) - {page.name}, page.name
        if page.name != "index.md":
            assert f"]({page.name})" in PAGES["docs/index.md"], page.name


def test_readme_is_short_and_begins_without_a_table():
    lines = README.splitlines()
    assert len(lines) <= 150
    assert not any(line.startswith("|") for line in lines[:80])
    # The figure, and how to draw it, are on the first screen.
    assert any(line.startswith("![") for line in lines[:24])


def test_readme_names_each_method_and_its_file():
    for name, solver in SOLVERS.items():
        file = f"solvers/{solver._module_filename.name}"
        if name != "Template":
            assert f"[{name}]({file})" in README, name
            assert f"[{name}](../{file})" in PAGES["docs/methods.md"], name


def test_every_dataset_has_its_line():
    for name, dataset in DATASETS.items():
        file = dataset._module_filename.name
        if name != "template":
            assert (f"[{name}](../datasets/{file})"
                    in PAGES["docs/problems.md"]), name


def test_the_figure_is_drawn_by_the_command_under_it(tmp_path):
    command = re.search(
        r"^python (-m benchmark_utils\.reporting\.summary .*)$", README,
        re.MULTILINE).group(1)
    words = shlex.split(command)
    words[words.index("--figure") + 1] = str(tmp_path / "figure.svg")
    status, output = run(words)
    assert status == 0, output
    drawn = (tmp_path / "figure.svg").read_text()
    shown = (ROOT / re.search(r"^!\[.*\]\((.*)\)", README,
                              re.MULTILINE).group(1)).read_text()
    # As many curves, of as many points: fonts and versions may differ.
    for drawing in (r"<path ", r"<g id="):
        assert len(re.findall(drawing, drawn)) == len(
            re.findall(drawing, shown))


def test_code_blocks_are_of_a_language_that_is_tested():
    for page, text in PAGES.items():
        for language, code in FENCED.findall(text):
            assert language in LANGUAGES, (page, code)
        assert text.count("```") == 2 * len(FENCED.findall(text)), page
    for page, code in blocks("python"):
        compile(code, page, "exec")
    for _, code in blocks("yaml"):
        assert yaml.safe_load(code)
    for page, code in blocks("bibtex"):
        assert code.count("{") == code.count("}"), page


def test_commands_are_known(monkeypatch):
    """Files exist, and programs take the options that are shown."""
    monkeypatch.chdir(ROOT)
    scripts = {}
    for page, words in commands():
        where = page, " ".join(words)
        for word in words[1:]:
            # What a command reads; what it writes is in outputs/.
            if re.match(r"(configs|results|benchmarks|tests|\.ci)/", word):
                assert (ROOT / word).exists(), where
            if word.startswith("requirements"):
                assert (ROOT / word).exists(), where
        if words[:2] == ["benchopt", "run"]:
            benchopt_run.make_context("run", [
                str(ROOT) if word == "PATH" else word for word in words[2:]])
        script = words[1:3] if words[:2] == ["python", "-m"] else words[1:2]
        if words[0] == "python" and words[-1:] != script[-1:]:
            scripts.setdefault(tuple(script), []).append(where)
    assert len(scripts) >= 4
    for script, places in scripts.items():
        status, output = run([*script, "--help"])
        assert status == 0, (script, output)
        for page, line in places:
            for option in re.findall(r"(?<!\S)(--?[a-z][\w-]*)",
                                     line.partition(script[-1])[2]):
                assert re.search(rf"(?<![\w-]){option}(?![\w-])", output), (
                    page, line)


def test_recipe_for_a_suite_that_may_not_be_written_to(tmp_path):
    page = PAGES["docs/running.md"]
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


def test_times_of_a_run_are_those_of_the_objective():
    seconds, = OBJECTIVE.parameters["max_seconds"]
    text = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    assert f"it is {seconds:g} by default" in text


def test_scripts_start():
    """From elsewhere too: they find the suite by themselves."""
    scripts = [str(script) for script in ROOT.glob("benchmarks/*.py")
               if script.stem not in ("conftest", "peers")
               and not script.stem.startswith("test_")]
    code = ("import runpy, sys\nfor script in sys.argv[1:]:\n"
            "    runpy.run_path(script)")
    status, output = run(["-c", code, *scripts], cwd=ROOT.parent)
    assert status == 0, output
