"""Which methods a plot shows: never more than can be told apart."""
import zlib

import numpy as np

from benchmark_utils.reporting import files, styles, tables

#: Curves at the top of a page, which has a legend that one can click.
MOST = 10
#: Curves in a figure that is printed, and those that it begins with.
MOST_PRINTED, FIRST = 8, 5
#: Configurations of a dataset beyond which a page would be too large.
MOST_OF_ALL = 200
#: Shown wherever there is room: the poster's.
ALWAYS = ("SOBA", "SABA")

FEW = "best of each family"
EACH = "best of each method"
#: Of all runs that a table has, where a method has several.
ALL = "all configurations"
#: Methods outside of the families, such as a new one.
OTHERS = "other methods"
VIEWS = [FEW, *styles.FAMILIES, OTHERS, EACH, ALL]


class _Key(str):
    """Name of a plot, of which another text names its file.

    benchopt writes a figure to f"{key}.pdf", without what follows a dot in
    the key, and the names of datasets are in it with all parameters, which
    may be more than a file can be called. Its pages need the key as it is.
    """

    def __format__(self, form):
        name = self.replace(".", "-")
        return files.short(name if name == self else (
            f"{name}~{zlib.crc32(self.encode()):08x}"))


class NamesFigures:
    """A plot whose figures are files with fonts: before benchopt's class."""

    def _get_all_plots(self, df):
        """benchopt's hook: all plots, by their names."""
        styles.embed_fonts()
        plots, options = super()._get_all_plots(df)
        return {_Key(key): plot for key, plot in plots.items()}, options


def headline(best):
    """The methods of a figure at the top.

    The best of each family, SOBA, SABA, those outside the families, and thus
    whoever wins; the worst of the families are left out beyond ten, and what
    room is left goes to the best of all others.

    Parameters
    ----------
    best : dict of {str: Configuration}
        As ``Problem.best`` returns it.

    Returns
    -------
    list of Configuration
        In the order of the families.
    """
    by_score = sorted(best, key=lambda m: best[m].score(column="gap"))
    firsts, families = [], set()
    for method in by_score:
        family = styles.family_of(method)
        if family is None or family not in families:
            families.add(family)
            firsts.append(method)
    wanted = [*by_score[:1], *(m for m in firsts
                               if styles.family_of(m) is None),
              *(m for m in ALWAYS if m in best), *firsts, *by_score]
    kept = set(list(dict.fromkeys(wanted))[:MOST])
    return [configuration for method, configuration in best.items()
            if method in kept]


def first(best):
    """The methods of a figure that is printed.

    The first five by the gap at the end, SOBA and SABA, and as far as there
    is room those outside the families: what somebody compares with them.

    Parameters
    ----------
    best : dict of {str: Configuration}
        As ``Problem.best`` returns it.

    Returns
    -------
    list of Configuration
        In the order of the families.
    """
    by_score = sorted(best, key=lambda m: best[m].score(column="gap"))
    wanted = [*by_score[:FIRST], *(m for m in ALWAYS if m in best), *(
        m for m in by_score if styles.family_of(m) is None)]
    kept = set(list(dict.fromkeys(wanted))[:MOST_PRINTED])
    return [configuration for method, configuration in best.items()
            if method in kept]


def options(df):
    """The views that have something to show, of a table.

    Returns
    -------
    list of str
        For benchopt's menu, of which the first is the default.
    """
    configurations = df[["dataset_name", "objective_name", "solver_name"]]
    configurations = configurations.drop_duplicates().assign(
        method=lambda found: found["solver_name"].map(tables.method_of))
    problems = configurations.groupby(["dataset_name", "objective_name"])
    # Where each method has one, it is in the view of each method.
    several = (problems["solver_name"].size()
               > problems["method"].nunique()).any()
    few = problems["solver_name"].size().max() <= MOST_OF_ALL
    families = {styles.family_of(tables.method_of(name)) or OTHERS
                for name in df["solver_name"].unique()}
    return [view for view in VIEWS
            if view in families or view in (FEW, EACH)
            or view == ALL and several and few]


def shown(problem, view):
    """Configurations that a view has.

    Parameters
    ----------
    problem : Problem
    view : str
        One of ``VIEWS``. A family is shown beside the best of all.

    Returns
    -------
    list of Configuration
    """
    best = problem.best()
    if view == ALL:
        return [c for c in problem.configurations if c.curves]
    if view == EACH:
        return list(best.values())
    if view == FEW:
        return headline(best)
    winner = min(best, key=lambda m: best[m].score(column="gap"), default=None)
    family = view if view in styles.FAMILIES else None
    return [configuration for method, configuration in best.items()
            if styles.family_of(method) == family or method == winner]


def trace(method, label, x, y, low=None, high=None, n_digits=3):
    """A curve as benchopt's plots want it, to a few digits.

    A page repeats it in each view, so that it has no more than what can be
    seen: the points between which something changes, and a band where this
    differs from the curve.

    Returns
    -------
    dict
        With ``x``, ``y``, where there is a band ``y_low`` and ``y_high``,
        and the style of the method.
    """
    columns = {"x": x, "y": y, "y_low": low, "y_high": high}
    columns = {
        name: np.array([float(f"{value:.{n_digits}g}") for value in values])
        for name, values in columns.items() if values is not None}
    if all(np.array_equal(columns["y"], columns.get(edge, columns["y"]))
           for edge in ("y_low", "y_high")):
        columns = {name: columns[name] for name in ("x", "y")}
    kept = _changing(np.array([*columns.values()][1:]))
    return {
        **{name: values[kept].tolist() for name, values in columns.items()},
        **styles.style(method, label)}


def _changing(rows):
    """Which points are not between two others of the same values."""
    kept = np.ones(rows.shape[1], dtype=bool)
    same = np.all(rows[:, 1:] == rows[:, :-1], axis=0)
    kept[1:-1] = ~(same[:-1] & same[1:])
    return kept
