"""The rules that a table was made by, which every row of it names.

Tables of two protocols do not stand side by side: their methods were read at
other times, and had other starts.
"""
import pandas as pd

#: Of the commands: evaluations at times that all methods share, the score at
#: the end of the time, several starts, seeds that no choice has seen.
PROTOCOL = 2
#: Where tables have it. Those from before, and of ``benchopt run``, have none.
COLUMN = "benchmark-protocol"


def names_of(df):
    """Protocols in a table, 0 where rows name none.

    Returns
    -------
    list of int
    """
    rows = df[COLUMN] if COLUMN in df else pd.Series(0, index=df.index)
    return sorted({int(value) for value in rows.fillna(0).unique()})


def check(tables):
    """Refuse tables of two protocols.

    Parameters
    ----------
    tables : dict of {str: pandas.DataFrame}
        By what to call them.

    Raises
    ------
    ValueError
        Naming tables of each.
    """
    found = {}
    for name, df in tables.items():
        for number in names_of(df):
            found.setdefault(number, []).append(name)
    if len(found) > 1:
        raise ValueError(
            "tables of two protocols cannot be compared, as methods were "
            "evaluated at other times and from other starts: " + ", ".join(
                f"{' and '.join(names)} " + (
                    f"by protocol {number}" if number else
                    "from before protocols were named, or of benchopt run")
                for number, names in sorted(found.items()))
            + ". Run all of them by compare, or show each by itself")
