"""Fitted rates of SOBA and SABA, beside those of their theory.

    python benchmarks/rates.py [--exponent 18] [--seeds 10]

The theory (Dagréou et al., NeurIPS 2022) bounds the running mean

    R(T) = 1/T sum_{t < T} E |grad h(x^t)|^2

by O(log T / T^(1/2)) for SOBA with steps that decrease as t^(-1/2), by
O(T^(-1/2)) for SOBA with constant steps of order T^(-1/2), T known in
advance, and by O((n + m)^(2/3) / T) for SABA with constant steps of order
(n + m)^(-2/3). Fitted are

- the slope of log R against log T, over the last decade of T or over runs of
  lengths T within it, as R grows at first; beside it the slope of the bound,
  which with its logarithm is -1/2 + 1/log T or so;
- for SABA the slope of log(T R(T)) against log(n + m), n = m, at a T where
  T R(T) no longer grows: with the steps of the theory and with constant ones.

Intervals are 95 % bootstrap intervals over seeds. The bounds are for the worst
case: a faster decay does not contradict them.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import make_problem, make_solver  # noqa: E402

from benchmark_utils.reference import metrics  # noqa: E402

# Problems, and what their n and m are called.
PROBLEMS = {
    "simulated_logistic": ("n_train", "n_validation"),
    "quadratic": ("n_inner", "n_outer"),
}
STEPS = {
    "SOBA": {"step_size": 0.5, "outer_ratio": 1.0},
    "SABA": {"step_size": 0.25, "outer_ratio": 1.0},
}
BATCH_SIZE = 64


def running_mean(problem, name, seed, n_iterations, **parameters):
    """Running mean of |grad h|^2 at times spaced evenly in logarithm.

    Between two of these times the trapezoidal rule stands for the sum: the
    gradient norm is that of h itself, of which each value costs an exact
    solution of the inner problem.

    Returns
    -------
    T, R : array of float64
    """
    solver = make_solver(
        name, problem, seed=seed, batch_size=BATCH_SIZE, **parameters)
    solver._reset()
    solver.start()
    times = np.unique(np.geomspace(1, n_iterations, 150).astype(int))
    squared = [metrics(problem, solver.z, solver.x)["grad_norm"] ** 2]
    for previous, t in zip([0, *times], times, strict=False):
        solver.advance(int(t - previous))
        solver.t = int(t)
        squared.append(metrics(problem, solver.z, solver.x)["grad_norm"] ** 2)
    lengths = np.diff([0, *times])
    sums = np.cumsum(lengths * (np.array(squared)[1:] + squared[:-1]) / 2)
    return times.astype(float), sums / times


def constant_steps(problem, seed, T):
    """R(T) of T iterations of SOBA with constant steps that T decides.

    As large as those that decrease are on average.
    """
    parameters = STEPS["SOBA"] | {
        "step_size": 2 * STEPS["SOBA"]["step_size"] / np.sqrt(T)}
    solver = make_solver(
        "SOBA", problem, seed=seed, batch_size=BATCH_SIZE, **parameters)
    solver._reset()
    solver.start()
    times = np.unique(np.geomspace(1, T, 60).astype(int))
    squared = [metrics(problem, solver.z, solver.x)["grad_norm"] ** 2]
    for previous, t in zip([0, *times], times, strict=False):
        for _ in range(t - previous):
            # The step of the first iteration, again and again.
            solver.advance(1)
        squared.append(metrics(problem, solver.z, solver.x)["grad_norm"] ** 2)
    lengths = np.diff([0, *times])
    return np.sum(
        lengths * (np.array(squared)[1:] + squared[:-1]) / 2) / T


def slope(x, y):
    """Least-squares slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def with_interval(x, curves):
    """Slope of the mean of curves, one a seed, as text with its interval."""
    curves, rng = np.array(curves), np.random.default_rng(0)
    drawn = [slope(x, np.mean(curves[rng.integers(
        len(curves), size=len(curves))], axis=0)) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{slope(x, np.mean(curves, axis=0)):.3f} [{low:.3f}, {high:.3f}]"


def rate_in_time(dataset, name, n_iterations, n_seeds):
    """Slope of the running mean over the last decade, and of log T / T^1/2."""
    problem = make_problem(dataset, in_order=False)
    curves = [running_mean(problem, name, seed, n_iterations, **STEPS[name])
              for seed in range(n_seeds)]
    T = curves[0][0]
    last = n_iterations / 10 <= T
    T = T[last]
    return (with_interval(T, [R[last] for _, R in curves]),
            slope(T, np.log(T) / np.sqrt(T)))


def rate_of_horizons(dataset, exponents, n_seeds):
    """Slope of R(T), of runs with the constant step of their length T."""
    problem = make_problem(dataset, in_order=False)
    T = 2.0 ** np.array(exponents)
    return with_interval(T, [
        [constant_steps(problem, seed, int(t)) for t in T]
        for seed in range(n_seeds)])


def rate_in_samples(dataset, scaled, n_seeds, sizes=(512, 2048, 8192, 32768)):
    """Slope of T R(T) of SABA against n + m."""
    sums = []
    for n in sizes:
        problem = make_problem(dataset, in_order=False,
                               **dict.fromkeys(PROBLEMS[dataset], n))
        step_size = STEPS["SABA"]["step_size"]
        if scaled:
            step_size *= (n / sizes[0]) ** (-2 / 3)
        n_iterations = int(20_000 / step_size)
        sums.append([
            (T * R)[-1] for T, R in (
                running_mean(problem, "SABA", seed, n_iterations,
                             step_size=step_size, outer_ratio=1.0)
                for seed in range(n_seeds))])
    return with_interval(sizes, np.transpose(sums))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--exponent", type=int, default=18,
                        help="log2 of the number of iterations (18)")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()

    horizons = range(options.exponent - 3, options.exponent + 1)
    print("| dataset | solver, steps | slope of R(T) | of the bound |")
    print("|---|---|---|---|")
    for dataset in PROBLEMS:
        fitted, bound = rate_in_time(
            dataset, "SOBA", 2**options.exponent, options.seeds)
        print(f"| {dataset} | SOBA, decreasing | {fitted} | {bound:.3f} |",
              flush=True)
        fitted = rate_of_horizons(dataset, horizons, options.seeds)
        print(f"| {dataset} | SOBA, of known T | {fitted} | -0.5 |",
              flush=True)
        fitted, _ = rate_in_time(
            dataset, "SABA", 2**options.exponent, options.seeds)
        print(f"| {dataset} | SABA, constant | {fitted} | -1 |", flush=True)
    print("\n| dataset | steps of SABA | slope of T R(T) in n + m | bound |")
    print("|---|---|---|---|")
    for dataset in PROBLEMS:
        for scaled in (True, False):
            fitted = rate_in_samples(dataset, scaled, options.seeds)
            steps = "(n + m)^(-2/3)" if scaled else "constant"
            print(f"| {dataset} | {steps} | {fitted} | 0.667 |",
                  flush=True)


if __name__ == "__main__":
    main()
