from benchopt import BasePlot

from benchmark_utils.reporting import profiles, runs, views


class Plot(views.NamesFigures, BasePlot):
    """Share of datasets that a method solves, by its cost.

    Relative to the best method on each dataset (performance profile: Dolan,
    Moré, 2002), or in seconds and calls (data profile: Moré, Wild, 2009),
    with 95 % bootstrap intervals over repetitions.
    """

    name = "Performance profile"
    type = "scatter"
    options = {
        "objective": ...,
        "profile": ["performance", "data"],
        "cost": list(runs.COSTS),
        "fraction": ["1e-1", "1e-2", "1e-3", "1e-4"],
        "curves": ["the ten best", "all"],
    }

    def plot(self, df, objective, profile, cost, fraction, curves):
        found = profiles.of_table(df, objective, cost, float(fraction))
        grid, shares = found.curves(relative=profile == "performance")
        methods = (found.best_methods(views.MOST)
                   if curves == "the ten best" else shares)
        return [views.trace(method, method, grid, *shares[method])
                for method in methods if method in shares]

    def get_metadata(self, df, objective, profile, cost, fraction, curves):
        found = profiles.of_table(df, objective, cost, float(fraction))
        relative = profile == "performance"
        return {
            "title": f"{len(found.datasets)} datasets, gap reduced to "
                     f"{fraction} of the start\nhigher is better: at the left "
                     + ("the share on which a method is the fastest, at the "
                        "right that it solves at all" if relative
                        else "what is solved soon, at the right what is "
                        "solved at all"),
            "xlabel": (f"{cost} / {cost} of the best" if relative
                       else runs.AXES[cost]),
            "ylabel": "share of datasets",
            "scale": "semilog-x",
        }
