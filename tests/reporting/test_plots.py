"""Every plot, on every valid results table."""
import json
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from benchopt.plotting.generate_matplotlib import get_plot_figure
from benchopt.plotting.helpers import update_plot_data_style
from handmade import TABLES, A, problems, table
from harness import BENCHMARK, DATASETS, OBJECTIVE, ROOT

from benchmark_utils.reporting import figures, overview, prints, styles, vision
from benchmark_utils.reporting.report import Report

matplotlib.use("Agg")
OWN = [plot for plot in BENCHMARK.get_plots()
       if (ROOT / "plots") in getattr(plot, "_module_filename", ROOT).parents]
KINDS = yaml.safe_load((ROOT / "config.yml").read_text())["plots"]
@pytest.mark.parametrize("kind", sorted(TABLES))
def test_no_plot_fails(kind, tmp_path):
    df = TABLES[kind]
    before = df.copy()
    data, _ = BENCHMARK.get_plot_data(df, KINDS)
    assert set(data) == set(KINDS)
    # The page: numbers that JSON has.
    own = {plot._get_name() for plot in OWN}
    drawn = update_plot_data_style(
        {name: plots for name, plots in data.items() if name in own})
    json.dumps(drawn, allow_nan=False)
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize("width", prints.WIDTHS.values())
@pytest.mark.parametrize("kind", sorted(TABLES))
def test_figures_and_tables_of_a_paper(kind, width, tmp_path):
    everything = problems(TABLES[kind])
    for problem in everything:
        for draw in (figures.headline, figures.families):
            prints.save(draw(problem, "title", width),
                        tmp_path / "figure.png")
        report = Report(problem)
        for text in (report.markdown(), report.latex(), report.csv(),
                     *report.claims()):
            assert "nan" not in text.replace("nan-", "")
    prints.save(figures.profile(everything, "time", 0.1, width),
                tmp_path / "figure.png")
    ranks = overview.Overview(everything)
    prints.save(ranks.draw(width), tmp_path / "figure.png")
    prints.save(ranks.separation.draw(width), tmp_path / "figure.png")
    assert ranks.markdown() and "nan" not in ranks.markdown()


@pytest.mark.filterwarnings("ignore")
def test_benchopt_draws_each_of_the_plots(tmp_path):
    for plot in OWN:
        plots, _ = plot._get_all_plots(TABLES["two datasets"])
        key = next(iter(plots))
        drawn = update_plot_data_style({"plot": {key: plots[key]}},
                                       plotly=False)["plot"]
        get_plot_figure(drawn, tmp_path)
    matplotlib.pyplot.close("all")


def test_figures_have_names_of_their_own():
    # benchopt cuts a name at its last dot.
    parameters = {
        "quadratic": [dict(noise=0.5), dict(noise=0.25)],
        "simulated_logistic": [dict(density=0.5), dict(density=1.0)],
        "digits": [dict(ratio=0.5), dict(ratio=0.75)],
        "libsvm": [dict(name="news20.binary"), dict(name="news20-binary"),
                   dict(name="a/b.c")]}
    names = [str(DATASETS[name].get_instance(**values))
             for name, both in parameters.items() for values in both]
    objectives = [str(OBJECTIVE.get_instance(max_seconds=seconds))
                  for seconds in (2.0, 0.5, "1e-1")]
    for name in [*names, *objectives]:
        assert "." not in name and "/" not in name, name
    assert len({*names, *objectives}) == len(names) + 3 == 12
    assert objectives[0].endswith("[max_seconds=2]")
    df = pd.concat([
        table({(A, 0): [(0, 9), (1, 4)]}, dataset=name,
              objective_name=objective)
        for name in names for objective in objectives], ignore_index=True)
    for plot in BENCHMARK.get_plots():
        keys, _ = plot._get_all_plots(df)
        files = {Path(key).with_suffix(".pdf") for key in keys}
        assert len(files) == len(keys), plot


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [
    str(DATASETS["simulated_multinomial"].get_instance(
        density=0.05, label_noise=0.05)), "d[path=" + 300 * "é" + "]",
    "d[path=a.b]"])
def test_names_that_are_too_long_for_a_file(name, tmp_path):
    df = pd.concat([table({(A, 0): [(0, 9), (1, 4)]}, dataset=dataset)
                    for dataset in (name, name[:-1] + "c]")])
    for plot in OWN:
        if plot.type == "table":
            continue
        plots, _ = plot._get_all_plots(df)
        keys = [key for key in plots if name in key][:2] + [
            key for key in plots if name not in key][:2]
        drawn = update_plot_data_style(
            {"plot": {key: plots[key] for key in keys}},
            plotly=False)["plot"]
        before = len(list(tmp_path.iterdir()))
        get_plot_figure(drawn, tmp_path)
        assert len(list(tmp_path.iterdir())) == before + len(keys)
        # Of the page, where a plot is looked up by the name of its dataset.
        assert set(json.loads(json.dumps(drawn, default=str))) == set(keys)
    assert b"/Type3" not in b"".join(
        file.read_bytes() for file in tmp_path.iterdir())
    matplotlib.pyplot.close("all")


def test_every_plot_is_valid_on_a_run(finished_run):
    """Each custom plot with each of its options, as benchopt calls it."""
    file, = (finished_run[0] / "outputs").glob("*.parquet")
    df = pd.read_parquet(file)
    assert len(OWN) == len(list((ROOT / "plots").glob("*.py")))
    for plot in OWN:
        plot._check()
        plots, _ = plot._get_all_plots(df)
        assert plots
        for key, data in plots.items():
            # These two are of the table of a grid.
            of_grid = plot._get_name() in ("cost_of_tuning", "sensitivity")
            assert bool(data["data"]) != of_grid, key
            for trace in data["data"]:
                if isinstance(trace, dict):
                    assert len(trace["x"]) == len(trace["y"]) > 0, key


def test_styles_tell_methods_apart():
    methods = [m for *_, members in styles.FAMILIES.values() for m in members]
    others = [f"Method {k}" for k in range(30)]
    drawn = {styles.style(m, m)["color"] for m in methods}
    assert len(drawn) == len(methods) >= 22
    drawn = {(styles.color(m), styles.marker(m)) for m in [*methods, *others]}
    assert len(drawn) == len(methods) + len(others)
    for m in others:  # The same again.
        assert styles.style(m, m) == styles.style(m, m)


def test_alike_colours_have_other_lines():
    """However they are seen; by another library's simulation of that."""
    colorspacious = pytest.importorskip("colorspacious")

    def lab(color, deficiency):
        if deficiency:
            color = colorspacious.cspace_convert(
                color, {"name": "sRGB1+CVD", "cvd_type": deficiency,
                        "severity": 100}, "sRGB1")
        return colorspacious.cspace_convert(
            np.clip(color, 0, 1), "sRGB1", "CIELab")

    methods = [m for *_, members in styles.FAMILIES.values() for m in members]
    seen = {m: np.array([lab(styles.color(m)[:3], d) for d in (
        None, "protanomaly", "deuteranomaly")])
        for m in [*methods, *(f"Method {k}" for k in range(20))]}
    for one in seen:
        for other in methods:
            least = np.linalg.norm(seen[one] - seen[other], axis=1).min()
            assert vision.difference(
                styles.color(one), styles.color(other)) == pytest.approx(
                    least, abs=0.1)
            if one != other and styles.line(one) == styles.line(other):
                assert least >= 10, (one, other)
    for *_, members in styles.FAMILIES.values():
        assert len({styles.line(m) for m in members}) == len(members)
