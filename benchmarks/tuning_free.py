"""Methods that find their steps by themselves, and what noise does to them.

    python benchmarks/tuning_free.py [--repetitions 5]

prints the norm of the gradient of h, for S-TFBO and D-TFBO from their default
first steps and for SOBA with its default step: after 100, 1000 and 10 000
iterations; after as many oracle calls as 1000 iterations on all samples take;
and by what the step size of x has been multiplied in 10 000 iterations. Of
mini-batches, it is the median of repetitions.

    python benchmarks/tuning_free.py noise [--repetitions 5] [--calls 1e7]

prints, for all methods with adaptive steps at their defaults, on mini-batches
of six problems: the norm of the gradient of h after a hundredth, a tenth and
all of so many oracle calls; by how much the last tenfold has divided it; and
h at the end. Medians of repetitions. ``--problems`` and ``--solvers`` name a
part of the table.
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

# Of the table under noise.
NOISY_PROBLEMS = ["quadratic", "simulated_logistic", "ijcnn1",
                  "simulated_multinomial", "digits", "hyper_representation"]
NOISY_SOLVERS = {
    "S-TFBO": ("S-TFBO", {}),
    "D-TFBO": ("D-TFBO", {}),
    "AdamBO": ("AdamBO", {}),
    "AdamBO, linear": ("AdamBO", {"adjoint": "linear"}),
    "AdamBO, linear, t^(-1/2)": (
        "AdamBO", {"adjoint": "linear", "step_exponent": 0.5}),
    "Ada-BiO": ("Ada-BiO", {}),
    "Ada-BiO, linear": ("Ada-BiO", {"adjoint": "linear"}),
    "BiAdam": ("BiAdam", {}),
    "VR-BiAdam": ("BiAdam", {"variant": "VR-BiAdam"}),
    "SOBA": ("SOBA", {}),
}
AT_A_TIME = 8  # Iterations: a budget is met to so many.


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


def print_all_samples(repetitions):
    """The table of tuning-free methods, on all samples and mini-batches."""
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
                    for k in range(1 if batch_size == "full" else repetitions)
                ], axis=0)
                print(f"| {dataset} | {name} | {batch_size} | "
                      f"{start['grad_norm']:.1e} | " + " | ".join(
                          f"{number:.1e}" for number in numbers) + " |",
                      flush=True)


def run_to_budgets(problem, name, parameters, repetition, budgets):
    """Norms of the gradient of h once so many oracle calls are made.

    Returns
    -------
    list of float
        One a budget, and h at the last; NaN once a run has diverged.
    """
    solver = make_solver(name, problem, repetition=repetition, **parameters)
    solver._reset()
    solver.start()
    norms, value = [], np.nan
    for budget in budgets:
        while solver._is_finite() and (
                solver.get_result()["oracle_calls"] < budget):
            solver.advance(AT_A_TIME)
            solver.t += AT_A_TIME
        judged = (metrics(problem, solver.z, solver.x) if solver._is_finite()
                  else {"grad_norm": np.nan, "value": np.nan})
        norms.append(judged["grad_norm"])
        value = judged["value"]
    return [*norms, value]


def print_under_noise(repetitions, calls, datasets, solvers):
    """The table of all methods with adaptive steps, on mini-batches."""
    budgets = [calls / 100, calls / 10, calls]
    print("| dataset | solver | " + " | ".join(
        f"{budget:.0e} calls" for budget in budgets)
        + " | last tenfold | *h* |\n|---|---|---|---|---|---|---|")
    for dataset in datasets:
        try:
            problem = make_problem(dataset, in_order=False)
        except OSError as error:
            print(f"{dataset} is left out: {error}", file=sys.stderr)
            continue
        start = metrics(problem, problem.inner_start, problem.outer_start)
        print(f"| `{dataset}` | at the start: {start['grad_norm']:.1e} "
              f"| | | | | {start['value']:.5g} |")
        for label in solvers:
            *norms, value = np.median([
                run_to_budgets(problem, *NOISY_SOLVERS[label], k, budgets)
                for k in range(repetitions)], axis=0)
            print(f"| | {label} | " + " | ".join(
                f"{norm:.1e}" for norm in norms)
                + f" | {norms[-2] / norms[-1]:.1f} | {value:.5g} |",
                flush=True)


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", nargs="?", default="all samples",
                        choices=["all samples", "noise"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--calls", type=float, default=1e7)
    parser.add_argument("--problems", nargs="+", default=NOISY_PROBLEMS,
                        choices=NOISY_PROBLEMS)
    parser.add_argument("--solvers", nargs="+", default=list(NOISY_SOLVERS),
                        choices=list(NOISY_SOLVERS))
    options = parser.parse_args()
    if options.table == "noise":
        print_under_noise(options.repetitions, options.calls,
                          options.problems, options.solvers)
    else:
        print_all_samples(options.repetitions)


if __name__ == "__main__":
    main()
