import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import runs, tuning_cost, views


class Plot(views.NamesFigures, BasePlot):
    """Final gap over step_size and outer_ratio: one heat map a method.

    Of the table of a grid. Each cell has the lowest gap over the other
    parameters; the best one has a frame.
    """

    name = "Sensitivity"
    type = "image"
    options = {"dataset": ..., "objective": ...}

    def plot(self, df, dataset, objective):
        problem = runs.problem(df, dataset, objective)
        by_method = {}
        for configuration in problem.configurations:
            by_method.setdefault(configuration.method, []).append(
                configuration)
        maps = {method: tuning_cost.cells(found)
                for method, found in by_method.items()}
        maps = {method: cells for method, cells in maps.items()
                if len(cells) > 1}
        gaps = np.array([gap for cells in maps.values()
                         for gap in cells.values() if 0 < gap < np.inf])
        if not gaps.size:
            return []
        highest = gaps.max()
        lowest = min(max(gaps.min(), 1e-8 * highest), 0.5 * highest)
        return [{"image": tuning_cost.draw_cells(
            cells, lowest, highest), "label": method}
            for method, cells in maps.items()]

    def get_metadata(self, df, dataset, objective):
        problem = runs.problem(df, dataset, objective)
        return {
            "title": f"{dataset.split('[')[0]}: lowest h(x) - h*, "
                     f"{problem.reference_text}. A wide bright area is easy "
                     "to find; x: diverged; frame: the best.",
            "ncols": 3,
        }
