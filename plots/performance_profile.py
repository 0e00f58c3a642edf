import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import results


class Plot(BasePlot):
    """Share of datasets that a method solves within a factor of the best.

    Dolan and Moré, "Benchmarking optimization software with performance
    profiles", Mathematical Programming, 2002. A dataset is solved where
    h(x) - h* has fallen to a fraction of its value at the start.
    """

    name = "Performance profile"
    type = "scatter"
    options = {
        "objective": ...,
        "cost": list(results.COSTS),
        "fraction": [1e-1, 1e-2, 1e-3, 1e-4],
    }

    def plot(self, df, objective, cost, fraction):
        df = df[df["objective_name"] == objective]
        best = results.best_configurations(df)
        datasets = sorted({dataset for dataset, _ in best})
        methods = sorted({method for _, method in best}, key=results.order)
        ratios = {method: [] for method in methods}
        for dataset in datasets:
            runs = df[df["dataset_name"] == dataset]
            h_star, _ = results.reference(df, dataset)
            start = runs[runs["stop_val"] == 0]["objective_value"].median()
            costs = {
                method: results.first_reaching(
                    runs[runs["solver_name"] == best[dataset, method][0]],
                    results.COSTS[cost], fraction * (start - h_star), h_star,
                    runs["idx_rep"].nunique())
                for method in methods if (dataset, method) in best
            }
            fastest = min(costs.values())
            for method in methods:
                reached = costs.get(method, np.inf)
                ratios[method].append(
                    reached / fastest if np.isfinite(reached) else np.inf)
        largest = max([2.0, *(r for all_ratios in ratios.values()
                              for r in all_ratios if np.isfinite(r))])
        grid = np.geomspace(1.0, 1.1 * largest, 60)
        return [
            {
                "x": grid.tolist(),
                "y": [float(np.mean(np.array(ratios[method]) <= tau))
                      for tau in grid],
                **results.style(method, method),
            }
            for method in methods
        ]

    def get_metadata(self, df, objective, cost, fraction):
        return {
            "title": f"{df['dataset_name'].nunique()} datasets, gap reduced "
                     f"to {fraction:.0e} of the start",
            "xlabel": f"{cost} / {cost} of the best",
            "ylabel": "share of datasets",
            "scale": "semilog-x",
        }
