"""Runs through benchopt, in stages that are kept.

A stage is a config file, its results table and its log, in one folder, with a
name that follows from all that the results depend on. A stage that is there
is not run again, and one that was interrupted goes on where it was, since
benchopt keeps the runs that are done. So does one with a file that is not
whole, and one in which a method was killed, by the system or by itself: the
others come first, without it.
"""
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pandas as pd
import yaml
from benchopt.results import read_results
from benchopt.results.parquet import to_parquet

from benchmark_utils import SOURCE_HASH
from benchmark_utils.reporting import (
    cluster,
    conditions,
    files,
    killed,
    record,
    tables,
)
from benchmark_utils.reporting.commands import note
from benchmark_utils.reporting.killed import KILLED, MOST_KILLED
from benchmark_utils.reporting.suite import ROOT, digest
from benchmark_utils.sources import imported_by

_ENDS = re.compile(
    r"\|--([^\n\r]+?):\x1b\[0m \x1b\[1;3\dm"
    r"(done \(timeout\)|done|diverged|error|skip|not installed)[^\n\r]*"
    r"(?:\n +Reason: ([^\n\r]+))?")
_REASON = re.compile(r"Reason: ([^\n\r]*)")


class Interrupted(Exception):
    """Ctrl-C: what is done is kept."""


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
        Those of ``commands.add_options_of_runs``.
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
        self.parallel = cluster.read(options.parallel_config, options.n_jobs)
        self.repetitions = repetitions
        often = (f",evaluations={options.evaluations}"
                 if options.evaluations else "")
        self.config = {
            "dataset": [dataset.entry],
            "objective": [f"*[max_seconds={seconds:g}{often}]"],
            "n-repetitions": repetitions,
            "solver": [method.entry(parameters)
                       for method, parameters in entries],
            "timeout": str(options.timeout or math.ceil(600 + 60 * seconds)),
            "seed": seed,
        }
        sources = {method.cls._module_filename for method, _ in entries}
        text = yaml.safe_dump(self.config, sort_keys=False,
                              default_flow_style=None, allow_unicode=True)
        stem = f"{name}-" + digest(
            text, SOURCE_HASH, dataset.digest(seed), dataset.file,
            ROOT / "objective.py", *sorted(map(Path, sources)),
            imported_by(dataset.file, ROOT / "objective.py", *sources))
        self.yml, self.parquet, self.log, self.done = (
            folder / f"{stem}{suffix}"
            for suffix in (".yml", ".parquet", ".log", ".json"))
        files.write(self.yml, text)

    @property
    def names(self):
        """Full names of the configurations."""
        return [method.full_name(p) for method, p in self.entries]

    def run(self):
        """Run what is not there, or not whole.

        One command at a time: another one that wants the same waits, and
        then has it.

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
        with files.locked(self.done):
            if not self._is_whole():
                self._run()
            return (read_results(self.parquet) if self.story["rows"]
                    else pd.DataFrame(columns=tables.NEEDED))

    def _is_whole(self):
        """Whether what was stored can be read, and nothing was killed."""
        if not self.done.exists():
            return False
        file = self.done
        try:
            if any((end or "").startswith(KILLED)
                   for end in self.ends.values()):
                return False
            rows, file = self.story["rows"], self.parquet
            if not rows or len(read_results(file)) == rows:
                return True
            error = f"{rows} rows are needed"
        except (OSError, ValueError, LookupError, TypeError,
                AttributeError) as found:
            error = found
        note(f"{file} is not whole, and made again ({error})")
        return False

    @property
    def story(self):
        """The record of the run that made it."""
        return json.loads(self.done.read_text(encoding="utf-8"))

    @property
    def ends(self):
        """How each configuration ended, as benchopt says it.

        With the reason, as in "skip: no test set"; None for one that did not
        end.
        """
        return self.story["ends"]

    @property
    def diverged(self):
        """Configuration, seed and repetitions of what has diverged."""
        return [(name, self.config["seed"], self.repetitions)
                for name, end in self.ends.items() if end == "diverged"]

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
        before, start = record.machine(), time.time()
        others = conditions.Others(self.options.parallel_config)
        lost, goes_on = {}, self.log.exists()
        with tempfile.TemporaryDirectory(
                dir=self.yml.parent, prefix=".part-") as folder:
            part = Path(folder) / "table.parquet"
            self.log.write_bytes(b"")
            alone, again = False, 0
            while len(lost) < len(self.entries):
                code, text = self._benchopt(part, lost, alone, start)
                ends = self._ends(text)
                end = None if part.exists() else killed.find(
                    code, text, ends, [n for n in ends if ends[n]])
                if end is None:
                    break
                if len(end.names) == 1:
                    self._leave_out(end.names[0], end.how, lost)
                elif end.again and again < MOST_KILLED:
                    again += 1
                    note(f"{end.how}: again")
                elif alone or end.again or not end.names:
                    raise ValueError(
                        f"benchopt was {end.how}, and nothing says by which "
                        f"method (see {self.log})")
                else:
                    note(f"{end.how}: one of {end.names}, which run one at a "
                         "time")
                    alone = True
            ends = {**self._ends(text), **lost}
            if not part.exists() and "diverged" not in ends.values():
                raise ValueError("; ".join(
                    f"{name} was {how} (see {self.log})"
                    for name, how in lost.items())
                    or _why_nothing(text, self.log))
            self.others = others.cores()
            rows = self._store(part, ends) if part.exists() else 0
        files.write(self.done, record.text({
            "ends": ends, "rows": rows,
            "seconds": round(time.time() - start, 1), "goes on": goes_on,
            "command": _portable(self._command(
                self.yml, self.parquet.with_suffix(""))),
            "jobs": self.options.n_jobs or 1, "one at a time": alone,
            "parallel config": str(self.options.parallel_config or ""),
            "cores that others used": self.others,
            "machine before": before, "machine after": record.machine()}))

    def _leave_out(self, name, how, lost):
        """Note that a configuration was killed, and others like it."""
        lost[name] = how
        note(f"{name}: {how}; the others go on without it")
        method = tables.method_of(name)
        same = [n for n in self.names if tables.method_of(n) == method]
        if sum(n in lost for n in same) >= MOST_KILLED:
            lost.update({n: f"{how}, as others of {method} were"
                         for n in same if n not in lost})

    def _ends(self, text):
        """How configurations ended, by what benchopt printed."""
        ends = dict.fromkeys(self.names)
        for solver, end, reason in _ENDS.findall(text):
            # A repetition that failed is not hidden by one that did not.
            if solver in ends and ends[solver] in (None, "done"):
                ends[solver] = f"{end}: {reason}" if reason else end
        return ends

    def _command(self, config, output, alone=False, parallel=None):
        options = self.options
        command = [
            sys.executable, "-u", "-m", "benchopt", "run", str(ROOT),
            "--config", str(config), "--no-plot", "--output",
            str(output.resolve())]
        if options.n_jobs and not alone:
            command += ["-j", str(options.n_jobs)]
        parallel = parallel or options.parallel_config
        if parallel and not alone:
            command += ["--parallel-config", str(parallel)]
        return command

    def _benchopt(self, part, left_out, alone, start):
        """Run benchopt.

        Parameters
        ----------
        part : Path
            The table that it writes.
        left_out : container of str
            Full names of configurations.
        alone : bool
            One at a time, in its process.
        start : float

        Returns
        -------
        code : int
            Its exit code, negative for a signal.
        text : str
            What it printed, which is added to the log.
        """
        config = part.with_name("config.yml")
        entries = [entry for entry, name in zip(
            self.config["solver"], self.names, strict=True)
            if name not in left_out]
        config.write_text(yaml.safe_dump(
            {**self.config, "solver": entries}, sort_keys=False,
            allow_unicode=True), encoding="utf-8")
        jobs, file = cluster.prepared(self.parallel, self.yml.stem), None
        if jobs:
            file = part.with_name("parallel.yml")
            file.write_text(yaml.safe_dump(jobs), encoding="utf-8")
        before = self.log.stat().st_size
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(config, part.with_suffix(""), alone, file),
                stdout=log, stderr=subprocess.STDOUT, env={
                    **os.environ, **({"BENCHOPT_CACHE": str(self.cache)}
                                     if self.cache else {})})
            try:
                self._follow(process, start, before)
            except KeyboardInterrupt:
                _stop(process)
                raise Interrupted from None
            finally:
                cluster.cancel(jobs)
        return process.returncode, self._printed(before)

    def _printed(self, before):
        """The log from a byte on."""
        return self.log.read_bytes()[before:].decode(errors="replace")

    def _store(self, part, ends):
        """Add to a table what is not seen in it, and put it in its place.

        Returns
        -------
        int
            Rows of the table.
        """
        df = read_results(part)
        lost = [name for name, end in ends.items()
                if end == "diverged" and name not in set(df["solver_name"])]
        df[tables.ASKED] = self.repetitions
        df = df.assign(**record.columns())
        df["runs-jobs"] = self.options.n_jobs or 1
        df[conditions.OTHERS] = self.others
        df[tables.DIVERGED] = pd.Series(
            [json.dumps(lost)] + [None] * (len(df) - 1), index=df.index)
        with files.replacing(self.parquet) as whole:
            to_parquet(df, whole)
        return len(df)

    def _follow(self, process, start, before):
        """Show how far it is until it has ended."""
        total, shown = len(self.names), -1
        while process.poll() is None:
            time.sleep(1.0)
            text = self._printed(before)
            if killed.waits_in_vain(text):
                _stop(process)
                break
            n_done = len({name for name, *_ in _ENDS.findall(text)}
                         & set(self.names))
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
    stops = [process.poll, process.terminate, process.kill]
    if os.name != "nt":  # Windows has no such signal for one process.
        stops.insert(1, partial(process.send_signal, signal.SIGINT))
    for stop in stops:
        stop()
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
