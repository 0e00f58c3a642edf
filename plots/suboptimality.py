from benchopt import BasePlot

from benchmark_utils.reporting import runs, styles


class Plot(BasePlot):
    """h(x) - h* or the squared gradient norm, against time or oracle calls.

    One curve a method, at its best parameters (the lowest median h), or one a
    configuration: the median over repetitions with the 20-80 % band.
    """

    name = "Suboptimality"
    type = "scatter"
    options = {
        "dataset": ...,
        "objective": ...,
        "quantity": ["h(x) - h*", "squared gradient norm", "h(x)"],
        "against": list(runs.COSTS),
        "curves": ["best of each method", "all"],
    }

    def plot(self, df, dataset, objective, quantity, against, curves):
        problem = runs.problem(df, dataset, objective)
        shown = (problem.configurations if curves == "all"
                 else problem.best().values())
        column, power = {
            "h(x) - h*": ("gap", 1), "h(x)": ("objective_value", 1),
            "squared gradient norm": ("objective_grad_norm", 2),
        }[quantity]
        traces = []
        for configuration in shown:
            x, *curve = configuration.median_curve(
                runs.COSTS[against], column)
            y, low, high = (values**power for values in curve)
            # What is 0 to rounding has no place on a logarithmic axis.
            kept = y > 1e-16
            if kept.any():
                traces.append({
                    "x": x[kept].tolist(),
                    "y": y[kept].tolist(),
                    "y_low": low[kept].clip(min=1e-16).tolist(),
                    "y_high": high[kept].tolist(),
                    **styles.style(configuration.method, configuration.label(
                        configuration.name if curves == "all" else None)),
                })
        return traces

    def get_metadata(self, df, dataset, objective, quantity, against, curves):
        problem = runs.problem(df, dataset, objective)
        labels = {
            "h(x) - h*": f"h(x) - h*,  {problem.reference_text}",
            "squared gradient norm": "||grad h(x)||^2",
            "h(x)": "h(x)",
        }
        return {
            "title": dataset.split("[")[0],
            "xlabel": runs.AXES[against],
            "ylabel": labels[quantity],
            "scale": "semilog-x" if quantity == "h(x)" else "loglog",
        }
