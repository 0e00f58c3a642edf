import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import results


class Plot(BasePlot):
    """Time or oracle calls to reach gaps h(x) - h*, relative to the best."""

    name = "Reaching gaps"
    type = "table"
    options = {
        "dataset": ...,
        "objective": ...,
        "cost": list(results.COSTS),
    }

    def plot(self, df, dataset, objective, cost):
        df = df[(df["dataset_name"] == dataset)
                & (df["objective_name"] == objective)]
        h_star, _ = results.reference(df, dataset)
        n_repetitions = df["idx_rep"].nunique()
        best = results.best_configurations(df)
        names = sorted((solver for solver, _ in best.values()),
                       key=lambda n: results.order(results.method_of(n)))
        costs = np.array([
            [results.first_reaching(
                df[df["solver_name"] == name], results.COSTS[cost], gap,
                h_star, n_repetitions) for gap in results.GAPS]
            for name in names
        ]).reshape(len(names), len(results.GAPS))
        fastest = costs.min(axis=0, initial=np.inf)
        # Without its parameters, which would leave no room for the gaps.
        return [
            [results.label(results.method_of(name),
                           df[df["solver_name"] == name], n_repetitions)]
            + [_cell(c, f) for c, f in zip(row, fastest, strict=True)]
            for name, row in zip(names, costs, strict=True)
        ]

    def get_metadata(self, df, dataset, objective, cost):
        h_star, origin = results.reference(df, dataset)
        unit = " [s]" if cost == "time" else ""
        return {
            "title": f"{dataset.split('[')[0]}: {cost}{unit} to a gap "
                     f"(times the best), h* = {h_star:.8g} ({origin})",
            "columns": ["solver", *(f"{gap:.0e}" for gap in results.GAPS)],
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
