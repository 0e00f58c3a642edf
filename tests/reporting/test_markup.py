"""Names with special characters, in tables and figures."""
import re
import subprocess

import matplotlib
import pytest
from handmade import SHORT, problem, problems, table

from benchmark_utils.reporting import (
    figures,
    markup,
    overview,
    prints,
    record,
)
from benchmark_utils.reporting.report import Report

#: What is special in LaTeX, Markdown, HTML or matplotlib.
SPECIAL = "a#b^c$d~e{f}g|h\\i&j%k_l<m>n`o$p*q"


def special(**columns):
    return table({(f"{SPECIAL}[step_size=1.0]", k): SHORT for k in range(5)},
                 **columns)


def unescaped(text, characters):
    return re.findall(rf"(?<!\\)(?:\\\\)*[{re.escape(characters)}]", text)


def test_latex_has_each_character_of_a_name():
    text = markup.latex(SPECIAL)
    # Braces and backslashes belong to commands alone.
    for command in re.findall(r"\\text\w+\{\}", text):
        text = text.replace(command, "", 1)
    assert not unescaped(text, "#^$~{}|&%_<>")
    assert len(re.findall(r"\\text\w+\{\}", markup.latex(SPECIAL))) == 6
    assert markup.latex("SOBA (9/10)") == "SOBA (9/10)"
    row = next(line for line in Report(problem(special())).latex().split("\n")
               if line.startswith("a\\#b"))
    assert row.startswith(markup.latex(SPECIAL) + " & ")


def test_a_name_does_not_end_a_comment_of_latex():
    df = special(dataset="d[n=1\\end{x}\n\\input{y}]")
    lines = Report(problem(df)).latex().splitlines()
    assert not any(line.startswith("\\input") for line in lines)


def test_markdown_has_a_cell_a_column():
    report = Report(problem(special()))
    *_, header = (len(unescaped(line, "|"))
                  for line in report.markdown().splitlines()[:1])
    rows = [line for line in report.markdown().splitlines()
            if line.startswith("|")]
    assert len(rows) == 4
    assert {len(unescaped(row, "|")) for row in rows} == {header}
    assert markup.markdown("step_size=1, _x_, a*b") == (
        "step_size=1, \\_x\\_, a\\*b")
    ranks = overview.Overview(problems(special())).markdown().splitlines()
    assert {len(unescaped(row, "|")) for row in ranks
            if row.startswith("|")} == {7}


@pytest.mark.parametrize("name", [SPECIAL, "a$\\frac{$", "$x$"])
def test_figures_show_names_as_they_are(name, tmp_path):
    df = table({(f"{name}[step_size=1.0]", k): SHORT for k in range(5)},
               dataset=f"{name}[n=1]", gap=1.0)
    found = problem(df)
    for draw in (figures.headline, figures.families):
        figure = draw(found, name)
        texts = [text for text in figure.findobj(matplotlib.text.Text)
                 if name[:3] in text.get_text().replace("\\$", "$")]
        assert texts
        for text in texts:
            assert not matplotlib.cbook.is_math_text(text.get_text())
        prints.save(figure, tmp_path / "figure.svg")
    prints.save(overview.Overview([found]).draw(), tmp_path / "ranks.svg")
    prints.save(figures.profile([found], "time", 0.1),
                 tmp_path / "profile.svg")


def test_fonts_of_a_figure_are_what_conferences_take(tmp_path):
    prints.save(figures.headline(problem(table(
        {("SOBA", 0): SHORT}, gap=1.0)), "title"), tmp_path / "figure.pdf")
    data = (tmp_path / "figure.pdf").read_bytes()
    assert b"/Type3" not in data and b"/FontFile2" in data


def test_an_untracked_solver_changes_the_suite(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b",
                        "-C", str(tmp_path), *arguments], check=True,
                       capture_output=True)

    suite = tmp_path / "suite"
    (suite / "solvers").mkdir(parents=True)
    (suite / "solvers/soba.py").write_text("1")
    (suite / ".gitignore").write_text("outputs/\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "a")
    monkeypatch.setattr(record, "ROOT", suite)
    assert record.commit()["changed"] is False
    # Neither what is ignored nor what is beside the suite.
    (suite / "outputs").mkdir()
    (suite / "outputs/a").write_text("1")
    (tmp_path / "beside").write_text("1")
    assert record.commit()["changed"] is False
    (suite / "solvers/mine ü.py").write_text("1")
    found = record.commit()
    assert found["changed"] is True
    assert found["files"] == ["suite/solvers/mine ü.py"]
    (suite / "solvers/soba.py").write_text("2")
    assert len(record.commit()["files"]) == 2
