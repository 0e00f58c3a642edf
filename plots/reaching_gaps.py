import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import runs, views
from benchmark_utils.reporting.intervals import Comparison


class Plot(views.NamesFigures, BasePlot):
    """Time or oracle calls to reach gaps h(x) - h*, with 95 % intervals.

    These are bootstrap intervals over repetitions. A star marks the fastest,
    and those that an interval does not tell apart from it.
    """

    name = "Reaching gaps"
    type = "table"
    options = {
        "dataset": ...,
        "objective": ...,
        "cost": list(runs.COSTS),
    }

    def plot(self, df, dataset, objective, cost):
        best = runs.problem(df, dataset, objective).best()
        # Without its parameters, which would leave no room for the gaps.
        rows = {method: [configuration.label()]
                for method, configuration in best.items()}
        for gap in runs.GAPS:
            compared = Comparison({
                method: configuration.reaching(runs.COSTS[cost], gap)
                for method, configuration in best.items()})
            first = compared.not_told_apart()
            for method, cells in rows.items():
                cells.append(_cell(compared, method, method in first))
        return list(rows.values())

    def get_metadata(self, df, dataset, objective, cost):
        problem = runs.problem(df, dataset, objective)
        unit = " [s]" if cost == "time" else ""
        return {
            "title": f"{dataset.split('[')[0]}: median {cost}{unit} to a gap "
                     f"[95 % interval], {problem.reference_text}\n* the best, "
                     "and those not told apart from it; - half of the "
                     "repetitions never get there",
            "columns": ["solver", *(f"{gap:.0e}" for gap in runs.GAPS)],
            "default_order_ascending": True,
            "default_order_column": 0,
        }


def _cell(compared, method, first):
    """A median with its interval, or a dash where never reached."""
    median = compared.median[method]
    if not np.isfinite(median):
        return "-"
    found = compared.interval(method)
    return f"{median:.3g}" + (
        f" [{found[0]:.2g}, {found[1]:.2g}]" if found else "") + (
            " *" if first else "")
