"""Text as it is, in Markdown, LaTeX and figures.

A name is whatever a solver, a dataset or a path is called: none of its
characters may end a cell, begin a formula, or be lost.
"""
import re

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
# Within a word, _ is literal: step_size stays readable in the source.
_MARKDOWN = re.compile(r"[\\|<`*~]|(?<!\w)_|_(?!\w)")


def one_line(text):
    """Text without line breaks, which would end a row or a comment."""
    return " ".join(text.split())


def latex(text):
    """Text for LaTeX, in a table or elsewhere."""
    return "".join(_LATEX.get(character, character)
                   for character in one_line(text))


def markdown(text):
    """Text for Markdown, also for the cell of a table."""
    return _MARKDOWN.sub(lambda found: "\\" + found[0], one_line(text))


def figure(text):
    """Text for matplotlib, which takes what is between two $ for a formula."""
    return text.replace("$", r"\$")


def table(rows):
    """A table in Markdown.

    Parameters
    ----------
    rows : list of list of str
        The header first. What may be special in a cell is escaped already.

    Returns
    -------
    str
    """
    header, *others = rows
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [
        header, ["---"] * len(header), *others])
