"""Interleaved timings, and the table printed at the end of a session."""
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

TABLE = []


def pytest_addoption(parser):
    parser.addoption(
        "--batch-size", default="64",
        help="batch size of the step times (64)")
    parser.addoption(
        "--large", action="store_true",
        help="also time steps on 10 million samples (needs 12 GB)")


@pytest.fixture(scope="session")
def batch_size(request):
    return int(request.config.getoption("--batch-size"))


@pytest.fixture
def compare(benchmark):
    """Time a target and a reference in turn; note the ratio in the table.

    The machines that this runs on drift: only what is measured side by side
    may be divided.
    """
    def run(label, target, reference, unit=1e-6, per=1, limit=None,
            rounds=15):
        times = []

        def time_reference():
            start = time.perf_counter()
            reference()
            times.append(time.perf_counter() - start)

        target(), reference()
        benchmark.pedantic(target, setup=time_reference, rounds=rounds)
        mine = np.array(benchmark.stats.stats.data)
        ratio = np.median(mine / np.array(times[:len(mine)]))
        TABLE.append((
            label, np.median(mine) / per / unit,
            np.median(times) / per / unit, unit, ratio, limit))
        benchmark.extra_info["ratio"] = float(ratio)

    return run


@pytest.fixture
def measure(benchmark):
    """Time a target alone; note it in the table."""
    def run(label, target, unit=1e-3, limit=None, rounds=15):
        benchmark.pedantic(target, rounds=rounds, warmup_rounds=1)
        note(label, np.median(benchmark.stats.stats.data), unit, limit)

    return run


def note(label, seconds, unit, limit=None):
    """Add a plain time to the table; ``limit`` is in seconds."""
    TABLE.append((label, seconds / unit, None, unit, None, limit))


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    write = terminalreporter.write_line
    units = {1e-6: "us", 1e-3: "ms", 1.0: "s"}
    write("")
    write(f"{'what':<42} {'time':>12} {'reference':>12} {'ratio':>6} "
          f"{'target':>8}")
    for label, mine, reference, unit, ratio, limit in TABLE:
        other = "" if reference is None else (
            f"{reference:8.3f} {units[unit]:>3}")
        shown = "" if ratio is None else f"{ratio:6.2f}"
        target = "" if limit is None else (
            f"<= {limit:.2f}" if ratio is not None
            else f"<= {limit / unit:g}")
        missed = limit is not None and (
            ratio > limit if ratio is not None else mine * unit > limit)
        write(f"{label:<42} {mine:8.3f} {units[unit]:>3} {other:>12} "
              f"{shown:>6} {target:>8}{'  missed' if missed else ''}")
