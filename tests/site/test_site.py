"""The site: built without a network, and read in a real browser."""
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from benchopt.results import read_results
from harness import DATASETS, ROOT, SOLVERS, listen, run

pytest.importorskip("sphinx")
pytest.importorskip("playwright.sync_api")

from docs.site import markdown, methods, sources  # noqa: E402
from docs.site.results import slug  # noqa: E402

# One build for all tests, and thus in one process.
pytestmark = pytest.mark.xdist_group("site")

TABLE = ROOT / "results" / "quadratic.parquet"
METHODS = sorted(set(SOLVERS) - {"Template"})
OFFLINE = {f"{scheme}_proxy": "http://127.0.0.1:9"
           for scheme in ("http", "https")}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site of one results table, of all that there are."""
    folder = tmp_path_factory.mktemp("site") / "built"
    status, output = run(
        ["-m", "docs.site", str(folder), "-t", str(TABLE)],
        **OFFLINE)
    assert status == 0, output
    return folder


@pytest.fixture
def tab(browser, request):
    """A tab of a width and a colour scheme, which gathers what fails."""
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(
        viewport={"width": width, "height": 850}, color_scheme=scheme)
    tab = listen(context)
    # A lazy image that was on its way when the page was left is aborted.
    tab.on("requestfailed", lambda asked: tab.errors.append(asked.url)
           if asked.failure != "net::ERR_ABORTED" else None)
    # A page that asks for a network has an error, too.
    tab.on("request", lambda asked: tab.errors.append(asked.url)
           if asked.url.startswith("http") else None)
    yield tab
    context.close()


def pages(site):
    """All pages of Sphinx; the dashboards are benchopt's."""
    return [page for page in sorted(site.rglob("*.html"))
            if "dashboards" not in page.parts
            and not page.is_relative_to(site / "_static")]


class Links(HTMLParser):
    """What a page links to, and the names that can be linked to."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.names = [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.add(attributes.get("id"))
        for key in ("href", "src"):
            if attributes.get(key):
                self.targets.append(attributes[key])


def test_each_method_and_problem_has_a_page(site):
    for method in METHODS:
        assert (site / f"methods/{slug(method)}.html").exists(), method
    for name in set(DATASETS) - {"template"}:
        assert (site / f"problems/{name}.html").exists(), name


def test_links_resolve(site):
    found = {page: Links(page) for page in pages(site)}
    for page, links in found.items():
        for target in links.targets:
            url = urlsplit(target)
            if url.scheme in ("http", "https", "mailto", "data"):
                continue
            file = (page.parent / unquote(url.path)).resolve() if (
                url.path) else page
            assert file.exists(), (page.name, target)
            if url.fragment and file in found:
                assert unquote(url.fragment) in found[file].names, (
                    page.name, target)


def test_no_page_is_large(site):
    for page in site.rglob("*.html"):
        assert page.stat().st_size < 3e6, page
    for figure in site.rglob("figures/*.svg"):
        assert figure.stat().st_size < 1e5, figure


@pytest.mark.parametrize("tab", [(390, "light")], indirect=True)
def test_pages_load_and_fit_a_phone(site, tab):
    for page in pages(site):
        tab.goto(page.as_uri())
        assert tab.errors == [], page
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, (page, width)


@pytest.mark.parametrize("tab", [(1280, "light"), (390, "dark")],
                         indirect=True)
@pytest.mark.parametrize("method", ["SOBA", "F2SA-p"])
def test_a_method_has_its_figure(site, tab, method):
    tab.goto((site / f"methods/{slug(method)}.html").as_uri())
    assert tab.inner_text("h1").startswith(method)
    images = tab.locator(".panels img")
    assert images.count() == 1
    images.first.scroll_into_view_if_needed()
    tab.wait_for_function(
        "document.querySelector('.panels img').naturalWidth > 0")
    assert images.first.bounding_box()["width"] > 200
    text = tab.inner_text("article")
    solver = SOLVERS[method]
    assert f"solvers/{solver._module_filename.name}" in text
    assert all(name in text for name in solver.parameters)
    n_methods = len(set(read_results(TABLE)["file_solver"]))
    assert re.search(rf"Mean rank: \d+\.\d, place \d+ of {n_methods} ", text)
    assert "def advance" in text
    assert tab.errors == []


@pytest.mark.parametrize("tab", [(1280, "dark"), (1280, "light")],
                         indirect=True)
def test_dark_mode(site, tab):
    tab.goto((site / "methods/soba.html").as_uri())
    ground, ink = (
        sum(map(float, re.findall(r"\d+", tab.evaluate(
            f"getComputedStyle(document.body).{name}"))[:3])) / 3
        for name in ("backgroundColor", "color"))
    turned = tab.evaluate(
        "getComputedStyle(document.querySelector('.panels img')).filter")
    if tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
        assert ground < 50 and ink > 180 and "invert" in turned
    else:
        assert ground > 230 and ink < 50 and turned == "none"


def test_search_works_offline(site, tab):
    tab.goto((site / "search.html").as_uri() + "?q=LancBiO")
    found = tab.locator("#search-results li a")
    found.first.wait_for()
    targets = [link.get_attribute("href") for link in found.all()]
    assert any("methods/lancbio.html" in target for target in targets)
    assert tab.errors == []


@pytest.mark.parametrize("name", METHODS)
def test_docstrings_are_understood(name):
    title, text, parameters = markdown.docstring(SOLVERS[name].__doc__)
    assert title and text and "Parameters" not in text
    assert set(parameters) == set(SOLVERS[name].parameters)


def test_each_method_has_its_costs():
    head, rows = methods.costs_of((ROOT / "docs/methods.md").read_text())
    assert set(rows) == set(METHODS)
    assert "oracle calls" in head


def test_text_is_no_markup():
    assert markdown.escaped("z*(x) <- x_k, ``a_b``") == (
        r"z\*(x) \<- x\_k, `a_b`")
    assert markdown.code("```").startswith("````python\n```\n````")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    status, output = run(["-m", "docs.site", str(tmp_path)])
    assert status == 2 and f"output={str(tmp_path)!r}" in output
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_link_that_leads_nowhere_is_named(tmp_path, monkeypatch):
    copy = tmp_path / "docs"
    copy.mkdir()
    (copy / "index.md").write_text("# A\n\n[b](nowhere.md)\n")
    monkeypatch.setattr(sources, "DOCS", copy)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"'nowhere.md' in docs/index.md"):
        sources.Sources(tmp_path / "stage", [], []).copy()
