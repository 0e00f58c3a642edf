import numpy as np
from benchopt import BasePlot

from benchmark_utils.reporting import runs, tuning_cost, views


class Plot(views.NamesFigures, BasePlot):
    """How hard a method is to tune: the best of k random configurations.

    Of the table of a grid. The expected lowest gap, with the band from the 20
    to the 80 % quantile; what diverged does not improve on the start.
    """

    name = "Cost of tuning"
    type = "scatter"
    options = {
        "dataset": ...,
        "objective": ...,
        "curves": views.options,
    }

    def plot(self, df, dataset, objective, curves):
        problem = runs.problem(df, dataset, objective)
        gaps = tuning_cost.gaps_by_method(problem)
        methods = dict.fromkeys(
            c.method for c in views.shown(problem, curves))
        # The best of a run that is its own reference has no gap at all.
        lowest = min((gap for found in gaps.values() for gap in found
                      if gap > 1e-16), default=np.inf)
        traces = []
        for method in methods:
            if method in gaps:
                k, expected, low, high = tuning_cost.best_of(gaps[method])
                kept = expected >= min(lowest, 1.0) / 10
                if kept.any():
                    traces.append(views.trace(
                        method, method, k[kept], expected[kept],
                        low[kept].clip(min=lowest),
                        high[kept].clip(min=lowest)))
        return traces

    def get_metadata(self, df, dataset, objective, curves):
        problem = runs.problem(df, dataset, objective)
        tried = tuning_cost.gaps_by_method(problem)
        return {
            "title": f"{dataset.split('[')[0]}\n" + (
                "a curve that falls at once belongs to a method that is easy "
                "to tune; bands hold 20-80 % of the choices" if tried else
                "this table has one configuration a method: see the table "
                "of a grid"),
            "xlabel": "configurations tried, at random",
            "ylabel": f"expected best h(x) - h*,  {problem.reference_text}",
            "scale": "semilog-y",
        }
