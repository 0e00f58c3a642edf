"""Tuning-free methods on all samples and on mini-batches.

    python benchmarks/tuning_free.py [--repetitions 5]

prints the norm of the gradient of h, for S-TFBO and D-TFBO from their default
first steps and for SOBA with its default step: after 100, 1000 and 10 000
iterations; after as many oracle calls as 1000 iterations on all samples take;
and by what the step size of x has been multiplied in 10 000 iterations. Of
mini-batches, it is the median of repetitions.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import make_problem, make_solver  # noqa: E402

from benchmark_utils.reference import metrics  # noqa: E402

# Small, for iterations on all samples to be short.
PROBLEMS = {
    "quadratic": {"n_inner": 256, "n_outer": 256, "inner_dim": 4,
                  "outer_dim": 3, "conditioning": 3.0},
    "simulated_logistic": {"n_train": 1000, "n_validation": 1000},
    "digits": {},
}
SOLVERS = ["S-TFBO", "D-TFBO", "SOBA"]
ITERATIONS = [100, 1000, 10_000]


def step_of_x(solver):
    """Step size of x so far."""
    if solver.name == "SOBA":
        return max(solver.t, 1) ** -0.5
    beta, c, alpha = np.sqrt(solver.squares)
    return 1 / alpha / (max(beta, c) if solver.name == "S-TFBO" else 1.0)


def run(problem, name, batch_size, n_same_calls, repetition):
    """Norms of the gradient, and what has become of the step of x.

    Returns
    -------
    list of float
        Norms after ``ITERATIONS``, that after ``n_same_calls`` iterations,
        and the last step size of x by the first.
    """
    solver = make_solver(name, problem, repetition=repetition,
                         batch_size=batch_size)
    solver._reset()
    solver.start()
    first, norms, step = step_of_x(solver), {}, {}
    for t in sorted({*ITERATIONS, n_same_calls}):
        solver.advance(t - solver.t)
        solver.t = t
        norms[t] = metrics(problem, solver.z, solver.x)["grad_norm"]
        step[t] = step_of_x(solver) / first
    return [*(norms[t] for t in ITERATIONS), norms[n_same_calls],
            step[ITERATIONS[-1]]]


def calls_of_an_iteration(problem, name, batch_size):
    """Oracle calls of one iteration, on average over ten."""
    solver = make_solver(name, problem, batch_size=batch_size)
    solver._reset()
    solver.start()
    solver.advance(10)
    return solver.get_result()["oracle_calls"] / 10


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()

    print("| dataset | solver | batch | start | 10² | 10³ | 10⁴ "
          "| calls of 10³ full | step of x |\n|---|---|---|---|---|---|---|---"
          "|---|")
    for dataset, parameters in PROBLEMS.items():
        problem = make_problem(dataset, in_order=False, **parameters)
        start = metrics(problem, problem.inner_start, problem.outer_start)
        for name in SOLVERS:
            full = calls_of_an_iteration(problem, name, "full")
            for batch_size in ("full", 64):
                share = calls_of_an_iteration(problem, name, batch_size) / full
                numbers = np.median([
                    run(problem, name, batch_size, round(1000 / share), k)
                    for k in range(
                        1 if batch_size == "full" else options.repetitions)
                ], axis=0)
                print(f"| {dataset} | {name} | {batch_size} | "
                      f"{start['grad_norm']:.1e} | " + " | ".join(
                          f"{number:.1e}" for number in numbers) + " |",
                      flush=True)


if __name__ == "__main__":
    main()
