"""Lowest value of h that many deterministic descents find.

    python benchmarks/lowest_value.py ijcnn1 [--starts 60]
    python benchmarks/lowest_value.py hyper_representation --spread 0.3
    python benchmarks/lowest_value.py digits --spread 1 --boxes 10 15 20 30
    python benchmarks/lowest_value.py digits --boxes 10 15 20 --seeds 1 2 3
    python benchmarks/lowest_value.py coreset --sum 20 --starts 5
    python benchmarks/lowest_value.py covtype --after HOAG --iterations 150

h is not convex: L-BFGS-B on h, with exact gradients, from the start of the
problem and from other points, prints each new lowest value. The last one is
what ``references.yml`` holds.

- ``--seeds`` are those of ``benchopt run``, 0 by default: 1, 2 and 3 are the
  starts of a comparison.
- Log-penalties are drawn in a box, and stay in a larger one.
- With ``--spread``, points are drawn around the start, and nothing is bounded.
- With ``--boxes``, x stays in [-B, B] for each B in turn, and what is at a
  bound moves on with it. The weights sigma(x_i) of data hyper-cleaning tend to
  0 and 1, where h is flat: without bounds, descents stand still too early.
- With ``--after``, the first descent is from where a method has come after so
  many iterations: on its way down it may have met a lower valley.
- With ``--sum K``, 0 <= x <= 1 and sum x = K, as in coreset, by SLSQP.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from benchopt.utils.parametrized_name_mixin import _extract_options
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from harness import make_problem, make_solver, run_solver  # noqa: E402

from benchmark_utils.reference import (  # noqa: E402
    implicit_gradient,
    solve_inner,
)

BOX = (-20.0, 10.0)


def descend(problem, x, bounds, total=None):
    """h and x where L-BFGS-B ends, or SLSQP where sum x = total."""
    z = problem.inner_start

    def value_and_gradient(x):
        nonlocal z
        z, solve = solve_inner(problem.inner, x, z)
        return (problem.outer.value(z, x),
                implicit_gradient(problem, x, z, solve))

    how = {"method": "L-BFGS-B", "options": {
        "maxiter": 5000, "maxfun": 10_000, "maxcor": 20, "ftol": 1e-15,
        "gtol": 1e-9}}
    if total:
        how = {"method": "SLSQP", "options": {
            "maxiter": 5000, "ftol": 1e-15}, "constraints": {
            "type": "eq", "fun": lambda x: np.sum(x) - total,
            "jac": np.ones_like}}
    result = minimize(value_and_gradient, x, jac=True, bounds=bounds, **how)
    return result.fun, result.x


def after(problem, options, seed):
    """x where a method has come."""
    name, _, parameters = _extract_options(options.after)
    solver = make_solver(name, problem, seed, **parameters)
    return run_solver(solver, options.iterations)["outer_var"]


def lowest(problem, options, seed):
    """Print each new lowest value of descents from several starts."""
    rng = np.random.default_rng(0)
    lowest = np.inf
    values = []
    for k in range(options.starts):
        x, bounds = problem.outer_start, None
        if k == 0 and options.after:
            x = after(problem, options, seed)
        if options.sum:
            bounds = [(0.0, 1.0)] * x.size
            if k > 0:  # Uneven, and of the same sum; entries above 1 are cut.
                x = options.sum * rng.dirichlet(np.full(x.size, 0.1))
        elif not (options.spread or options.boxes):
            bounds = [BOX] * x.size
            x = x if k == 0 else rng.uniform(-12.0, 4.0, x.size)
        elif k > 0:
            x = x + (options.spread or 1.0) * rng.standard_normal(x.size)
        last = np.inf
        for bound in options.boxes:
            x = np.where(np.abs(x) >= last, np.copysign(bound, x), x)
            h, x = descend(problem, x, [(-bound, bound)] * x.size)
            last = bound
        if not options.boxes:
            h, x = descend(problem, x, bounds, options.sum)
        values.append(h)
        if h < lowest:
            lowest = h
            print(f"start {k}: h = {h:.12f}, x from {np.min(x):.3g} to "
                  f"{np.max(x):.3g}", flush=True)
    near = sum(h - lowest < 1e-6 for h in values)
    print(f"{near} of {options.starts} starts end within 1e-6 of the lowest")


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="as after -d in benchopt")
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--spread", type=float, help="standard deviation")
    parser.add_argument("--boxes", type=float, nargs="+", default=[],
                        metavar="B", help="growing bounds of the entries of x")
    parser.add_argument("--sum", type=float, metavar="K",
                        help="what entries of x, from 0 to 1, add up to")
    parser.add_argument("--after", metavar="METHOD",
                        help="as after -s in benchopt")
    parser.add_argument("--iterations", type=int, default=100,
                        help="of that method (default: %(default)s), a "
                        "multiple of its eval_freq")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0],
                        metavar="K", help="of the start and what is drawn")
    options = parser.parse_args()
    name, _, parameters = _extract_options(options.dataset)
    for seed in options.seeds:
        problem = make_problem(name, seed, in_order=False, **parameters)
        print(f"seed {seed}")
        lowest(problem, options, seed)


if __name__ == "__main__":
    main()
