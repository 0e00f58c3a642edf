"""A page a method: what it is, what it costs, where it stands, its code."""
import re

from benchmark_utils.reporting import styles
from docs.site import markdown
from docs.site.results import slug


def page(cls, costs, results, ranks):
    """The page of a method.

    Parameters
    ----------
    cls : type
        The solver.
    costs : list of list of str
        Its rows of the table in ``docs/methods.md``, the head first.
    results : list of Result
    ranks : Overview

    Returns
    -------
    str
        Markdown.
    """
    name = cls.name
    title, text, parameters = markdown.docstring(cls.__doc__)
    family = styles.family_of(name) or "other methods"
    file = f"solvers/{cls._module_filename.name}"
    parts = [
        f"# {markdown.escaped(name)}", f"**{markdown.escaped(title)}.**", text,
        f"*Family:* {family}. *Source:* [{file}](#source). "
        + _standing(name, ranks)]
    if len(costs) > 1:
        parts += [
            # Of the variants side by side: a phone has no room for more.
            "## Cost", markdown.table([*map(list, zip(*costs, strict=True))]),
            "[Methods](../methods.md#costs-and-orders) explains the letters."]
    parts += ["## Parameters", markdown.parameters_table(
        cls.parameters, parameters)]
    if any(name in result.rows for result in results):
        parts += ["## Results", _figures(name, results), _table(
            name, results, ranks)]
    source = cls._module_filename.read_text(encoding="utf-8")
    parts += ["## Source", f"`{file}`:", markdown.code(source)]
    return "\n\n".join(parts) + "\n"


def _standing(name, ranks):
    if name not in ranks.mean:
        return "No committed result has it."
    place = ranks.methods.index(name) + 1
    return (f"*Mean rank:* {ranks.mean[name]:.1f}, place {place} of "
            f"{len(ranks.methods)} in [the results](../results.md#ranks).")


def _figures(name, results):
    images = [
        f'<a href="../problems/{result.dataset}.html">'
        f'<img src="../figures/{result.panels[name]}" loading="lazy" '
        f'alt="{name} on {result.label}: h(x) - h* against time"></a>'
        for result in results if name in result.panels]
    return (f'<div class="panels">\n{chr(10).join(images)}\n</div>\n\n'
            "Median of *h(x)* − *h\\** over repetitions against time, with "
            "the 20 to 80 % band; the other methods are grey.")


def _table(name, results, ranks):
    heads = ["problem", "rank", "h − h\\*", "time to 1e-02", "to 1e-03",
             "parameters"]
    rows = [heads]
    for k, result in enumerate(results):
        link = f"[{markdown.escaped(result.label)}](../{result.page})"
        if name not in result.rows:
            rows.append([link, "-", "-", "-", "-", "diverged in half of the "
                         "repetitions, or did not take part"])
            continue
        row = result.rows[name]
        rows.append([
            link, _rank(ranks, name, k), markdown.measured(row["h - h*"]),
            *(markdown.measured(row[gap].split(" / ")[0])
              for gap in ("1e-02", "1e-03")),
            _parameters(row["parameters"])])
    return markdown.table(rows) + (
        "\n\nMedians, with 95 % bootstrap intervals over repetitions in "
        "brackets; \\*: the best, or not told apart from it.")


def index(solvers, results, ranks):
    """The page of all methods: their ranks, by family.

    Parameters
    ----------
    solvers : list of type
    results : list of Result
    ranks : Overview

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        "# Methods by family",
        "Ranks by the median gap *h* − *h\\** at the last evaluation within "
        "the time, with 95 % bootstrap intervals over repetitions in "
        "brackets. [Results](../results.md) says what to make of them."]
    names = {cls.name for cls in solvers}
    families = {}
    for name in sorted(names, key=styles.order):
        families.setdefault(
            styles.family_of(name) or "other methods", []).append(name)
    for family, members in families.items():
        rows = [["method", "mean", *(
            f"[{markdown.escaped(result.label)}](../{result.page})"
            for result in results)]]
        rows += [[f"[{name}]({slug(name)}.md)",
                  f"{ranks.mean[name]:.1f}" if name in ranks.mean else "-",
                  *(_rank(ranks, name, k) for k in range(len(results)))]
                 for name in members]
        parts += [f"## {family[0].upper()}{family[1:]}", markdown.table(rows)]
    pages = "\n".join(sorted(map(slug, names)))
    parts.append(f"```{{toctree}}\n:hidden:\n\n{pages}\n```")
    return "\n\n".join(parts) + "\n"


def costs_of(text):
    """Rows of the table of costs, by method.

    Parameters
    ----------
    text : str
        ``docs/methods.md``.

    Returns
    -------
    head : list of str
    rows : dict of {str: list of list of str}
    """
    head, rows = [], {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if cells[0] == "solver":
            head = cells
        found = re.match(r"\[([^]]+)\]\([^)]*\)(.*)", cells[0])
        if head and found and len(cells) == len(head):
            rows.setdefault(found[1], []).append(
                [f"{found[1]}{found[2]}", *cells[1:]])
    return head, rows


def _rank(ranks, name, k):
    if (name, k) not in ranks.ranks:
        return "-"
    return markdown.interval(*ranks.ranks[name, k])


def _parameters(text):
    return ", ".join(f"`{part}`" for part in text.split(", ") if part)
