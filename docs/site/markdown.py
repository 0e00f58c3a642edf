"""Markdown of docstrings, tables and source code."""
import inspect
import re

from numpydoc.docscrape import NumpyDocString


def escaped(text):
    """Plain text, none of which is markup. Double backquotes stay code."""
    parts = re.split(r"``(.+?)``", str(text), flags=re.DOTALL)
    return "".join(
        f"`{part}`" if k % 2 else re.sub(r"([\\`*_<>\[\]|#~$])", r"\\\1", part)
        for k, part in enumerate(parts))


def interval(rank, low, high):
    """A rank, with its interval where this has more than one, in one line."""
    return f"{rank}" + (
        f"\u00a0\\[{low}\u2011{high}\\]" if low < high else "")


def measured(cell):
    """A number of a report; its star stays with it."""
    return escaped(cell.replace(" *", "\u00a0*"))


def table(rows):
    """A table, the first row of which is the head; cells are Markdown."""
    first, *rest = [" | ".join(
        " ".join(str(cell).split()) for cell in row) for row in rows]
    rule = " | ".join(["---"] * len(rows[0]))
    return "\n".join(f"| {line} |" for line in [first, rule, *rest])


def code(text, language="python"):
    """A block of code, whatever it contains."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def docstring(text):
    """What a class says of itself.

    Parameters
    ----------
    text : str or None
        Its docstring, in NumPy's style.

    Returns
    -------
    title : str
    paragraphs : str
        Markdown.
    parameters : dict of {str: (str, str)}
        Their types and what they are, in Markdown.
    """
    # What stands before the first underlined heading is text as it is:
    # formulas in it have indents and signs of their own.
    text = inspect.cleandoc(text or "")
    prose = re.split(r"^\w[\w ]*\n-{3,}$", text, maxsplit=1,
                     flags=re.MULTILINE)[0]
    title, _, rest = prose.strip().partition("\n\n")
    paragraphs = "\n\n".join(_paragraph(p) for p in rest.split("\n\n"))
    found = NumpyDocString(text)["Parameters"]
    parameters = {
        name.strip(): (escaped(kind), escaped(" ".join(lines)))
        for names, kind, lines in found for name in names.split(",")}
    return " ".join(title.split()).rstrip("."), paragraphs, parameters


def _paragraph(text):
    if text.startswith(" ") or "\n    " in text:
        return code(text, "text")
    # A line of a list stays one.
    return "\n".join(
        ("- " + escaped(line[2:])) if line.startswith("- ")
        else ("  " if line.startswith("  ") else "") + escaped(line.strip())
        for line in text.splitlines())


def parameters_table(defaults, described):
    """Parameters with their defaults.

    Parameters
    ----------
    defaults : dict of {str: list}
        As benchopt has them: the values that are run.
    described : dict of {str: (str, str)}
    """
    return table([
        ["parameter", "default", "type", "what it is"],
        *([f"`{name}`", ", ".join(f"`{value!r}`" for value in values),
           *described.get(name, ("", ""))]
          for name, values in defaults.items())])
