"""Which method was killed, where no process is left that could say it.

On this machine the exit code of benchopt and what it printed last say it, in
a job of SLURM what SLURM says of the job, and what the job has printed.
"""
import re
import signal
from pathlib import Path
from typing import NamedTuple

#: How an end by a signal begins in ``running.Stage.ends``.
KILLED = "killed"
#: Configurations of a method that are killed before the rest is left out.
MOST_KILLED = 3
BEGAN = re.compile(r"\|--([^\n\r]+?):\x1b\[0m")
_WORKERS = re.compile(r"exit codes of the workers are \{([^}]*)\}")
_JOB = re.compile(
    r"UncompletedJobError: Job (\S+) \(task: \d+\) with path "
    r"(.+)_result\.pkl\s+has not produced any output \(state: (\w+)")
# Of a scheduler on this machine; joblib then waits for ever.
_DASK = re.compile(
    r"distributed\.scheduler.* marked as failed because \d+ workers died")
# Likewise where benchopt writes down what it has shown while Dask, in another
# thread, reads that to send the next run.
_UNSENT = re.compile(r"distributed\.protocol\.pickle.* Failed to serialize")
# Somebody wants the run to end, and not a method.
_ENDED_BY = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
             if hasattr(signal, name)]
# States of a job of SLURM for which no method is to blame.
_OF_THE_CLUSTER = ["BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED"]


class Killed(NamedTuple):
    """An end that nothing has said by itself.

    Attributes
    ----------
    how : str
        Beginning with ``KILLED``.
    names : list of str
        Configurations that it may have been.
    again : bool
        Whether it should be tried again as it was.
    """

    how: str
    names: list
    again: bool = False


def waits_in_vain(text):
    """Whether benchopt waits for what never comes, by what was printed."""
    return bool(_DASK.search(text) or _UNSENT.search(text))


def find(code, text, names, ended):
    """Why no process is left that could have said how it ended.

    Parameters
    ----------
    code : int
        Of benchopt.
    text : str
        What it printed.
    names : collection of str
        Full names of the configurations.
    ended : container of str
        Those of which the end is known.

    Returns
    -------
    Killed or None
        None where it ended by itself.

    Raises
    ------
    ValueError
        If somebody has ended it, by a signal that asks to end or ``scancel``.
    """
    began = [name for name in dict.fromkeys(BEGAN.findall(text))
             if name in names and name not in ended]
    if _UNSENT.search(text):
        return Killed(f"{KILLED} as Dask could not send a run", [],
                      again=True)
    if waits_in_vain(text):
        # Others on these workers are not to blame, but cannot be told apart.
        return Killed(f"{KILLED} with its worker of Dask", began or [
            name for name in names if name not in ended])
    if code < 0:
        if -code in _ENDED_BY:
            raise ValueError(f"benchopt was ended by {_signal(-code)}: the "
                             "same command goes on where it was")
        return Killed(f"{KILLED} by {_signal(-code)}", began)
    if code and (workers := _WORKERS.search(text)):
        # Such as SIGKILL(-9); how many there were does not matter.
        found = re.findall(r"SIG[A-Z0-9]+", workers[1]) or [workers[1]]
        return Killed(f"{KILLED} by {' and '.join(dict.fromkeys(found))}",
                      began)
    if code and (job := _JOB.search(text)):
        return _in_slurm(*job.groups(), names)
    if code and began and "Traceback" not in text:
        return Killed(f"{KILLED}: its process ended with exit code {code}",
                      began)
    return None


def _in_slurm(job, path, state, names):
    """As ``find``, of a job that SLURM has ended."""
    if state == "CANCELLED":
        raise ValueError(f"job {job} of SLURM was cancelled: the same command "
                         "goes on where it was")
    how = f"{KILLED} in a job of SLURM, which says {state}"
    if state in _OF_THE_CLUSTER:
        return Killed(how, [], again=True)
    log = Path(f"{path}_log.out")
    printed = log.read_bytes().decode(errors="replace") if log.exists() else ""
    found = [name for name in dict.fromkeys(BEGAN.findall(printed))
             if name in names]
    return Killed(how, found, again=not found)


def _signal(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
