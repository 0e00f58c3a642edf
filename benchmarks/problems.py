"""Steps of all solvers and the evaluation, on any dataset.

    python benchmarks/problems.py mnist "libsvm[name=a9a]" [--batch-size 64]

prints for each dataset its sizes, the time of an evaluation at the start and
where the metrics are asked for later, and the memory of the process; for each
solver, with its default parameters, the time of an iteration, its oracle
calls, the time of a call relative to one of SOBA, and the arrays that it
carries beside the data. Left out are methods whose iterations are each as
long as they need to be. Times are medians, each solver measured in turn with
SOBA.
"""
import argparse
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from benchopt.utils.parametrized_name_mixin import product_param

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import (  # noqa: E402
    BENCHMARK,
    SOLVERS,
    make_problem,
    make_solver,
    run_solver,
)

from benchmark_utils.reference import metrics  # noqa: E402

ROUNDS = 5
SECONDS = 0.2  # At least, of a measurement.


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Running:
    """A solver in its first iterations."""

    def __init__(self, name, problem, batch_size):
        parameters = {}
        if "batch_size" in SOLVERS[name].parameters:
            parameters["batch_size"] = batch_size
        self.solver = make_solver(name, problem, **parameters)
        self.solver.warm_up()
        self.solver._reset()
        self.solver.start()
        self.n = 1
        while (self.time() < SECONDS / self.n) and self.n < 2**16:
            self.n *= 2

    def time(self):
        """Of an iteration, in seconds."""
        taken = seconds(lambda: self.solver.advance(self.n)) / self.n
        self.solver.t += self.n
        return taken

    def calls(self):
        """Of an iteration, on average so far."""
        G, F = self.solver.G, self.solver.F
        return (G.oracle_calls[0] + F.oracle_calls[0]) / self.solver.t

    def nbytes(self):
        """Of arrays, without the data and the mini-batches."""
        total = 0
        for name, value in vars(self.solver).items():
            if name not in ("G", "F", "inner_batches", "outer_batches"):
                for item in value if isinstance(value, tuple) else (value,):
                    total += getattr(item, "nbytes", 0)
        return total


def table(problem, batch_size):
    """Rows: solver, microseconds, calls, ratio to SOBA, megabytes."""
    soba = Running("SOBA", problem, batch_size)
    for name, solver in SOLVERS.items():
        if "eval_freq" not in solver.parameters or name == "Template":
            continue
        running = Running(name, problem, batch_size)
        times = np.array([(running.time(), soba.time())
                          for _ in range(ROUNDS)])
        per_call = times / [running.calls(), soba.calls()]
        yield (name, np.median(times[:, 0]) * 1e6, running.calls(),
               np.median(per_call[:, 0] / per_call[:, 1]),
               running.nbytes() / 1e6)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()

    for dataset, parameters in [
            (dataset, chosen) for dataset, grid
            in BENCHMARK.check_dataset_patterns(options.datasets)
            for chosen in product_param(grid)]:
        problem = make_problem(dataset.name, in_order=False, **parameters)
        print(f"\n{dataset.name} {parameters}")
        print(f"n = {problem.inner.n_samples}, m = {problem.outer.n_samples}, "
              f"p = {problem.inner_dim}, d = {problem.outer_dim}")
        start = seconds(lambda problem=problem: metrics(
            problem, problem.inner_start, problem.outer_start))
        solver = make_solver("SABA", problem, batch_size=options.batch_size)
        result = run_solver(solver, 4 * solver.eval_freq)
        later = seconds(lambda problem=problem, result=result: metrics(
            problem, result["inner_var"], result["outer_var"]))
        print(f"evaluation: {start:.3f} s at the start, {later:.3f} s after "
              f"{4 * solver.eval_freq} iterations of SABA")
        print("| solver | us an iteration | calls | time of a call / SOBA | "
              "MB carried |\n|---|---|---|---|---|", flush=True)
        for name, *row in table(problem, options.batch_size):
            print(f"| {name} | " + " | ".join(
                f"{value:.3g}" for value in row) + " |", flush=True)
        memory = psutil.Process().memory_info().rss / 1e6
        print(f"memory of the process: {memory:.0f} MB")


if __name__ == "__main__":
    main()
