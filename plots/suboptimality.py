from benchopt import BasePlot

from benchmark_utils.reporting import runs, views

# What is shown of it: a column, its power and a text.
QUANTITIES = {
    "h(x) - h*": ("gap", 1, None),
    "squared gradient norm": (
        "objective_grad_norm", 2,
        "||grad h(x)||^2, under constraints of x - P(x - grad h(x))"),
    "h(x)": ("objective_value", 1, "h(x)"),
    "test error": ("objective_test_error", 1, "share of errors at z*(x)"),
    "AUC of weights": ("objective_weights_auc", 1, "area under ROC curve"),
    "inner distance": ("objective_inner_distance", 1, "||z - z*(x)||"),
}
# Not on a logarithmic axis, where three digits are more than can be seen.
LINEAR = ("h(x)", "test error", "AUC of weights")
# Of a curve: as many as there are evaluations, which are a factor of 1.2 to
# 1.5 apart. A page has each curve in several views.
N_POINTS = 25


class Plot(views.NamesFigures, BasePlot):
    """h(x) - h*, or what else was measured, against time or oracle calls.

    One curve a method, at its best parameters (the lowest median h): the
    median over repetitions with the 20-80 % band. At first the best of each
    family, SOBA and SABA; each family beside the best of all is one click
    away, as are all methods and all configurations.
    """

    name = "Suboptimality"
    type = "scatter"
    options = {
        "dataset": ...,
        "objective": ...,
        "quantity": lambda df: [
            name for name, (column, *_) in QUANTITIES.items()
            if column == "gap" or column in df],
        "against": list(runs.COSTS),
        "curves": views.options,
    }

    def plot(self, df, dataset, objective, quantity, against, curves):
        problem = runs.problem(df, dataset, objective)
        column, power, _ = QUANTITIES[quantity]
        if problem.start is None or column not in problem.start:
            return []
        traces = []
        for configuration in views.shown(problem, curves):
            x, *curve = configuration.median_curve(
                runs.COSTS[against], column, N_POINTS)
            y, low, high = (values**power for values in curve)
            # What is 0 to rounding has no place on a logarithmic axis.
            kept = y > 1e-16
            if kept.any():
                traces.append(views.trace(
                    configuration.method, configuration.label(
                        configuration.name if curves == views.ALL else None),
                    x[kept], y[kept], low[kept].clip(min=1e-16), high[kept],
                    5 if quantity in LINEAR else 3))
        return traces

    def get_metadata(self, df, dataset, objective, quantity, against, curves):
        problem = runs.problem(df, dataset, objective)
        text = QUANTITIES[quantity][2]
        reading = "lower and further left is better"
        if quantity == "AUC of weights":
            reading = "higher and further left is better"
        column = QUANTITIES[quantity][0]
        if column in runs.SCORES and column not in problem.scores():
            reading = f"this dataset has no {quantity}"
        return {
            "title": f"{dataset.split('[')[0]}\n{reading}; bands hold "
                     f"20-80 % of {problem.n_asked} repetitions" + (
                         "\nruns of several machines or versions: compare "
                         "oracle calls" if problem.different else ""),
            "xlabel": runs.AXES[against],
            "ylabel": text or f"h(x) - h*,  {problem.reference_text}",
            "scale": "semilog-x" if quantity in LINEAR else "loglog",
        }
