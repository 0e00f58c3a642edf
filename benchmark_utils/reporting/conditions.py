"""Whether runs had the machine to themselves, and one that they were tuned on.

Both are stored with the rows of a table, so that whoever has the table alone
is told as well.
"""
import os

from benchmark_utils.reporting import tables

LOAD, TUNED_ON = "runs-load", "runs-tuned-on"
#: What the system itself adds to the load of as many runs as there are cores.
_OWN = 0.5


def load():
    """Load average of the last minute, or None where there is none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def machine_of(found):
    """A machine as text, of its processor and their number.

    Parameters
    ----------
    found : mapping
        With benchopt's ``system-processor`` and ``system-cpus``.
    """
    processor = str(found["system-processor"]).replace(",", "")
    return f"{processor} with {found['system-cpus']} CPUs"


def of_others(df):
    """Methods whose parameters were chosen on another machine, by that.

    Returns
    -------
    dict of {str: list of str}
    """
    found = {}
    if TUNED_ON in df:
        for name, tuned_on, *here in df[[
                "solver_name", TUNED_ON, "system-processor",
                "system-cpus"]].drop_duplicates().itertuples(index=False):
            here = machine_of(dict(zip(
                ("system-processor", "system-cpus"), here, strict=True)))
            method = tables.method_of(name)
            if isinstance(tuned_on, str) and tuned_on != here:
                found.setdefault(tuned_on, {})[method] = None
    return {machine: list(names) for machine, names in found.items()}


def beyond(df):
    """The highest load of the runs, where it is beyond the number of cores.

    Returns
    -------
    (float, int) or None
        It, and the cores.
    """
    if LOAD not in df:
        return None
    cores = df["system-cpus"].astype(float)
    over = df[df[LOAD].astype(float) > cores + _OWN]
    if over.empty:
        return None
    worst = over.loc[over[LOAD].astype(float).idxmax()]
    return float(worst[LOAD]), int(worst["system-cpus"])


def notes(df):
    """What a reader of times must know, a sentence each.

    Parameters
    ----------
    df : pandas.DataFrame
        The table of a comparison.

    Returns
    -------
    list of str
    """
    found, most = [], beyond(df)
    if most:
        found.append(
            f"The machine was loaded: {most[0]:.1f} on {most[1]} cores, and "
            "times are longer than they would be.")
    return found + [
        f"Parameters chosen on another machine ({machine}): "
        f"{', '.join(names)}." for machine, names in of_others(df).items()]
