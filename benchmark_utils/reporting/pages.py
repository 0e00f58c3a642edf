"""Pages of results tables, which can be read without a network.

    python -m benchmark_utils.reporting.pages outputs/*.html

does for benchopt's own pages what ``compare`` does for its dashboards: plotly
is copied beside them, from the Python package that benchopt depends on, and a
table that Grid.js does not draw is a plain one. Each page is replaced.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmark_utils.reporting import files
from benchmark_utils.reporting.commands import note, parser_of
from benchmark_utils.reporting.suite import ROOT

# What benchopt reads of a suite to draw a page.
_PARTS = ["objective.py", "config.yml", "references.yml", "plots", "solvers",
          "datasets", "benchmark_utils"]
#: What ``dashboard`` writes.
FILES = ["dashboard.html"]
#: Beside a page: the library that draws its curves.
PLOTLY = "plotly.min.js"
#: In place of what a page cannot load.
_FALLBACK = Path(__file__).with_name("offline.js")

_SCRIPT = re.compile(
    r'<script src="(https?://[^"]*?(plotly|gridjs|anime)[^"]*)"></script>')
# Fonts and colours: what does not come in time is done without.
_STYLE = re.compile(r'<link href="(https?://[^"]*)" rel="stylesheet">')


def _place(source, target):
    """Put a file or a folder there too, by a link where that can be done."""
    try:
        target.symlink_to(source)
    except OSError:  # Windows lets few users make links.
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)


def dashboard(table, folder):
    """Write the page of a results table, and what it links to.

    benchopt writes pages to the suite. They are made in a folder of links to
    it, so that a suite that may not be written to has pages, too.

    Parameters
    ----------
    table : Path
    folder : Path

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        With the last line of what benchopt said, if it failed.
    """
    page = folder / FILES[0]
    text = _drawn(table)
    # More of what is done to a page belongs here, text to text.
    text = text.replace(f'href="{table.name}"',
                        f'href="{table.resolve().name}"')
    store(page, offline(text))
    return page


def _drawn(table):
    """The page of a table, as benchopt makes it."""
    with tempfile.TemporaryDirectory() as view:
        view = Path(view)
        for part in _PARTS:
            if (ROOT / part).exists():
                _place(ROOT / part, view / part)
        outputs = view / "outputs"
        outputs.mkdir()
        shutil.copy(table, outputs / table.name)
        done = subprocess.run(
            [sys.executable, "-m", "benchopt", "plot", str(view), "-f",
             str(outputs / table.name), "--no-display"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        pages = [file for file in outputs.glob("*.html")
                 if file.stem.endswith(f"_{table.stem}")]
        if done.returncode or not pages:
            last = [line for line in done.stdout.splitlines() if line.strip()]
            raise ValueError(f"no dashboard of {table}: {last[-1:]}")
        return pages[0].read_text(encoding="utf-8")


def store(page, text):
    """Write a page that ``offline`` has made, with plotly beside it."""
    files.write(page, text)
    source = _plotly()
    if source and files.content(page.with_name(PLOTLY)) != (
            files.content(source)):
        with files.replacing(page.with_name(PLOTLY)) as part:
            shutil.copy(source, part)


def offline(text, plotly=PLOTLY):
    """A page of benchopt's that is read without a network.

    Parameters
    ----------
    text : str
        HTML.
    plotly : str
        Address of plotly.js, as seen from the page.

    Returns
    -------
    str
        The same for a page that this has made, or that loads nothing. Where
        ``plotly`` is missing, it takes the one that benchopt asks for, and
        where that cannot be had either, it says so.
    """
    if "window.offline" in text or not _SCRIPT.search(text):
        return text
    text = _STYLE.sub(r'<link href="\1" rel="stylesheet" media="print" '
                      r"""onload="this.media='all'">""", text)

    def with_fallback(script):
        url, library = script.groups()
        sources = [url]
        if library == "plotly" and _plotly():
            # Another major version may draw another page: only in need.
            sources.insert(0 if _same_version(url) else 1, plotly)
        asked = ", ".join(f"'{source}'" for source in sources)
        return f"<script>window.offline.load('{library}', [{asked}])</script>"

    text = _SCRIPT.sub(with_fallback, text)
    first = text.index("<script>window.offline.load")
    return (f"{text[:first]}<script>\n"
            f"{_FALLBACK.read_text(encoding='utf-8')}</script>\n"
            f"{text[first:]}")


def _plotly():
    """plotly.js of the Python package, or None."""
    try:
        import plotly
    except ImportError:
        return None
    file = Path(plotly.__file__).parent / "package_data" / PLOTLY
    return file if file.exists() else None


def _same_version(url):
    """Whether plotly.js of the package is of the major version of a URL."""
    with _plotly().open(encoding="utf-8") as file:
        ours = re.search(r"plotly\.js v(\d+)\.", file.read(500))
    asked = re.search(r"plotly-(\d+)\.", url)
    return bool(ours and asked and ours[1] == asked[1])


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("page", nargs="+", type=Path,
                        help="page of benchopt, which is replaced")
    options = parser.parse_args(arguments)
    for page in options.page:
        try:
            store(page, offline(page.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            parser.error(f"page={str(page)!r} is not valid: {error}")
        note(f"written: {page}")


if __name__ == "__main__":
    main()
