"""A page a problem: what it is, its parameters, who is ahead on it."""
from docs.site import markdown
from docs.site.results import slug


def page(cls, results, ranks, solvers):
    """The page of a dataset.

    Parameters
    ----------
    cls : type
    results : list of Result
        All of them.
    ranks : Overview
        Of the same.
    solvers : set of str
        Names of the methods that have a page.

    Returns
    -------
    str
        Markdown.
    """
    title, text, parameters = markdown.docstring(cls.__doc__)
    file = f"datasets/{cls._module_filename.name}"
    parts = [f"# {markdown.escaped(cls.name)}",
             f"**{markdown.escaped(title)}.**", text,
             f"*Source:* [{file}](#source). "
             f"*To run it:* `benchopt run . -d {cls.name}`."]
    if cls.parameters:
        parts += ["## Parameters", markdown.parameters_table(
            cls.parameters, parameters)]
    for k, result in enumerate(results):
        if result.dataset == cls.name:
            parts += _results(k, result, ranks, solvers)
    source = cls._module_filename.read_text(encoding="utf-8")
    parts += ["## Source", f"`{file}`:", markdown.code(source)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _results(k, result, ranks, solvers):
    rows = [["rank", "method", "h − h\\*", "time to 1e-02", "to 1e-03",
             "to 1e-04"]]
    in_turn = sorted((rank, name) for (name, problem), rank
                     in ranks.ranks.items() if problem == k)
    for rank, name in in_turn:
        row = result.rows[name]
        link = f"[{name}](../methods/{slug(name)}.md)"
        rows.append([
            markdown.interval(*rank),
            link if name in solvers else markdown.escaped(name),
            *(markdown.measured(row[head].split(" / ")[0])
              for head in ("h - h*", "1e-02", "1e-03", "1e-04"))])
    name = markdown.escaped(result.label)
    return [
        f"## Results on {name}",
        (f"[What they say](../{result.page}), and " if result.is_explained
         else "See ")
        + f'<a href="../dashboards/{result.name}.html">the dashboard</a>: '
        f"{markdown.escaped(result.problem.reference_text)}, "
        f"{result.problem.n_asked} repetitions.",
        f"![h(x) - h* against time and oracle calls]"
        f"(../figures/{result.figure})",
        markdown.table(rows),
        "Medians, with 95 % bootstrap intervals over repetitions in brackets; "
        "\\*: the best, or not told apart from it."]


def index(datasets):
    """The list of the pages of datasets.

    Parameters
    ----------
    datasets : list of type

    Returns
    -------
    str
        A table of contents for Sphinx.
    """
    pages = "\n".join(f"problems/{cls.name}" for cls in datasets)
    return f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def dashboards(results):
    """The page that links to all dashboards."""
    rows = [["problem", "dashboard", "results table"]]
    rows += [[f"[{markdown.escaped(result.label)}]({result.page})",
              f'<a href="dashboards/{result.name}.html">open</a>',
              f'<a href="dashboards/{result.name}.parquet">'
              f"{result.name}.parquet</a>"] for result in results]
    return (
        "# Dashboards\n\nA dashboard draws one results table as you choose: "
        "families, gradient norms, test errors, oracle calls, profiles. "
        "[Running](running.md#read-the-dashboard) explains its plots.\n\n"
        + markdown.table(rows) + "\n")
