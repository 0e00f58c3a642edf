"""Results tables: what is in them, told apart by all that tells runs apart.

A run is one repetition of one configuration. Everything that distinguishes
runs counts: dataset, objective and solver with their parameters and files,
seed, and repetition. Tables in which two different runs are the same by all
of these are refused.
"""
import ast
import json
import re
import weakref
from pathlib import Path

import pandas as pd
from benchopt.results import read_results
from benchopt.utils.parametrized_name_mixin import _extract_options

from benchmark_utils.parameters import as_number, without_dot
from benchmark_utils.reporting import protocol

# What a run is known by; a table made by hand may lack some of it.
RUN = ["dataset_name", "file_dataset", "objective_name", "solver_name",
       "base_seed", "idx_rep"]
NEEDED = ["dataset_name", "objective_name", "solver_name", "idx_rep",
          "stop_val", "time", "objective_value"]
# How many repetitions were asked for, which ``tune`` and ``compare`` store.
ASKED = "n_repetitions_asked"
# Names of configurations of which nothing is left, as JSON in one row.
DIVERGED = "configurations_diverged"

#: Columns that benchopt stores; if they differ, times cannot be compared.
MACHINE = ["platform", "platform-architecture", "system-cpus",
           "system-processor", "env-OMP_NUM_THREADS"]
#: Likewise, what may change what a run does.
CODE = ["benchmark-code", "version-numpy", "version-scipy", "version-numba"]


def method_of(solver_name):
    """Name of the method in a parametrised name such as SOBA[...]."""
    return solver_name.split("[")[0]


def parameters_of(name):
    """Parameters in a name such as SOBA[step_size=0.1], as Python values."""
    text = name[len(method_of(name)):].strip("[]")
    if name.endswith("]]"):  # A list is the last value.
        text += "]"
    pairs = [pair.split("=", 1) for pair in re.split(r",(?=\w+=)", text)
             if pair]
    return {key: _value(value) for key, value in pairs}


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return as_number(text)


def read(files, prepare=True):
    """The rows of results tables, with all that tells their runs apart.

    Parameters
    ----------
    files : sequence of str or Path
        Parquet or CSV files of benchopt.
    prepare : bool

    Returns
    -------
    pandas.DataFrame
        As ``prepared`` makes it, or as it is in the files.

    Raises
    ------
    ValueError
        Naming a file that is not a results table, tables of two protocols,
        or two runs that cannot be told apart.
    """
    tables = {}
    for file in map(Path, files):
        try:
            table = read_results(file)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"results={str(file)!r} is not valid: a results table of "
                f"benchopt, .parquet or .csv, is needed ({error})") from error
        missing = [column for column in NEEDED if column not in table]
        if missing:
            raise ValueError(
                f"results={str(file)!r} is not valid: columns {missing} of "
                "benchopt's results are missing")
        tables[str(file)] = table
    protocol.check(tables)
    whole = pd.concat(tables.values(), ignore_index=True)
    return prepared(whole, strict=True) if prepare else whole


def added(old, new, methods):
    """A table, and what one of the same protocol has of other methods.

    Parameters
    ----------
    old, new : pandas.DataFrame
        Of benchopt.
    methods : set of str
        Of which ``old`` is left out.

    Returns
    -------
    pandas.DataFrame
    """
    kept = old[~old["solver_name"].map(method_of).isin(methods)].copy()
    if DIVERGED in old:
        lost = sorted({name for text in old[DIVERGED].dropna()
                       for name in json.loads(text)
                       if method_of(name) not in methods})
        kept[DIVERGED] = pd.Series(
            [json.dumps(lost)] * (len(kept) > 0)
            + [None] * (len(kept) - 1), index=kept.index, dtype=object)
    protocol.check({"the table that is there": kept, "the new one": new})
    return pd.concat([kept, new], ignore_index=True) if len(kept) else new


_last = None, None  # The table that was prepared last, and what came out.


def prepared(df, strict=False):
    """A table in which a name stands for one solver and one set of runs.

    Runs that are in it twice, as benchopt writes runs that it has kept to
    several tables, are there once. A solver that is not the first of its
    name, from another file, gets the file's name.

    Parameters
    ----------
    df : pandas.DataFrame
        A results table of benchopt, which is not changed.
    strict : bool
        Refuse two different runs of one repetition. Without, the later holds.

    Returns
    -------
    pandas.DataFrame
        With a column ``n_asked``: how many repetitions of its seed a
        configuration was asked for, as far as a table shows it: the highest
        in the runs that it was part of. What diverged left no rows.

    Raises
    ------
    ValueError
        If ``strict``, naming the run.
    """
    global _last
    if "n_asked" in df:
        return df
    if not strict and _last[0] is not None and _last[0]() is df:
        return _last[1]
    original, df = df, df.copy()
    for column in ("base_seed", "file_dataset", "file_solver", "run_date"):
        known = df[column] if column in df else pd.Series(index=df.index)
        df[column] = known.astype(object).where(known.notna(), "").astype(str)
    df["solver_name"] = _names_by_file(df)
    df["n_asked"] = _asked(df)
    df = _once(df)
    if strict:
        _refuse_namesakes(df)
    twice = df[df.duplicated([*RUN, "stop_val"])]
    if strict and len(twice):
        run = twice.iloc[0]
        raise ValueError(
            f"two different runs of {run['solver_name']} on "
            f"{run['dataset_name']}, seed {run['base_seed']}, repetition "
            f"{run['idx_rep']}: leave out one of the tables")
    if len(twice):  # Not the points of one and the rest of the other.
        latest = df.groupby(RUN)["run_date"].transform("max")
        df = df[df["run_date"] == latest].drop_duplicates(
            [*RUN, "stop_val"], keep="last")
    if not strict:
        _last = weakref.ref(original), df
    return df


def _refuse_namesakes(df):
    """Refuse a table in which one name stands for several parameters."""
    for what, prefix in (("dataset", "p_dataset_"), ("objective", "p_obj_"),
                         ("solver", "p_solver_")):
        names = df[f"{what}_name"]
        for column in df:
            # Copies of a suite have the same files in other folders.
            is_file = column == "file_dataset" and what == "dataset"
            if not is_file and not column.startswith(prefix):
                continue
            values = df[column].dropna()
            if values.dtype.kind not in "iufb":
                values = values.map(
                    lambda value: Path(value).name) if is_file else (
                        values.map(str))
            several = values.groupby(names).nunique()
            for name in several[several > 1].index:
                found = {without_dot(as_number(value)): value
                         for value in values[names == name]}
                if len(set(found) - {""}) > 1:
                    raise ValueError(
                        f"two {what}s are called {name}, with {column} = "
                        f"{' and '.join(map(str, found.values()))}: leave "
                        "out one of them")


def _once(df):
    """Without the runs that are in several tables, to the last bit."""
    points = ["stop_val", "time", "objective_value"]
    df = df.drop_duplicates([*RUN, "run_date", *points])
    bits = pd.util.hash_pandas_object(df[points], index=False)
    whole = bits.groupby([df[key] for key in [*RUN, "run_date"]]).transform(
        "sum").rename("bits")
    runs = df[[*RUN, "run_date"]].assign(bits=whole).drop_duplicates()
    kept = runs.sort_values("run_date").drop_duplicates([*RUN, "bits"])
    return df[pd.MultiIndex.from_frame(df[[*RUN, "run_date"]]).isin(
        pd.MultiIndex.from_frame(kept[[*RUN, "run_date"]]))]


def _names_by_file(df):
    """Names of solvers, with the file where two files have the same name."""
    files = df.groupby("solver_name")["file_solver"].unique()
    names = df["solver_name"].copy()
    first = {}
    for name, found in files.items():
        for file in sorted(found):
            first.setdefault(method_of(name), file)
    own = names.map(method_of).map(first)
    others = df["file_solver"] != own
    shown = {}
    for method, found in df["file_solver"][others].groupby(
            names[others].map(method_of)):
        shown |= {(method, file): tail
                  for file, tail in _tails(set(found)).items()}
    names[others] = [
        f"{method} ({shown[method, file]}){name[len(method):]}"
        for name, method, file in zip(
            names[others], names[others].map(method_of),
            df["file_solver"][others], strict=True)]
    return names


def _tails(files):
    """Ends of paths, as short as can be for each to be another one."""
    parts = {file: Path(file).parts for file in files}
    for n in range(1, max(map(len, parts.values()), default=0) + 1):
        tails = {file: "/".join(of[-n:]) for file, of in parts.items()}
        if len(set(tails.values())) == len(files):
            return tails
    return {file: file for file in files}


def _asked(df):
    """How many repetitions of its seed each row's configuration was asked."""
    run = df.groupby(["dataset_name", "objective_name", "base_seed",
                      "run_date"])["idx_rep"].transform("max") + 1
    if ASKED in df:
        run = df[ASKED].fillna(run)
    return run.groupby([df[key] for key in [
        "dataset_name", "objective_name", "solver_name", "base_seed"]]
        ).transform("max").astype(int)


def find_dataset(df, typed):
    """Full name of a dataset in a table, however it is typed.

    Parameters
    ----------
    df : pandas.DataFrame
    typed : str
        The name with all, some or none of the parameters, as after ``-d``.

    Raises
    ------
    ValueError
        If the table has no such dataset, or several.
    """
    known = sorted(df["dataset_name"].unique())
    return _the_one("dataset", typed, known, lambda name: _fits(
        typed, name, dataset_parameters(df, name)))


def find_objective(df, typed=None):
    """Full name of the objective, of which a comparison has one.

    As ``find_dataset``; without ``typed``, the only one of the table.
    """
    known = sorted(df["objective_name"].unique())
    return _the_one("objective", typed, known, lambda name: (
        typed is None or _fits(typed, name, parameters_of(name))))


def _the_one(what, typed, known, fits):
    names = [name for name in known if name == typed] or [
        name for name in known if fits(name)]
    if len(names) == 1:
        return names[0]
    if typed is None:
        raise ValueError(f"several {what}s are in the table: one of {known} "
                         f"is needed as --{what}")
    found = f", of which it fits {names}" if names else ""
    raise ValueError(
        f"{what}={typed!r} is not valid: one of {known}{found} is needed")


def _fits(typed, name, parameters):
    """Whether a name, as typed after -d or -o, means this one."""
    base, positional, wanted = _extract_options(typed)
    if positional and len(parameters) == 1:
        wanted = dict.fromkeys(parameters, positional)
    elif positional:
        return False
    pattern = re.escape(base).replace(r"\*", ".*")
    if not re.fullmatch(pattern, method_of(name), re.IGNORECASE):
        return False
    return all(
        key in parameters and any(
            _same(value, parameters[key])
            for value in (values if isinstance(values, list) else [values]))
        for key, values in wanted.items())


def same_name(one, other):
    """Whether two names are of one dataset, however numbers are written."""
    first, second = parameters_of(one), parameters_of(other)
    return (method_of(one) == method_of(other)
            and first.keys() == second.keys()
            and all(_same(first[key], second[key]) for key in first))


def _same(typed, value):
    if as_number(typed) == as_number(value):
        return True
    # The value may be text from a name, where some characters are codes.
    return without_dot(value) == without_dot(typed) or (
        str(value) == without_dot(typed))


def dataset_parameters(df, name):
    """Parameters of a dataset, from the columns of its table.

    Its name, where other characters stand for some, serves where a column is
    missing.

    Returns
    -------
    dict
    """
    found = parameters_of(name)
    rows = df[df["dataset_name"] == name]
    for key in found:
        column = f"p_dataset_{key}"
        values = (rows[column].dropna() if column in rows else [])
        if len(values):
            value = values.iloc[0]
            value = value.item() if hasattr(value, "item") else value
            # pandas makes floats of integers beside which some are missing.
            found[key] = as_number(value, found[key]) if isinstance(
                value, float) else value
    return found


def as_typed(name, parameters):
    """What to type after -d, or to write in a config file.

    Returns
    -------
    str or dict
        Text such as ``quadratic[noise=0.1]`` where benchopt reads the same
        parameters back from it, else a dictionary.
    """
    if not parameters:
        return name
    text = f"{name}[" + ",".join(
        f"{key}={value}" for key, value in parameters.items()) + "]"
    try:
        if _extract_options(text) == (name, [], parameters):
            return text
    except ValueError:
        pass
    return {name: {key: [value] for key, value in parameters.items()}}


def mixed(df):
    """What of machine and code differs between the rows of a table.

    Returns
    -------
    dict of {str: list}
        From columns to their values, of which there are at least two. Rows
        that do not say are not counted.
    """
    return {
        column: sorted(map(str, df[column].dropna().unique()))
        for column in [*MACHINE, *CODE]
        if column in df and df[column].nunique() > 1}
