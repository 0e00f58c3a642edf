"""Publish comparisons: their tables, and what these say, on the pages.

    python -m docs.site.publish [outputs/compare/ijcnn1 ...]

copies the table and the record of each comparison to ``results/``, those at
default parameters to ``results/defaults/``, and the parameters to
``configs/``. Then all pages are brought up to date with all tables: figures,
and what stands between marks, as here:

    <!-- claims -->
    What a program can say.
    <!-- /claims -->

What else a page says stays. A problem without a page gets one.
"""
import json
import re
import shutil
import textwrap
from collections import Counter
from pathlib import Path

from benchopt.results import read_results

from benchmark_utils.reporting import (
    figures,
    files,
    markup,
    prints,
    protocol,
    runs,
    styles,
    tables,
)
from benchmark_utils.reporting.commands import note, parser_of
from benchmark_utils.reporting.compare import FRACTION, Comparison
from benchmark_utils.reporting.overview import Overview, short_names
from docs.site.results import DOCS
from docs.site.sources import ROOT

RESULTS = ROOT / "results"
#: What the poster of SOBA and SABA compares them with.
OF_THEIR_TIME = ["AmIGO", "BSA", "FSLA", "MRBO", "StocBiO", "SUSTAIN", "TTSA",
                 "VRBO"]
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
    if protocol.names_of(read_results(table)) != [protocol.PROTOCOL]:
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
    shutil.copy(table, target / f"{name}.parquet")
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
        fill(page, of_problem(name, comparison))
        for end, draw in {"": figures.headline,
                          "_families": figures.families}.items():
            prints.save(draw(comparison.problem, name),
                        DOCS / f"{name}{end}.svg")
        note(f"{page.relative_to(ROOT)}")
    blocks = {}
    if len(found) > 1:
        overview = Overview([c.problem for c in found.values()])
        blocks |= of_all(found, overview)
        for name, figure in {
                "ranks": overview.draw(),
                "critical_difference": overview.separation.draw(),
                "profile": figures.profile(
                    overview.problems, "time", FRACTION)}.items():
            prints.save(figure, DOCS / f"{name}.svg")
    if len(plain) > 1:
        blocks["defaults"] = Overview(
            [c.problem for c in plain.values()]).markdown(with_diagram=False)
    fill(DOCS / "results.md", blocks)


def fill(page, blocks):
    """Replace what stands between marks of a page.

    Parameters
    ----------
    page : Path
    blocks : dict of {str: str}

    Raises
    ------
    ValueError
        Naming a mark that the page does not have once.
    """
    text = page.read_text(encoding="utf-8")
    for name, content in blocks.items():
        text, n = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda mark, content=content: (
                f"{mark[1]}\n{content.strip()}\n\n{mark[2]}"),
            text, flags=re.DOTALL)
        if n != 1:
            raise ValueError(f"{page} has the mark <!-- {name} --> {n} times, "
                             "and once is needed")
    files.write(page, text)


def of_problem(name, comparison):
    """Blocks of the page of a problem."""
    record = json.loads((RESULTS / f"{name}.json").read_text(
        encoding="utf-8"))
    problem, report = comparison.problem, comparison.report
    n_starts = len(record["seeds"]["of the comparison"])
    seconds = f"{problem.limit:g}"
    typed = record["config"]["dataset"][0]
    return {
        "facts": _wrapped(
            f"{len(report.best)} methods, {seconds} s of their own time each, "
            f"{problem.n_asked} runs: {n_starts} starts, with "
            f"{problem.n_asked // n_starts} samplings of each. Parameters are "
            f"those that `tune` has chosen (`configs/{name}.yml`)."),
        "claims": _listed([*report.claims(), *comparison.notes()]),
        "table": report.markdown(),
        "made": "\n".join([
            "```bash",
            f'python -m benchmark_utils.reporting.tune "{_short(typed)}" '
            f"-j 2 --max-seconds {seconds}",
            f'python -m benchmark_utils.reporting.compare "{_short(typed)}" '
            f"-j 2 --max-seconds {seconds}", "```", "",
            _wrapped(_conditions(record)), "",
            _wrapped(f"`results/{name}.json` is the whole record.")]),
    }


def _short(typed):
    """What has to be typed for a dataset: not what is so by default."""
    found = tables.parameters_of(typed)
    return tables.method_of(typed) + (
        f"[name={found['name']}]" if "name" in found else "")


def _conditions(record):
    machine, versions = record["machine"], record["versions"]
    minutes = sum(run["seconds"] for run in record["runs"]) / 60
    loads = [run["machine after"]["load average"] for run in record["runs"]]
    load = max((load[0] for load in loads if load), default=None)
    return (
        f"The comparison took {minutes:.0f} min, on "
        f"{machine['system-cpus']} cores of {machine['system-processor']}"
        + (f", at a load of {load:.1f} at most" if load is not None else "")
        + f". {machine['platform']}, " + ", ".join(
            f"{name} {versions[key]}" for name, key in {
                "Python": "python", "benchopt": "benchopt", "NumPy": "numpy",
                "SciPy": "scipy", "Numba": "numba"}.items())
        + f"; {record['date'][:10]}, commit "
        f"`{record['code']['git']['commit'][:10]}`.")


def of_all(found, overview):
    """Blocks of the page of all problems.

    Parameters
    ----------
    found : dict of {str: Comparison}
    overview : Overview
        Of their problems.
    """
    return {"facts": _of_problems(found, overview),
            "overview": overview.markdown(with_diagram=False),
            "families": _of_families(overview, list(found)),
            "gaps": _of_gaps(found),
            "poster": _of_the_poster(found)}


def _of_problems(found, overview):
    """Which problems take part, and how long a run is."""
    problems = ", ".join(
        f"[{name}]({name}.md) ({comparison.problem.limit:g} s)"
        for name, comparison in found.items())
    return _wrapped(
        f"{len(overview.methods)} methods on {len(found)} problems, by the "
        f"[rules](tuning.md) of the suite: {problems}. In brackets is the "
        "time of a run; parameters are those that `tune` has chosen at the "
        "same cost for each method. A problem's page has its table, and how "
        "it was made.")


def _of_families(overview, names):
    rows = [["family", *names]]
    for family, (*_, members) in styles.FAMILIES.items():
        cells = []
        for k in range(len(names)):
            ranked = [(overview.ranks[m, k][0], m) for m in members
                      if (m, k) in overview.ranks]
            rank, method = min(ranked, default=(0, ""))
            cells.append(f"{method}, {rank:g}" if ranked else "-")
        rows.append([family, *cells])
    return markup.table(rows)


def _of_gaps(found):
    """Who is the first within each gap, and whom no test tells apart."""
    rows = [["problem", "gap", "by time", "by oracle calls"]]
    for name, comparison in found.items():
        for gap in comparison.report.gaps:
            cells = []
            for cost in runs.COSTS:
                compared = comparison.report.costs[cost, gap]
                first = [m for m in compared.not_told_apart()
                         if m != compared.best]
                cells.append(
                    f"{compared.best}, {compared.median[compared.best]:.2g}"
                    + (" s" if cost == "time" else "")
                    + (f" (not told apart: {', '.join(first)})"
                       if len(first) < 5 and first else
                       f" ({len(first)} others are not told apart)"
                       if first else ""))
            rows.append([name, f"{gap:.0e}", *cells])
    return markup.table(rows)


def _of_the_poster(found):
    """Places of SOBA and SABA, among methods of their time and among all."""
    rows = [["problem", "the lowest of their time", *(
        f"{method}, {among}" for method in ("SOBA", "SABA")
        for among in ("of its time", "of all"))]]
    for name, comparison in found.items():
        ends = comparison.report.end.median
        known = [m for m in ("SOBA", "SABA", *OF_THEIR_TIME) if m in ends]
        if not known:
            continue
        cells = [min(known, key=ends.get)]
        for method in ("SOBA", "SABA"):
            for among in (known, list(ends)):
                place = 1 + sum(ends[m] < ends.get(method, 0) for m in among)
                cells.append(f"{place} of {len(among)}"
                             if method in ends else "-")
        rows.append([name, *cells])
    wins = Counter(row[1] for row in rows[1:])
    return markup.table(rows) + "\n\n" + _wrapped(
        "The lowest median at the end of the time, of SOBA, SABA and "
        f"{len(OF_THEIR_TIME)} methods that their poster compares them with, "
        "is that of " + ", ".join(
            f"{method} on {n}" for method, n in wins.most_common())
        + f" of {len(rows) - 1} problems.")


def _wrapped(text, **indents):
    return textwrap.fill(text, 88, break_long_words=False,
                         break_on_hyphens=False, **indents)


def _listed(texts):
    return "\n".join(_wrapped(markup.markdown(text), initial_indent="- ",
                              subsequent_indent="  ") for text in texts)


if __name__ == "__main__":
    main()
