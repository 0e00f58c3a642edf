"""Methods with adaptive steps under noise, at their default parameters.

    python benchmarks/adaptive_methods.py [--repetitions 5] [--calls 1e7]

prints a table for each of six problems: the norm of the gradient of h at the
start, and after a hundredth, a tenth and all of so many oracle calls on
mini-batches; by how much the last tenfold has divided it; and h at the end.
Medians of repetitions. A method that stalls has a factor near 1 far from a
stationary point. SOBA, with its default step that decreases as t^(-1/2), is
there for comparison.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import make_problem, make_solver  # noqa: E402

from benchmark_utils.reference import metrics  # noqa: E402

PROBLEMS = {
    "quadratic": {},
    "simulated_logistic": {},
    "ijcnn1": {},
    "simulated_multinomial": {},
    "digits": {},
    "hyper_representation": {},
}
# Iterations: budgets are met to so many.
AT_A_TIME = 8
SOLVERS = {
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


def run(problem, name, parameters, repetition, budgets):
    """Norms of the gradient of h once so many oracle calls are made.

    Returns
    -------
    list of float
        One a budget, and h at the last; NaN from where a run has diverged.
    """
    solver = make_solver(name, problem, repetition=repetition, **parameters)
    solver._reset()
    solver.start()
    found, judged = [], {"value": np.nan, "grad_norm": np.nan}
    for budget in budgets:
        while solver._is_finite() and (
                solver.get_result()["oracle_calls"] < budget):
            solver.advance(AT_A_TIME)
            solver.t += AT_A_TIME
        judged = (metrics(problem, solver.z, solver.x) if solver._is_finite()
                  else dict.fromkeys(judged, np.nan))
        found.append(judged["grad_norm"])
    return [*found, judged["value"]]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--calls", type=float, default=1e7)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS),
                        choices=list(PROBLEMS))
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS),
                        choices=list(SOLVERS))
    options = parser.parse_args()
    budgets = [options.calls / 100, options.calls / 10, options.calls]

    print("| dataset | solver | start | " + " | ".join(
        f"{budget:.0e} calls" for budget in budgets)
        + " | last tenfold | *h* |\n|---|---|---|---|---|---|---|---|")
    for dataset in options.problems:
        try:
            problem = make_problem(
                dataset, in_order=False, **PROBLEMS[dataset])
        except OSError as error:
            print(f"{dataset} is left out: {error}", file=sys.stderr)
            continue
        start = metrics(problem, problem.inner_start, problem.outer_start)
        print(f"| `{dataset}` | at the start | {start['grad_norm']:.1e} "
              f"| | | | | {start['value']:.5g} |")
        for label in options.solvers:
            name, parameters = SOLVERS[label]
            *norms, value = np.median([
                run(problem, name, parameters, repetition, budgets)
                for repetition in range(options.repetitions)], axis=0)
            print(f"| | {label} | | " + " | ".join(
                f"{norm:.1e}" for norm in norms)
                + f" | {norms[-2] / norms[-1]:.1f} | {value:.5g} |",
                flush=True)


if __name__ == "__main__":
    main()
