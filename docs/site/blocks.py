"""What pages say of comparisons: the text between two marks, by its name."""
import textwrap
from collections import Counter
from copy import copy

import numpy as np

from benchmark_utils.reporting import (
    conditions,
    markup,
    runs,
    seeds,
    styles,
    tables,
)
from benchmark_utils.reporting.overview import Overview

#: What the poster of SOBA and SABA compares them with.
OF_THEIR_TIME = ["AmIGO", "BSA", "FSLA", "MRBO", "StocBiO", "SUSTAIN", "TTSA",
                 "VRBO"]
#: What a tuned gap is above that at the defaults, where that is told.
FACTOR = 2


def of_problem(name, comparison, record, about="", rules=""):
    """Blocks of the page of a problem.

    Parameters
    ----------
    name : str
    comparison : Comparison
    record : dict
        Of how it was made.
    about : str
        What the problem is, in Markdown.
    rules : str
        Options of ``tune`` beside the time.
    """
    problem, report = comparison.problem, comparison.report
    n_starts = len(record["seeds"]["of the comparison"])
    n_samplings = problem.n_asked // n_starts
    objective, = comparison.table["objective_name"].unique()
    often = tables.parameters_of(objective).get("evaluations")
    unusual = "".join(
        f" --{name} {n}" for name, n, usual in [
            ("starts", n_starts, seeds.STARTS),
            ("repetitions", n_samplings, seeds.REPETITIONS),
            ("evaluations", often, None)] if n != usual)
    seconds = f"{problem.limit:g}"
    typed = record["config"]["dataset"][0]
    return {
        "facts": _wrapped(about) + "\n\n" + _wrapped(
            f"{len(report.best)} methods, {seconds} s of their own time each, "
            f"{problem.n_asked} runs: {n_starts} starts, with "
            f"{n_samplings} samplings of each. Parameters are "
            f"those that `tune` has chosen (`configs/{name}.yml`)."),
        "claims": _listed([*report.claims(), *comparison.notes()]),
        "table": report.markdown(),
        "made": "\n".join([
            "```bash",
            f'python -m benchmark_utils.reporting.tune "{_short(typed)}" '
            f"-j 2 --max-seconds {seconds}{rules}",
            f'python -m benchmark_utils.reporting.compare "{_short(typed)}" '
            f"-j 2 --max-seconds {seconds}{unusual}", "```", "",
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
        f"The comparison took {minutes:.0f} min"
        + (" since it was last interrupted"
           if any(run.get("goes on") for run in record["runs"]) else "")
        + f", on {machine['system-cpus']} cores of "
        + machine["system-processor"]
        + (f", at a load of {load:.1f} at most" if load is not None else "")
        + f". {machine['platform']}, " + ", ".join(
            f"{name} {versions[key]}" for name, key in {
                "Python": "python", "benchopt": "benchopt", "NumPy": "numpy",
                "SciPy": "scipy", "Numba": "numba"}.items())
        + f"; {record['date'][:10]}, commit "
        f"`{record['code']['git']['commit'][:10]}`.")


def of_all(found, plain, overview):
    """Blocks of the pages that are of all problems.

    Parameters
    ----------
    found, plain : dict of {str: Comparison}
        At the parameters that ``tune`` has chosen, and at the defaults.
    overview : Overview
        Of the problems of the first.
    """
    return {"pages": _wrapped(_links(found) + "."),
            "facts": _of_problems(found, overview),
            "overview": overview.markdown(with_diagram=False),
            "cautions": cautions(found, plain),
            "families": _of_families(overview, list(found)),
            "gaps": _of_gaps(found),
            "poster": _of_the_poster(found)}


def of_defaults(plain):
    """Blocks of what is compared at the defaults of files."""
    overview = Overview([c.problem for c in plain.values()])
    return {"defaults": overview.markdown(with_diagram=False)}


def _links(found, tail=""):
    """Links to the pages of problems, each with what is filled in after."""
    return ", ".join(
        f"[{name}]({name}.md){tail.format(comparison.problem)}"
        for name, comparison in found.items())


def _of_problems(found, overview):
    """Which problems take part, how long a run is, and on which machines."""
    problems = _links(found, " ({0.limit:g} s)")
    machines = {}
    for name, comparison in found.items():
        rows = comparison.table[["system-processor", "system-cpus"]]
        for _, row in rows.drop_duplicates().iterrows():
            machines.setdefault(conditions.machine_of(row), []).append(name)
    return _wrapped(
        f"{len(overview.methods)} methods on {len(found)} problems, by the "
        f"[rules](tuning.md) of the suite: {problems}. In brackets is the "
        "time of a run; parameters are those that `tune` has chosen at the "
        "same cost for each method. They ran on "
        + "; ".join(f"{here} ({', '.join(names)})"
                    for here, names in machines.items())
        + ". A problem's page has its table, and how it was made.")


def cautions(found, plain):
    """What ranks do not show: additions of this suite, and what was lost.

    Parameters
    ----------
    found, plain : dict of {str: Comparison}
        At the parameters that ``tune`` has chosen, and at the defaults.

    Returns
    -------
    str
    """
    ours, lost = Counter(), []
    ran = {name: {c.method for c in comparison.problem.configurations}
           for name, comparison in found.items()}
    skipped = [f"{method} on {name}" for name in found for method in sorted(
        set().union(*ran.values()) - ran[name], key=styles.order)]
    for name, comparison in found.items():
        for configuration in comparison.problem.configurations:
            method, n_asked = configuration.method, configuration.n_asked
            ours[method] += configuration.parameters.get(
                "adjoint") == "linear"
            n_lost = n_asked - len(configuration.curves)
            if 2 * n_lost >= n_asked:
                lost.append(f"{method} on {name} ({n_lost} of {n_asked})")
    return _listed([
        "An addition of this suite is adjoint=linear, SOBA's adjoint "
        "variable, which tune has chosen for " + (", ".join(
            f"{method} on {n}" for method, n in ours.items() if n)
            or "no method on any") + f" of {len(found)} problems.",
        "In at least half of the runs, with the parameters that tune had "
        "chosen, diverged " + (", ".join(lost) or "no method") + ".",
        "Not for all problems, and among the last where they do not run: "
        + (", ".join(skipped) or "no method") + ".",
        *_of_tuning(found, plain)])


def _of_tuning(found, plain):
    """Where tuning did harm, and what would be if it did not.

    Of gaps, as what they are measured from is known, and the same for both.
    """
    pairs = {name: (found[name].problem, plain[name].problem)
             for name in found if name in plain}
    n_pairs, lower, higher = 0, 0, []
    for name, pair in pairs.items():
        tuned, untuned = ({c.method: c.score(column="gap")[0]
                           for c in problem.configurations}
                          for problem in pair)
        for method in [method for method in tuned if method in untuned]:
            ends = tuned[method], untuned[method]
            n_pairs += 1
            lower += ends[0] < ends[1]
            if ends[0] > ends[1]:
                higher.append((*ends, f"{method} on {name}"))
    if not n_pairs:
        return []
    # The worst first; of a gap that is none, any other is far more.
    higher.sort(key=lambda row: (
        -row[0] / row[1] if row[1] else -np.inf, -row[0]))
    worst = [f"{where} ({_gap(tuned)}, as it comes {_gap(untuned)})"
             for tuned, untuned, where in higher if tuned > FACTOR * untuned]
    return [
        f"Of {n_pairs} medians at the end, of a method on a problem, {lower} "
        "are lower with the parameters that tune has chosen than with those "
        f"of the method's file, and {len(higher)} are higher" + (
            f", {len(worst)} by more than a factor of {FACTOR}: "
            + ", ".join(worst) if worst else "") + ".",
        *(_of_the_lower(pairs.values()) if len(pairs) > 1 else ())]


def _of_the_lower(pairs):
    """Ranks where a method has the better of two configurations."""
    both = [copy(tuned) for tuned, _ in pairs]
    for problem, (tuned, untuned) in zip(both, pairs, strict=True):
        problem.configurations = tuned.configurations + untuned.configurations
    separation = Overview(both).separation
    claim, *_ = separation.claims()
    first = [f"{method} {rank:.1f}"
             for method, rank in list(separation.mean.items())[:3]]
    return ["Where each method has, on each problem, those of the two that end"
            f" lower: {claim[0].lower()}{claim[1:]} The lowest mean ranks are "
            f"{', '.join(first)}."]


def _gap(median):
    return f"{median:.1e}" if np.isfinite(median) else "diverged"


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
