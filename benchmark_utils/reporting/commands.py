"""What the commands share: numbers as options, and how they fail."""
import argparse
import math
import sys
from pathlib import Path


def at_least_one(text):
    """An integer >= 1, for an option that counts.

    Raises
    ------
    argparse.ArgumentTypeError
        Naming the value and what is allowed, as for every option.
    """
    try:
        value = float(text)
        if value >= 1 and value.is_integer():
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is not valid: an integer >= 1 is needed")


def positive(text):
    """A finite number > 0, for an option that is a time."""
    try:
        value = float(text)
        if 0 < value < math.inf:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is not valid: a finite number > 0 is needed")


def parser_of(text):
    """Parser of a command whose module has this docstring."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawTextHelpFormatter)


def add_options_of_runs(parser):
    """Options of a command that runs benchopt."""
    parser.add_argument("-j", "--n-jobs", type=at_least_one, metavar="N",
                        help="runs at a time, on this machine")
    parser.add_argument("--parallel-config", metavar="FILE", type=Path,
                        help="as in benchopt: Dask, SLURM")
    parser.add_argument("--seed", type=int, default=0,
                        help="another one has other starts and samplings")
    parser.add_argument("--evaluations", type=at_least_one, metavar="N",
                        help="a decade of the time of a run: fewer than the "
                        "objective's 10, where one takes long")
    parser.add_argument("--timeout", type=at_least_one, metavar="SECONDS",
                        help="wall time of a run with its evaluations "
                        "(default: ten minutes and a minute a second)")


def note(text):
    """Say something beside what a command prints."""
    print(text, file=sys.stderr, flush=True)
