import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import runs


class Plot(BasePlot):
    """Time or oracle calls to reach gaps h(x) - h*, relative to the best."""

    name = "Reaching gaps"
    type = "table"
    options = {
        "dataset": ...,
        "objective": ...,
        "cost": list(runs.COSTS),
    }

    def plot(self, df, dataset, objective, cost):
        best = runs.problem(df, dataset, objective).best().values()
        costs = np.array([
            [runs.median_with_missing(
                configuration.reaching(runs.COSTS[cost], gap),
                configuration.n_asked) for gap in runs.GAPS]
            for configuration in best
        ]).reshape(len(best), len(runs.GAPS))
        fastest = costs.min(axis=0, initial=np.inf)
        # Without its parameters, which would leave no room for the gaps.
        return [
            [configuration.label()]
            + [_cell(c, f) for c, f in zip(row, fastest, strict=True)]
            for configuration, row in zip(best, costs, strict=True)
        ]

    def get_metadata(self, df, dataset, objective, cost):
        problem = runs.problem(df, dataset, objective)
        unit = " [s]" if cost == "time" else ""
        return {
            "title": f"{dataset.split('[')[0]}: {cost}{unit} to a gap "
                     f"(times the best), {problem.reference_text}",
            "columns": ["solver", *(f"{gap:.0e}" for gap in runs.GAPS)],
            "default_order_ascending": True,
            "default_order_column": 0,
        }


def _cell(cost, fastest):
    """A cost and its ratio to the best, or a dash where never reached."""
    if not np.isfinite(cost):
        return "-"
    if fastest == 0:
        return f"{cost:.3g}"
    return f"{cost:.3g} ({cost / fastest:.1f})"
