"""Runs through benchopt, in stages that are kept.

A stage is a config file, its results table and its log, in one folder, with a
name that follows from all that the results depend on. A stage that is there
is not run again, and one that was interrupted goes on where it was, since
benchopt keeps the runs that are done.
"""
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import yaml
from benchopt.results import read_results
from benchopt.results.parquet import to_parquet

from benchmark_utils import SOURCE_HASH
from benchmark_utils.reporting import record, tables
from benchmark_utils.reporting.commands import at_least_one, note
from benchmark_utils.reporting.suite import ROOT, digest

_ENDS = re.compile(
    r"\|--([^\n\r]+?):\x1b\[0m \x1b\[1;3\dm"
    r"(done \(timeout\)|done|diverged|error|skip|not installed)[^\n\r]*"
    r"(?:\n +Reason: ([^\n\r]+))?")
_REASON = re.compile(r"Reason: ([^\n\r]*)")


class Interrupted(Exception):
    """Ctrl-C: what is done is kept."""


def add_options(parser):
    """Options of a command that runs benchopt."""
    parser.add_argument("-j", "--n-jobs", type=at_least_one, metavar="N",
                        help="runs at a time, on this machine")
    parser.add_argument("--parallel-config", metavar="FILE", type=Path,
                        help="as in benchopt: Dask, SLURM")
    parser.add_argument("--seed", type=int, default=0,
                        help="another one has other starts and samplings")
    parser.add_argument("--timeout", type=at_least_one, metavar="SECONDS",
                        help="wall time of a run with its evaluations "
                        "(default: ten minutes and a minute a second)")


class Stage:
    """A run of benchopt, of one dataset with one time.

    Its name depends on code, settings and data.

    Parameters
    ----------
    folder : Path
        Where its files are; made if it is not there.
    name : str
        What its files are called, followed by a digest.
    dataset : suite.Dataset
    entries : list of (suite.Method, dict)
        Configurations.
    seconds : float
        Of a solver's own time.
    repetitions : int
    options : argparse.Namespace
        Those of ``add_options``.
    seed : int
        benchopt's.
    cache : Path, optional
        Where benchopt keeps runs that are done, in place of where it keeps
        those of all commands: what is measured here is then new.

    Raises
    ------
    ValueError
        If the data cannot be had.
    """

    def __init__(self, folder, name, dataset, entries, seconds, repetitions,
                 options, seed, cache=None):
        self.name, self.entries, self.options = name, entries, options
        self.cache = cache
        self.repetitions = repetitions
        self.config = {
            "dataset": [dataset.entry],
            "objective": [f"*[max_seconds={seconds:g}]"],
            "n-repetitions": repetitions,
            "solver": [method.entry(parameters)
                       for method, parameters in entries],
            "timeout": str(options.timeout or math.ceil(600 + 60 * seconds)),
            "seed": seed,
        }
        files = {method.cls._module_filename for method, _ in entries}
        text = yaml.safe_dump(self.config, sort_keys=False,
                              default_flow_style=None, allow_unicode=True)
        stem = f"{name}-" + digest(
            text, SOURCE_HASH, dataset.digest(seed), dataset.file,
            ROOT / "objective.py", *sorted(map(Path, files)))
        folder.mkdir(parents=True, exist_ok=True)
        self.yml, self.parquet, self.log, self.done = (
            folder / f"{stem}{suffix}"
            for suffix in (".yml", ".parquet", ".log", ".json"))
        self.yml.write_text(text)

    @property
    def names(self):
        """Full names of the configurations."""
        return [method.full_name(p) for method, p in self.entries]

    def run(self):
        """Run what is not there.

        Returns
        -------
        pandas.DataFrame
            The results table, empty where every run diverged.

        Raises
        ------
        Interrupted
        ValueError
            With benchopt's reason where nothing could be run.
        """
        if not self.done.exists():
            self._run()
        return (read_results(self.parquet) if self.parquet.exists()
                else pd.DataFrame(columns=tables.NEEDED))

    @property
    def story(self):
        """The record of the run that made it."""
        return json.loads(self.done.read_text())

    @property
    def ends(self):
        """How each configuration ended, as benchopt says it.

        With the reason, as in "skip: no test set"; None for one that did not
        end.
        """
        return self.story["ends"]

    def unusual(self):
        """A line for each way to end that is neither good nor diverged.

        Returns
        -------
        list of str
        """
        found = {}
        for name, end in self.ends.items():
            if end not in ("done", "diverged"):
                found.setdefault((tables.method_of(name), end), []).append(
                    name)
        return [f"{method}: {end or 'no end'}, {len(names)} configurations, "
                f"see {self.log}" for (method, end), names in found.items()]

    def _run(self):
        options = self.options
        part = self.parquet.with_name(f"{self.parquet.stem}-{os.getpid()}")
        command = [
            sys.executable, "-u", "-m", "benchopt", "run", str(ROOT),
            "--config", str(self.yml), "--no-plot", "--output",
            str(part.resolve())]
        if options.n_jobs:
            command += ["-j", str(options.n_jobs)]
        if options.parallel_config:
            command += ["--parallel-config", str(options.parallel_config)]
        before, start = record.machine(), time.time()
        with self.log.open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={
                    **os.environ, **({"BENCHOPT_CACHE": str(self.cache)}
                                     if self.cache else {})})
            try:
                self._follow(process, start)
            except KeyboardInterrupt:
                _stop(process)
                raise Interrupted from None
        text = self.log.read_text(errors="replace")
        ends = dict.fromkeys(self.names)
        for solver, end, reason in _ENDS.findall(text):
            # A repetition that failed is not hidden by one that did not.
            if solver in ends and ends[solver] in (None, "done"):
                ends[solver] = f"{end}: {reason}" if reason else end
        part = part.with_suffix(".parquet")
        if not part.exists() and (
                process.returncode < 0 or "diverged" not in ends.values()):
            raise ValueError(_why_nothing(text, self.log))
        entries = {"ends": ends, "seconds": round(time.time() - start, 1),
                   "command": _portable(command), "jobs": options.n_jobs or 1,
                   "parallel config": str(options.parallel_config or ""),
                   "machine before": before, "machine after": record.machine()}
        if part.exists():
            self._store(part, ends)
        record.write(self.done, entries)

    def _store(self, part, ends):
        """Add to a table what is not seen in it, and put it in its place."""
        df = read_results(part)
        lost = [name for name, end in ends.items()
                if end == "diverged" and name not in set(df["solver_name"])]
        df[tables.ASKED] = self.repetitions
        df = df.assign(**record.columns())
        df["runs-jobs"] = self.options.n_jobs or 1
        df[tables.DIVERGED] = pd.Series(
            [json.dumps(lost)] + [None] * (len(df) - 1), index=df.index)
        to_parquet(df, part)
        os.replace(part, self.parquet)

    def _follow(self, process, start):
        """Show how far it is until it has ended."""
        total, shown = len(self.names), -1
        while process.poll() is None:
            time.sleep(1.0)
            n_done = len({name for name, *_ in _ENDS.findall(
                self.log.read_text(errors="replace"))} & set(self.names))
            elapsed = time.time() - start
            left = elapsed * (total - n_done) / n_done if n_done else None
            text = f"{self.name}: {n_done} of {total} configurations" + (
                f", {left / 60:.0f} min left" if left is not None else "")
            if sys.stderr.isatty():
                print(f"\r{text:79}", end="", file=sys.stderr, flush=True)
            elif n_done * 10 // max(1, total) > shown:
                shown = n_done * 10 // max(1, total)
                note(text)
        if sys.stderr.isatty():
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr)


def _portable(command):
    """A command as it would be typed in the suite's folder."""
    return ["python" if part == sys.executable
            else part.replace(f"{ROOT}{os.sep}", "").replace(str(ROOT), ".")
            for part in command]


def _stop(process):
    """End benchopt, which Ctrl-C in a terminal has reached as well."""
    for stop in (None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if stop is not None:
            process.send_signal(stop)
        try:
            process.wait(timeout=10)
            return
        except subprocess.TimeoutExpired:
            continue


def _why_nothing(text, log):
    """The reason that is in benchopt's output, in words."""
    reasons = _REASON.findall(text)
    lines = [line for line in text.splitlines() if line.strip()]
    reason = reasons[-1] if reasons else lines[-1] if lines else "no output"
    return f"benchopt ran nothing: {reason.strip()} (see {log})"
