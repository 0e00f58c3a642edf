"""Where results come from: machine, versions, code, and how they were run."""
import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime

from benchopt.utils.sys_info import get_sys_info

from benchmark_utils import SOURCE_HASH
from benchmark_utils.reporting import protocol
from benchmark_utils.reporting.suite import ROOT
from benchmark_utils.reporting.tables import MACHINE

PACKAGES = ["benchopt", "numpy", "scipy", "numba", "llvmlite", "pandas",
            "scikit-learn", "libsvmdata", "optuna", "threadpoolctl",
            "matplotlib"]


def now():
    """Date and time, as text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions():
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def commit():
    """Commit of the suite and which files differ from it, or None.

    Files that are not tracked count, and those that are ignored do not.
    """
    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], text=True, check=True,
            capture_output=True).stdout.rstrip("\n")
    try:
        # A solver that is not added to the repository yet runs as well.
        changed = git(
            "status", "--porcelain", "--untracked-files=normal", "-z",
            "--no-renames", "--", ".").split("\0")
        files = sorted(entry[3:] for entry in changed if entry)
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(files),
                "files": files}
    except (OSError, subprocess.CalledProcessError):
        return None


def machine():
    """The machine, and what it has to do at the moment."""
    info = get_sys_info()
    return {
        **{key: info[key] for key in [
            *MACHINE, "platform-release", "system-ram (GB)"]},
        "load average": list(os.getloadavg())
        if hasattr(os, "getloadavg") else None,
    }


def columns():
    """What is stored with every row of a table that a command has made."""
    found = versions()
    return {
        "benchmark-code": SOURCE_HASH,
        protocol.COLUMN: protocol.PROTOCOL,
        "benchmark-commit": (commit() or {}).get("commit"),
        **{f"version-{name}": found[name]
           for name in ("python", "benchopt", "numba")},
    }


def whole(**more):
    """The record of a command, as a dictionary for JSON."""
    return {"date": now(), "machine": machine(), "versions": versions(),
            "code": {"sources": SOURCE_HASH, "git": commit()}, **more}


def text(record):
    """A record as JSON, as it stands in a file."""
    return json.dumps(record, indent=1, default=str,
                      ensure_ascii=False) + "\n"
