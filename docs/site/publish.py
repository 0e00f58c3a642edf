"""Publish comparisons: their tables, and what these say, on the pages.

    python -m docs.site.publish [outputs/compare/ijcnn1 ...]

copies the table of each comparison (``stored`` says how) and its record to
``results/``, those at default parameters to ``results/defaults/``, and the
parameters to ``configs/``. Then all pages are brought up to date with all
tables: figures, and what stands between marks, as here:

    <!-- claims -->
    What a program can say.
    <!-- /claims -->

What else a page says stays. A problem without a page gets one.
"""
import ast
import json
import re
import shutil
from pathlib import Path

from benchopt.results import read_results

from benchmark_utils.reporting import (
    figures,
    files,
    prints,
    protocol,
    tables,
    tune,
)
from benchmark_utils.reporting.commands import note, parser_of
from benchmark_utils.reporting.compare import FRACTION, Comparison
from benchmark_utils.reporting.configs import rule_of
from benchmark_utils.reporting.overview import Overview, short_names
from docs.site import blocks, markdown, stored
from docs.site.results import DOCS
from docs.site.sources import ROOT

RESULTS = ROOT / "results"
PAGE = """# Results on {name}

<!-- facts -->
<!-- /facts -->

![h(x) - h* against time and oracle calls]({name}.svg)

## What it says

<!-- claims -->
<!-- /claims -->

![A panel a family]({name}_families.svg)

## Table

<!-- table -->
<!-- /table -->

## How it was made

<!-- made -->
<!-- /made -->

[Tuning](tuning.md) explains the commands, [Measures](measures.md) the
quantities. [Results](results.md) ranks the methods on all problems.
"""


def main(arguments=None):
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", nargs="*", type=Path,
                        help="of a comparison, as compare has written it")
    options = parser.parse_args(arguments)
    try:
        for folder in options.folder:
            take(folder)
        write_pages()
    except (ValueError, OSError) as error:
        parser.error(str(error))


def take(folder):
    """Copy a comparison to where results are.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ValueError
        If there is none, it is of changed code, by other rules than those of
        the present, or its parameters are from several files.
    """
    table, record = folder / f"{folder.name}.parquet", folder / "record.json"
    if not (table.exists() and record.exists()):
        raise ValueError(f"folder={str(folder)!r} is not valid: one that "
                         "compare has written is needed")
    story = json.loads(record.read_text(encoding="utf-8"))
    if (story["code"]["git"] or {"changed": True})["changed"]:
        raise ValueError(f"folder={str(folder)!r} is not valid: its code "
                         "differs from a commit, so that nobody could run it")
    df = read_results(table)
    if protocol.names_of(df) != [protocol.PROTOCOL]:
        raise ValueError(f"folder={str(folder)!r} is not valid: it is by "
                         "rules of before")
    name, = short_names([story["dataset"]])
    of_defaults = folder.name.endswith("_defaults")
    source, *others = {(ROOT / file).resolve()
                       for file in story["sources"].values()}
    if others and not of_defaults:
        raise ValueError(f"folder={str(folder)!r} is not valid: its parameters"
                         " are from several files, and one is needed: "
                         f"{sorted(map(str, (source, *others)))}")
    target = RESULTS / "defaults" if of_defaults else RESULTS
    target.mkdir(exist_ok=True)
    stored.write(df, target / f"{name}.parquet")
    shutil.copy(record, target / f"{name}.json")
    config = ROOT / "configs" / f"{name}.yml"
    if not of_defaults and source != config:
        shutil.copy(source, config)
    note(f"{name}: {target / name}.parquet")


def comparisons(folder):
    """Comparisons by the rules of the present, by name.

    Parameters
    ----------
    folder : Path
        Of their tables.

    Returns
    -------
    dict of {str: Comparison}
    """
    found = {}
    for table in sorted(folder.glob("*.parquet")):
        df = read_results(table)
        if protocol.names_of(df) == [protocol.PROTOCOL]:
            found[table.stem] = Comparison(
                df, df["dataset_name"][0], tables.find_objective(df), folder,
                {}, mixed=True)
    return found


def write_pages():
    """Bring all pages up to date."""
    found, plain = comparisons(RESULTS), comparisons(RESULTS / "defaults")
    for name, comparison in found.items():
        page = DOCS / f"{name}.md"
        if not page.exists():
            page.write_text(PAGE.format(name=name), encoding="utf-8")
        fill(page, said_of(name, comparison))
        for end, draw in {"": figures.headline,
                          "_families": figures.families}.items():
            prints.save(draw(comparison.problem, name),
                        DOCS / f"{name}{end}.svg")
        note(f"{page.relative_to(ROOT)}")
    if len(found) > 1:
        overview = Overview([c.problem for c in found.values()])
        for name, figure in {
                "ranks": overview.draw(),
                "critical_difference": overview.separation.draw(),
                "profile": figures.profile(
                    overview.problems, "time", FRACTION)}.items():
            prints.save(figure, DOCS / f"{name}.svg")
        said = blocks.of_all(found, plain, overview)
        fill(DOCS / "index.md", {"pages": said.pop("pages")})
        fill(DOCS / "results.md", said)
    if len(plain) > 1:
        fill(DOCS / "results.md", blocks.of_defaults(plain))


def said_of(name, comparison):
    """Blocks of the page of a problem.

    Parameters
    ----------
    name : str
    comparison : Comparison
        That of its table.

    Returns
    -------
    dict of {str: str}
        By name of the mark.
    """
    record = json.loads((RESULTS / f"{name}.json").read_text(
        encoding="utf-8"))
    return blocks.of_problem(
        name, comparison, record, about(record["dataset"]),
        rules_of(ROOT / "configs" / f"{name}.yml"))


def about(dataset):
    """What a dataset says of itself in the first line of its docstring.

    Parameters
    ----------
    dataset : str
        Its name, with its parameters.

    Returns
    -------
    str
        With a link to its file; nothing of what is no dataset of the suite.
    """
    file = ROOT / "datasets" / f"{tables.method_of(dataset)}.py"
    if not file.exists():
        return ""
    text, = [ast.get_docstring(node) for node in ast.parse(
        file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "Dataset"]
    title, *_ = markdown.docstring(text)
    return f"{title}. [Its file](../datasets/{file.name}) says the rest."


def rules_of(config):
    """Options of ``tune`` by which parameters were chosen.

    Parameters
    ----------
    config : Path

    Returns
    -------
    str
        Those that differ from the usual ones, but for the time.
    """
    parser = parser_of(tune.__doc__)
    tune.add_options(parser)
    usual, found = parser.parse_args(["a dataset"]), ""
    for name in tune.RULES:
        values = sorted(set(rule_of(config, name).values()))
        if name != "max_seconds" and values not in (
                [], [str(getattr(usual, name))]):
            found += f" --{name} {' or '.join(values)}"
    return found


def fill(page, said):
    """Replace what stands between marks of a page.

    Parameters
    ----------
    page : Path
    said : dict of {str: str}
        By name of the mark.

    Raises
    ------
    ValueError
        Naming a mark that the page does not have once.
    """
    text = page.read_text(encoding="utf-8")
    for name, content in said.items():
        text, n = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda mark, content=content: (
                f"{mark[1]}\n{content.strip()}\n\n{mark[2]}"),
            text, flags=re.DOTALL)
        if n != 1:
            raise ValueError(f"{page} has the mark <!-- {name} --> {n} times, "
                             "and once is needed")
    files.write(page, text)


if __name__ == "__main__":
    main()
