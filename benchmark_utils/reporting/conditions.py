"""Whether runs had the machine to themselves, and one that they were tuned on.

Both are stored with the rows of a table, so that whoever has the table alone
is told as well.
"""
import os
import time

import psutil

from benchmark_utils.reporting import tables

OTHERS, TUNED_ON = "runs-others", "runs-tuned-on"
#: Cores that the system takes for itself, and what is measured takes for
#: what is around it.
_ALLOWED = 0.25


class Others:
    """How many cores other programs use, from its making on.

    The load average would count threads that wait, ours as well.

    Parameters
    ----------
    elsewhere : bool
        Whether runs are on other machines, of which nothing is known here.
    """

    def __init__(self, elsewhere=False):
        self._start = self._now()
        self._known = not elsewhere and os.name != "nt"

    def cores(self):
        """Cores that were used, on average, but by this process's children.

        Returns
        -------
        float or None
            None elsewhere, and on Windows, which does not say what children
            have used.
        """
        wall, busy, own = (now - then for now, then in zip(
            self._now(), self._start, strict=True))
        return max(0.0, (busy - own) / wall) if self._known else None

    @staticmethod
    def _now():
        # The time of guests is within that of users.
        busy = sum(seconds for what, seconds
                   in psutil.cpu_times()._asdict().items()
                   if what not in ("idle", "iowait", "guest", "guest_nice"))
        times = os.times()
        return (time.monotonic(), busy,
                times.children_user + times.children_system)


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
    """Where runs and other programs wanted more cores than there are.

    Returns
    -------
    (float, int, int) or None
        Cores that others used, of the worst of the runs, runs at a time, and
        the cores that there are.
    """
    if OTHERS not in df:
        return None
    found = df[[OTHERS, "runs-jobs", "system-cpus"]].astype(float)
    over = found[found.sum(axis=1) - 2 * found["system-cpus"] > _ALLOWED]
    if over.empty:
        return None
    others, jobs, cores = over.loc[over[OTHERS].idxmax()]
    return float(others), int(jobs), int(cores)


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
            f"Other programs used {most[0]:.1f} of {most[2]} cores, beside "
            f"{most[1]} runs at a time: times are longer than they would be.")
    return found + [
        f"Parameters chosen on another machine ({machine}): "
        f"{', '.join(names)}." for machine, names in of_others(df).items()]
