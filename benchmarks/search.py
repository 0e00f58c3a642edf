"""What ways of searching for parameters find in the same seconds.

    python benchmarks/search.py quadratic SOBA SABA [--seconds 0.3]

- *Sobol'*: that of ``tune``, half of its points of the space of the solver's
  file, a quarter of them each around the best so far.
- *TPE*: Optuna's sampler, in the same space, which it does not leave.

Each tries as many configurations (32), for as many seconds of CPU; what counts
is the lowest h at the end of a run, here from one start. The table has the
median over searches, of other seeds of mini-batches and, for TPE, of its own,
and the lowest and the highest.
"""
import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import optuna
from benchopt.utils.parametrized_name_mixin import _extract_options

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness import Skipped, make_problem, make_solver  # noqa: E402

from benchmark_utils.reference import metrics  # noqa: E402
from benchmark_utils.reporting import suite  # noqa: E402
from benchmark_utils.reporting.spaces import Space  # noqa: E402


def value(problem, name, seconds, parameters, repetition):
    """h after so many seconds of CPU; infinite where it diverges."""
    try:
        solver = make_solver(
            name, problem, repetition=repetition, **parameters)
    except (Skipped, ValueError):
        return math.inf
    solver.warm_up()
    end = time.process_time() + seconds
    solver.run(lambda: time.process_time() < end)
    result = solver.get_result()
    if not all(np.all(np.isfinite(result[key]))
               for key in ("inner_var", "outer_var")):
        return math.inf
    h = metrics(problem, result["inner_var"], result["outer_var"])["value"]
    return h if math.isfinite(h) else math.inf


def sobol(space, judge, n):
    """Lowest value by the points of ``tune``."""
    found, best = [], None
    for halvings, share in enumerate((n - 2 * (n // 4), n // 4, n // 4)):
        for point in space.points(
                share, [p for _, p in found], best, halvings):
            found.append((judge(point), point))
        best = min(found, key=lambda f: f[0])[1]
    return min(h for h, _ in found)


def tpe(space, judge, n, seed):
    """Lowest value by Optuna, after the defaults."""
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed))
    free = {name: axis for name, axis in space.axes.items() if len(axis) > 1}
    # A choice is known by its place.
    study.enqueue_trial({
        name: axis.index(space.default[name]) if isinstance(axis, list)
        else space.default[name] for name, axis in free.items()})

    def objective(trial):
        point = {name: axis[0] for name, axis in space.axes.items()}
        for name, axis in free.items():
            if isinstance(axis, tuple):
                low, high = axis
                suggest = (trial.suggest_int if isinstance(low, int)
                           else trial.suggest_float)
                point[name] = suggest(name, low, high, log=True)
            else:
                point[name] = axis[trial.suggest_categorical(
                    name, range(len(axis)))]
        h = judge(space._flat(point))
        # What diverges is worse than the worst, but no number for a sampler.
        return h if math.isfinite(h) else 1e30

    study.optimize(objective, n_trials=n)
    return study.best_value


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", help="as after -d in benchopt")
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--configurations", type=int, default=32)
    parser.add_argument("--searches", type=int, default=3)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name, _, parameters = _extract_options(options.dataset)
    problem = make_problem(name, in_order=False, **parameters)
    n = options.configurations
    print("| method | Sobol' | TPE |\n|---|---|---|")
    for method in suite.methods(options.methods)[0]:
        space, found = Space(method), {"Sobol'": [], "TPE": []}
        for k in range(options.searches):
            def judge(point, k=k, method=method):
                return value(
                    problem, method.name, options.seconds, point, k)

            found["Sobol'"].append(sobol(space, judge, n))
            found["TPE"].append(tpe(space, judge, n, k))
        cells = (f"{np.median(v):.8g} [{min(v):.8g}, {max(v):.8g}]"
                 for v in found.values())
        print(f"| {method.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
