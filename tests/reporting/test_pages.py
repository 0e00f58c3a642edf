"""Pages in a real browser that has no network."""
import shutil

import pytest
from handmade import table
from test_dashboard import choose, traces

from benchmark_utils.reporting import pages

PAGE = '<body><script src="https://cdn.plot.ly/plotly-2.12.1.min.js"></script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dashboard, as compare makes it."""
    folder = tmp_path_factory.mktemp("pages")
    df = table({(f"{name}[step_size=1.0]", k): [(0.0, 9), (0.1, 4), (1, 2)]
                for name in ("SOBA", "SABA") for k in range(3)}, gap=1.0)
    df["version-numpy"] = "2.0"
    df.to_parquet(folder / "d.parquet")
    pages.dashboard(folder / "d.parquet", folder)
    return folder


@pytest.fixture
def tab(tab):
    tab.route("http*://**/*", lambda route: route.abort())
    return tab


def cells(tab):
    return tab.evaluate(
        "Array.from(document.querySelectorAll('#table_container td'))"
        ".map(cell => cell.innerText)")


def test_a_dashboard_needs_no_network(folder, tab):
    assert {file.name for file in folder.iterdir()} == {
        "d.parquet", "dashboard.html", "plotly.min.js"}
    tab.goto((folder / "dashboard.html").as_uri())
    choose(tab, "suboptimality")
    assert {name.split("[")[0] for name, *_ in traces(tab)} == {
        "SOBA", "SABA"}
    choose(tab, "reaching_gaps")
    assert {"SOBA", "SABA"} <= set(cells(tab))
    # Sorted by a click on the name of a column, either way.
    orders = []
    for _ in range(2):
        tab.click("#table_container th >> nth=0")
        orders.append([cell for cell in cells(tab) if cell in (
            "SOBA", "SABA")])
    assert orders == [["SABA", "SOBA"], ["SOBA", "SABA"]]
    assert tab.query_selector("#offline") is None
    # What it asks for in vain is for looks alone, or is plotly.
    assert all("Failed to load" in error for error in tab.errors)


def test_without_plotly_a_page_says_so(folder, tab, tmp_path):
    shutil.copy(folder / "dashboard.html", tmp_path)
    tab.goto((tmp_path / "dashboard.html").as_uri())
    assert "plotly.min.js" in tab.inner_text("#offline")
    assert tab.is_visible("#offline")
    choose(tab, "reaching_gaps")
    assert {"SOBA", "SABA"} <= set(cells(tab))
    # What it asks for in vain is for looks alone, or is plotly.
    assert all("Failed to load" in error for error in tab.errors)


def test_pages_of_benchopt_are_made_so_by_a_command(tmp_path):
    page = tmp_path / "run.html"
    page.write_text(f"{PAGE}<p>é", encoding="utf-8")
    pages.main([str(page)])
    text = page.read_text(encoding="utf-8")
    assert text.endswith("<p>é")
    assert "['plotly.min.js', 'https://cdn.plot.ly/plotly-2" in text
    assert (tmp_path / "plotly.min.js").stat().st_size > 10**6
    # Once is enough.
    assert pages.offline(text) == text
    # Nothing is loaded: nothing is done.
    assert pages.offline("<body>") == "<body>"


def test_another_major_version_of_plotly_is_for_need_alone():
    text = pages.offline(PAGE.replace("plotly-2", "plotly-1"))
    assert "plotly-1.12.1.min.js', 'plotly.min.js']" in text


def test_what_is_no_page_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        pages.main([str(tmp_path / "none.html")])
    assert "none.html' is not valid" in capsys.readouterr().err
