"""The dashboard of one results table, in a folder of its own."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmark_utils.reporting.suite import ROOT

# What benchopt reads of a suite to draw a page.
_PARTS = ["objective.py", "config.yml", "references.yml", "plots", "solvers",
          "datasets", "benchmark_utils"]


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
        page = folder / "dashboard.html"
        text = pages[0].read_text()
        page.write_text(text.replace(
            f'href="{table.name}"', f'href="{table.resolve().name}"'))
    return page
