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
            rounds=15, n_blocks=None, read=None):
        """Add a row to the table.

        ``read`` is a plain read of the blocks that the target must read,
        ``n_blocks`` of them each iteration. It adds a second row: how far
        the target is from it, and the floor that it sets to the first ratio.
        """
        others = {"reference": (reference, [])}
        if read is not None:
            others["read"] = (read, [])

        def time_others():
            for function, times in others.values():
                start = time.perf_counter()
                function()
                times.append(time.perf_counter() - start)

        target(), time_others()
        for _, times in others.values():
            times.clear()
        benchmark.pedantic(target, setup=time_others, rounds=rounds)
        mine = np.array(benchmark.stats.stats.data)
        times = {name: np.array(times[-len(mine):])
                 for name, (_, times) in others.items()}
        ratio = np.median(mine / times["reference"])
        floor = None
        if read is not None:
            floor = np.median(times["read"] / times["reference"])
        TABLE.append((
            label, np.median(mine) / per / unit,
            np.median(times["reference"]) / per / unit, unit, ratio, limit,
            floor))
        if read is not None:
            TABLE.append((
                f"  / read of its {n_blocks:g} blocks",
                np.median(mine) / per / unit,
                np.median(times["read"]) / per / unit, unit,
                np.median(mine / times["read"]), None, None))
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
    TABLE.append((label, seconds / unit, None, unit, None, limit, None))


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    write = terminalreporter.write_line
    units = {1e-6: "us", 1e-3: "ms", 1.0: "s"}
    write("")
    write(f"{'what':<42} {'time':>12} {'reference':>12} {'ratio':>6} "
          f"{'target':>8} {'floor':>6}")
    for label, mine, reference, unit, ratio, limit, floor in TABLE:
        other = "" if reference is None else (
            f"{reference:8.3f} {units[unit]:>3}")
        shown = "" if ratio is None else f"{ratio:6.2f}"
        target = "" if limit is None else (
            f"<= {limit:.2f}" if ratio is not None
            else f"<= {limit / unit:g}")
        least = "" if floor is None else f"{floor:6.2f}"
        missed = limit is not None and (
            ratio > limit if ratio is not None else mine * unit > limit)
        write(f"{label:<42} {mine:8.3f} {units[unit]:>3} {other:>12} "
              f"{shown:>6} {target:>8} {least:>6}"
              f"{'  missed' if missed else ''}")
