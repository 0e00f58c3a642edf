"""What all figures for a paper share: widths, text, and files."""
from pathlib import Path

from benchmark_utils.reporting import files, styles

#: Inches, of a column and of two, by what the name of a file ends with.
WIDTHS = {"": 6.75, "_column": 3.25}
SUFFIXES = (".svg", ".pdf")
#: Of all text, in points: what journals ask for at the least.
SIZE = 7.0
#: Height of a line of text, and width of a letter, in inches.
LINE = 1.2 * SIZE / 72
LETTER = 0.6 * SIZE / 72


def pyplot():
    """matplotlib, drawing to files, the same table to the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmark"
    styles.embed_fonts()
    from matplotlib import pyplot as plt

    return plt


def save(figure, *places):
    """Write a figure as the ends of the names say, without the date."""
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    for file in map(Path, places):
        key = keys.get(file.suffix)
        with files.replacing(file) as part:
            figure.savefig(part, dpi=150,
                           metadata={key: None} if key else None)
    pyplot().close(figure)


def files_of(names):
    """Files that ``print_to`` writes of figures of these names."""
    return [f"{name}{width}{suffix}" for name in names for width in WIDTHS
            for suffix in SUFFIXES]


def print_to(folder, name, draw):
    """Write a figure at the width of a column and of two, as SVG and PDF.

    Parameters
    ----------
    folder : Path
    name : str
    draw : callable
        From ``width``, in inches, to a figure.
    """
    for end, width in WIDTHS.items():
        save(draw(width=width), *(
            folder / f"{name}{end}{suffix}" for suffix in SUFFIXES))
