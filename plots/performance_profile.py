import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import profiles, runs, styles


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
        "cost": list(runs.COSTS),
        "fraction": ["1e-1", "1e-2", "1e-3", "1e-4"],
    }

    def plot(self, df, objective, cost, fraction):
        datasets, ratios = profiles.ratios(
            df, objective, cost, float(fraction))
        if not datasets:
            return []
        finite = [r for row in ratios.values() for r in row if np.isfinite(r)]
        grid = np.geomspace(1.0, 1.1 * max([2.0, *finite]), 60)
        return [
            {
                "x": grid.tolist(),
                "y": [float(np.mean(np.array(row) <= tau)) for tau in grid],
                **styles.style(method, method),
            }
            for method, row in ratios.items()
        ]

    def get_metadata(self, df, objective, cost, fraction):
        datasets, _ = profiles.ratios(df, objective, cost, float(fraction))
        return {
            "title": f"{len(datasets)} datasets, gap reduced to {fraction} "
                     "of the start",
            "xlabel": f"{cost} / {cost} of the best",
            "ylabel": "share of datasets",
            "scale": "semilog-x",
        }
