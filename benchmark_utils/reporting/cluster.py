"""Where runs go: what ``--parallel-config`` says, made ready for a stage.

benchopt starts jobs of SLURM through submitit, and workers of Dask. A job
that a stage has started has the stage's name, by which it is ended again.
"""
import getpass
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import yaml

from benchmark_utils.reporting.commands import note

SLURM = "submitit"
# What a backend needs beside benchopt.
_NEEDED = {SLURM: "submitit", "dask": "distributed", "loky": "joblib"}


def read(file, n_jobs=None):
    """What a file for ``--parallel-config`` says, checked.

    Parameters
    ----------
    file : Path or None
    n_jobs : int, optional
        Of ``-j``.

    Returns
    -------
    dict
        Empty without a file.

    Raises
    ------
    ValueError
        Naming the file, and what is not there or not valid.
    """
    if file is None:
        return {}
    invalid = f"parallel_config={str(file)!r} is not valid: "
    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{invalid}{error}") from error
    backend = found.get("backend") if isinstance(found, dict) else None
    if backend not in _NEEDED:
        raise ValueError(f"{invalid}backend={backend!r}, and one of "
                         f"{sorted(_NEEDED)} is needed")
    if find_spec(_NEEDED[backend]) is None:
        raise ValueError(f"{invalid}backend={backend!r} needs the package "
                         f"{_NEEDED[backend]}, which is not installed")
    if backend == SLURM:
        _check_slurm(found, invalid, n_jobs)
    return found


def _check_slurm(config, invalid, n_jobs):
    missing = [name for name in ("sbatch", "srun", "scancel")
               if shutil.which(name) is None]
    if missing:
        raise ValueError(f"{invalid}{missing} are not found on this machine, "
                         "from which jobs of SLURM are started")
    if n_jobs is not None:
        raise ValueError(f"n_jobs={n_jobs} is not for SLURM: in the file, "
                         "slurm_array_parallelism says how many jobs run at "
                         "a time")
    more = config.get("slurm_additional_parameters", {})
    if not isinstance(more, dict):
        raise ValueError(f"{invalid}slurm_additional_parameters={more!r}, and "
                         "options of sbatch with their values are needed")
    # submitit asks it what has become of a job.
    try:
        subprocess.run(["sacct", "--noheader", "--allocations", "--jobs=1"],
                       capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        note(f"SLURM keeps no accounts here ({error}): a job that is killed "
             "is waited for without end, until you interrupt")


def prepared(config, name):
    """The config for a stage.

    Parameters
    ----------
    config : dict
        As ``read`` returns it.
    name : str
        Of the stage.

    Returns
    -------
    dict
        For SLURM, with that name for its jobs, and without submitit's signal
        before their time is over, unless the file asks for one: to benchopt
        it is an error of the solver, in a job shorter than the 90 seconds
        that it comes before the end it even kills all runs.
    """
    if config.get("backend") != SLURM:
        return config
    # The process is not disturbed by SIGCONT.
    more = {"signal": "CONT@1"} if "slurm_signal_delay_s" not in config else {}
    return {
        **{key: value for key, value in config.items()
           if key not in ("slurm_name", "slurm_job_name")},
        # Of this process: the same stage may run from a copy of the suite.
        "slurm_job_name": f"{name}-{os.getpid()}",
        "slurm_additional_parameters": {
            **more, **config.get("slurm_additional_parameters", {})}}


def cancel(config):
    """End the jobs of a stage, which outlive benchopt.

    Parameters
    ----------
    config : dict
        As ``prepared`` returns it.
    """
    if config.get("backend") == SLURM:
        subprocess.run(["scancel", "--user", getpass.getuser(), "--name",
                        config["slurm_job_name"]], check=False,
                       capture_output=True)
