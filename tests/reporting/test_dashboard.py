"""The dashboard in a real browser: curves are drawn, no script fails."""
from pathlib import Path

import pytest

from benchmark_utils.reporting import styles, views

plotly = pytest.importorskip("plotly")

# The page loads these from the network, which a test does not have. plotly
# comes with its Python package; of the two small libraries the page needs
# only what is here.
GRIDJS = """
window.gridjs = {
  html: text => text,
  Grid: class {
    constructor(options) { this.options = options; }
    updateConfig(options) { Object.assign(this.options, options);
                            return this; }
    render(element) {
      const table = document.createElement("table");
      for (const row of this.options.data || []) {
        const line = table.insertRow();
        for (const cell of row) line.insertCell().textContent = cell;
      }
      element.replaceChildren(table);
      return this;
    }
    forceRender() { return this; }
    on() { return this; }
  }
};
"""
ANIME = """
const chain = new Proxy({}, {get: () => () => chain});
window.anime = Object.assign(() => chain, {timeline: () => chain});
"""


@pytest.fixture
def page(finished_run, tab):
    html = next(f for f in (finished_run[0] / "outputs").glob("*.html")
                if "benchopt_run" in f.name)
    plotly_js = Path(plotly.__file__).parent / "package_data/plotly.min.js"

    def serve(route):
        url = route.request.url
        if url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        elif "plotly" in url:
            route.fulfill(path=plotly_js, content_type="text/javascript")
        elif url.endswith(".js"):
            body = GRIDJS if "gridjs" in url else ANIME
            route.fulfill(body=body, content_type="text/javascript")
        else:
            route.fulfill(body="")

    tab.route("**/*", serve)
    tab.goto(html.as_uri())
    return tab


def choose(page, kind, **options):
    """Pick a plot and its options as a user would."""
    page.select_option("#plot_kind", kind)
    for name, value in options.items():
        page.select_option(f"#change_{kind}_{name}", value)
    page.wait_for_timeout(300)


def traces(page):
    """Names and numbers of points of the curves that are drawn."""
    return page.evaluate(
        "Array.from(document.querySelectorAll('.js-plotly-plot')[0].data)"
        ".filter(t => t.mode === 'lines+markers')"
        ".map(t => [t.name, t.x.length, t.y.every(Number.isFinite)])")


@pytest.mark.parametrize("quantity", [
    "h(x) - h*", "squared gradient norm", "h(x)", "inner distance"])
@pytest.mark.parametrize("against", ["time", "oracle calls"])
def test_suboptimality(page, quantity, against):
    page.select_option("#plot_kind", "suboptimality")
    menu = page.eval_on_selector_all(
        "#change_suboptimality_curves option",
        "options => options.map(option => option.value)")
    assert set(menu) <= set(views.VIEWS) and len(menu) >= 8
    for curves in dict.fromkeys(menu):
        choose(page, "suboptimality", quantity=quantity, against=against,
               curves=curves)
        drawn = traces(page)
        assert 1 <= len(drawn) <= (100 if curves in (
            views.EACH, views.ALL) else views.MOST)
        assert all(points >= 1 and finite for _, points, finite in drawn)
        names = {name for name, _, _ in drawn}
        assert curves in styles.FAMILIES or any(
            name.split("[")[0] == "SABA" for name in names)
    text = page.inner_text("body")
    assert ("Time [s]" in text) == (against == "time")
    assert ("Oracle calls" in text) == (against == "oracle calls")
    assert page.errors == []


@pytest.mark.parametrize("profile", ["performance", "data"])
@pytest.mark.parametrize("cost", ["time", "oracle calls"])
def test_performance_profile(page, cost, profile):
    choose(page, "performance_profile", cost=cost, fraction="1e-1",
           profile=profile)
    assert 1 <= len(traces(page)) <= views.MOST
    choose(page, "performance_profile", curves="all")
    drawn = traces(page)
    assert {"SOBA", "SABA", "AID-GD"} <= {name for name, _, _ in drawn}
    assert "share of datasets" in page.inner_text("body")
    assert page.errors == []


def test_a_table_without_a_grid_says_so(page):
    choose(page, "cost_of_tuning")
    assert "see the table of a grid" in page.inner_text("body")
    page.select_option("#plot_kind", "sensitivity")
    page.wait_for_timeout(300)
    assert "No image data" in page.inner_text("body")


@pytest.mark.parametrize("cost", ["time", "oracle calls"])
def test_reaching_gaps(page, cost):
    choose(page, "reaching_gaps", cost=cost)
    cells = page.evaluate(
        "Array.from(document.querySelectorAll('td')).map(c => c.innerText)")
    assert any(cell.startswith("SABA") for cell in cells)
    assert any("e+" in cell or "." in cell for cell in cells), cells
    assert page.errors == []
