"""What comparisons say, on the pages."""
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from benchopt.results import read_results, save_results
from harness import ROOT

pytest.importorskip("sphinx")
sys.path.insert(0, str(ROOT / "tests" / "reporting"))

from handmade import OBJECTIVE, SABA, SHORT, A, table  # noqa: E402

from benchmark_utils.reporting import protocol, record  # noqa: E402
from benchmark_utils.reporting.compare import Comparison  # noqa: E402
from benchmark_utils.reporting.overview import Overview  # noqa: E402
from docs.site import blocks, publish, stored  # noqa: E402

MARKS = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in (
    "facts", "overview", "cautions", "families", "gaps", "poster",
    "defaults"))


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A suite with pages, without results."""
    for folder in ("docs", "results", "configs"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    monkeypatch.setattr(publish, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(publish, "DOCS", tmp_path / "docs")
    (tmp_path / "docs" / "results.md").write_text(f"# All\n{MARKS}")
    (tmp_path / "docs" / "index.md").write_text(
        "# Start\n<!-- pages -->\n<!-- /pages -->\n")
    return tmp_path


def described(suite, name, title):
    """A dataset that says what it is."""
    (suite / "datasets").mkdir(exist_ok=True)
    (suite / "datasets" / f"{name}.py").write_text(
        f'class Dataset:\n    """{title}\n\n    More."""\n')


def compared(suite, name, low=1.0, changed=False, number=protocol.PROTOCOL,
             n_samplings=5, objective=OBJECTIVE):
    """A folder as compare writes it, of runs of two methods."""
    df = pd.concat([table(
        {(method, k): [*SHORT, (1.9, end + k)] for k in range(n_samplings)
         for method, end in ((A, 2 * low), (SABA, low))},
        dataset=f"{name}[n=1]", seed=seed, gap=0.5, p_obj_max_seconds=2.0,
        objective_name=objective,
        **{protocol.COLUMN: number, "system-processor": f"chip of {name}",
           "system-cpus": 2}) for seed in (1, 2, 3)],
        ignore_index=True)
    folder = suite / "outputs" / name
    folder.mkdir(parents=True)
    config = suite / "outputs" / "best.yml"
    config.write_text(
        "# SOBA: 32 configurations\n#     configurations = 32, starts = 5, "
        "max_seconds = 2.0, evaluations = 1, seeds = [9]\nsolver: [SOBA]\n")
    Comparison(df, f"{name}[n=1]", objective, folder, {
        "seeds": {"of the comparison": [1, 2, 3]},
        "sources": {"SOBA": "outputs/best.yml"},
        "config": {"dataset": [f"{name}[n=1]"]},
        "runs": [{"seconds": 120, "goes on": True,
                  "machine after": record.machine()}],
        "code": {"git": {"commit": "a" * 40, "changed": changed}},
    }).write(with_dashboard=False)
    return folder


def test_a_comparison_becomes_a_page_and_keeps_what_people_wrote(suite):
    described(suite, "d", "How to\n    sort.")
    publish.main([str(compared(suite, name)) for name in ("d", "e")])
    assert {f.name for f in (suite / "results").iterdir()} == {
        "d.parquet", "d.json", "e.parquet", "e.json"}
    assert (suite / "configs" / "d.yml").exists()
    page = suite / "docs" / "d.md"
    text = page.read_text()
    assert "How to sort. [Its file](../datasets/d.py) says the rest." in text
    assert "2 methods, 2 s of their own time each, 15 runs: 3 starts" in text
    assert "| SABA |" in text and "the lowest median is that of SABA" in text
    assert 'tune "d" -j 2 --max-seconds 2 --evaluations 1\n' in text
    assert "took 2 min since it was last interrupted, on" in (
        " ".join(text.split()))
    assert (suite / "docs" / "d.svg").exists()
    whole = (suite / "docs" / "results.md").read_text()
    assert re.search(r"^\| SABA \| 1 .*\| 1\.0 \|", whole, re.MULTILINE)
    assert "SABA on 2 of 2 problems" in whole
    assert "[d](d.md), [e](e.md)." in (
        suite / "docs" / "index.md").read_text()
    assert "2 methods on 2 problems" in whole and "[e](e.md) (2 s)" in whole
    assert "chip of d with 2 CPUs (d); chip of e with 2 CPUs (e)." in (
        " ".join(whole.split()))
    # A sentence of a reader stays, what was generated is made anew.
    page.write_text(text.replace("## Table", "It is flat.\n\n## Table")
                    .replace("2 methods", "99 methods"))
    publish.main([])
    assert page.read_text() == text.replace(
        "## Table", "It is flat.\n\n## Table")


def test_a_published_table_is_small_and_exact_where_it_decides(tmp_path):
    rng = np.random.default_rng(0)
    df = pd.DataFrame({
        "solver_name": "SOBA", "time": rng.uniform(0, 3, 4000),
        "objective_value": 1 + 1e-13 * rng.standard_normal(4000),
        "objective_grad_norm": 10**rng.uniform(-320, 300, 4000),
        "objective_inner_distance": np.nan, "p_solver_step_size": 1 / 3,
        "objective_oracle_calls": rng.integers(0, 2**60, 4000),
        "objective_test_error": rng.integers(0, 99, 4000) / 99})
    df.loc[7, "objective_grad_norm"] = np.inf
    df.loc[8, "objective_grad_norm"] = 0
    save_results(df, tmp_path / "whole.parquet")
    whole = read_results(tmp_path / "whole.parquet")
    stored.write(whole, tmp_path / "small.parquet")
    small = read_results(tmp_path / "small.parquet")
    kept = ["objective_value", "objective_oracle_calls", "solver_name",
            "p_solver_step_size", "objective_inner_distance", "run_date"]
    pd.testing.assert_frame_equal(small[kept], whole[kept], rtol=0, atol=0)
    assert list(small) == list(whole)
    earlier = whole["time"] - small["time"]
    assert 0 <= earlier.min() and earlier.max() < 2**-20
    for name in ("objective_grad_norm", "objective_test_error"):
        # Of subnormal numbers less than 24 bits are there at all.
        np.testing.assert_allclose(
            small[name], whole[name], rtol=2**-24, atol=5e-324)
    pd.testing.assert_frame_equal(stored.rounded(small), small,
                                  rtol=0, atol=0)
    sizes = [(tmp_path / f"{name}.parquet").stat().st_size
             for name in ("small", "whole")]
    assert sizes[0] < 0.8 * sizes[1]


def test_published_tables_are_stored_small():
    """Together they are downloaded with every clone."""
    found = sorted(publish.RESULTS.glob("**/*.parquet"))
    for file in found:
        df = read_results(file)
        pd.testing.assert_frame_equal(stored.rounded(df), df, rtol=0, atol=0)
    assert sum(file.stat().st_size for file in found) < 6 * 2**20


def test_defaults_are_a_table_of_their_own(suite):
    for name in ("d", "e"):
        folder = compared(suite, name)
        other = folder.rename(f"{folder}_defaults")
        (other / f"{name}.parquet").rename(other / f"{other.name}.parquet")
        publish.take(other)
    publish.write_pages()
    assert not (suite / "docs" / "d.md").exists()
    text = (suite / "docs" / "results.md").read_text()
    overview, defaults = (text.partition(f"<!-- {name} -->")[2].partition(
        "<!-- /")[0] for name in ("overview", "defaults"))
    assert "SABA" in defaults and "SABA" not in overview


def test_additions_and_losses_are_named(suite):
    """Ranks do not show that a method is not its paper's, or was lost."""
    linear = "AdamBO[adjoint=linear]"
    df = pd.concat([table(
        {("Ada-BiO[adjoint=neumann]", 0): SHORT, (linear, 0): SHORT,
         (A, 0): SHORT, **({(A, 1): SHORT} if seed == 1 else {})}, seed=seed,
        n_repetitions_asked=2) for seed in (1, 2)], ignore_index=True)
    found = Comparison(df, "d[n=1]", OBJECTIVE, suite, {})
    fewer = Comparison(df[df["solver_name"] != A], "d[n=1]", OBJECTIVE, suite,
                       {})
    text = " ".join(blocks.cautions({"d": found, "e": fewer}, {}).split())
    assert "tune has chosen for AdamBO on 2 of 2 problems." in text
    assert "where they do not run: SOBA on e." in text
    assert "AdamBO on d (2 of 4)" in text and "SOBA on d" not in text


def test_where_tuning_did_harm_is_said(suite):
    def comparison(name, **ends):
        df = pd.concat([table(
            {(f"{method}[step_size=1]", k): [(0, 9), (1, min(end, 9))]
             for method, end in ends.items()
             for k in range(2 if np.isfinite(end) else 1)},
            dataset=f"{name}[n=1]", seed=seed, n_repetitions_asked=2,
            gap=1.0) for seed in (1, 2)], ignore_index=True)
        return Comparison(df, f"{name}[n=1]", OBJECTIVE, suite, {})

    found = {"d": comparison("d", SOBA=3.0, SABA=2.0, FSLA=5.0, MRBO=np.inf),
             "e": comparison("e", SOBA=3.0), "f": comparison("f", SOBA=1.0)}
    plain = {"d": comparison("d", SOBA=4.0, SABA=1.0, FSLA=4.9, MRBO=6.0),
             "e": comparison("e", SOBA=3.0, TTSA=1.0)}
    text = " ".join(blocks.cautions(found, plain).split())
    assert (
        "Of 5 medians at the end, of a method on a problem, 1 are lower with "
        "the parameters that tune has chosen than with those of the method's "
        "file, and 3 are higher, 2 by more than a factor of 2: MRBO on d "
        "(diverged, as it comes 5.0e+00), SABA on d (1.0e+00, as it comes "
        "0.0e+00). - Where each method has, on each problem, those of the two "
        "that end lower: no method is separated from another.") in text
    # On d that of SOBA is 2, on e that of SABA is 4, as others do not run.
    assert "lowest mean ranks are SOBA 2.0, SABA 2.5, TTSA 3.0." in text
    assert "medians" not in blocks.cautions(found, {})


def test_what_is_not_as_usual_is_in_the_command(suite):
    publish.main([str(compared(suite, "d", n_samplings=2,
                               objective="o[evaluations=4,max_seconds=2]"))])
    text = (suite / "docs" / "d.md").read_text()
    assert "6 runs: 3 starts, with 2 samplings of each" in text
    assert ('compare "d" -j 2 --max-seconds 2 --repetitions 2 '
            "--evaluations 4\n") in text


@pytest.mark.parametrize("change, message", [
    ({"changed": True}, "differs from a commit"),
    ({"number": 1}, "rules of before"), (None, "that compare has written")])
def test_what_is_no_result_is_refused(suite, capsys, change, message):
    folder = suite if change is None else compared(suite, "d", **change)
    with pytest.raises(SystemExit):
        publish.main([str(folder)])
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list((suite / "results").iterdir())


def test_parameters_of_several_files_are_refused(suite, capsys):
    """One would stand in configs/ for all of them."""
    folder = compared(suite, "d")
    file = folder / "record.json"
    story = json.loads(file.read_text())
    story["sources"]["SABA"] = "outputs/other.yml"
    file.write_text(json.dumps(story))
    with pytest.raises(SystemExit):
        publish.main([str(folder)])
    assert "are from several files" in " ".join(
        capsys.readouterr().err.split())
    assert not list((suite / "results").iterdir())


def test_a_page_without_a_mark_is_named(suite):
    compared(suite, "d")
    (suite / "docs" / "d.md").write_text("# d\n")
    with pytest.raises(ValueError, match=r"d\.md has the mark .* 0 times"):
        publish.take(suite / "outputs" / "d")
        publish.write_pages()


@pytest.fixture(scope="module")
def published():
    """Comparisons that are committed, tuned and at the defaults."""
    return [publish.comparisons(publish.RESULTS / folder)
            for folder in ("", "defaults")]


@pytest.mark.xdist_group("published")
def test_no_published_run_is_below_the_lowest_value_that_is_known(published):
    """Gaps would be too small in the other table: see references.yml."""
    origins = {(name, comparison.problem.origin) for compared in published
               for name, comparison in compared.items()}
    assert {origin for _, origin in origins} == {
        "min h", "lowest known"}, origins


@pytest.mark.xdist_group("published")
def test_pages_say_what_the_tables_say(published, tmp_path):
    """Those that are committed are those that the command would write."""
    found, plain = published
    said = blocks.of_all(found, plain, Overview(
        [c.problem for c in found.values()]))
    pages = {"index": {"pages": said.pop("pages")},
             "results": said | blocks.of_defaults(plain)}
    for name, comparison in found.items():
        pages[name] = publish.said_of(name, comparison)
        story = json.loads((publish.RESULTS / f"{name}.json").read_text())
        assert story["dataset"] == comparison.problem.dataset
    for name, content in pages.items():
        page = publish.DOCS / f"{name}.md"
        copy = tmp_path / page.name
        copy.write_text(page.read_text())
        publish.fill(copy, content)
        assert copy.read_text() == page.read_text(), name
