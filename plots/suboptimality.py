from benchopt import BasePlot

from benchmark_utils.reporting import results


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
        "against": list(results.COSTS),
        "curves": ["best of each method", "all"],
    }

    def plot(self, df, dataset, objective, quantity, against, curves):
        df = df[(df["dataset_name"] == dataset)
                & (df["objective_name"] == objective)].copy()
        h_star, _ = results.reference(df, dataset)
        n_repetitions = df["idx_rep"].nunique()
        df["y"] = {
            "h(x) - h*": df["objective_value"] - h_star,
            "squared gradient norm": df["objective_grad_norm"] ** 2,
            "h(x)": df["objective_value"],
        }[quantity]
        names = df["solver_name"].unique()
        if curves != "all":
            names = [solver for solver, _ in
                     results.best_configurations(df).values()]
        traces = []
        for name in sorted(
                names, key=lambda n: (results.order(results.method_of(n)), n)):
            runs = df[df["solver_name"] == name]
            x, y, low, high = results.median_curve(
                runs, results.COSTS[against], "y")
            # What is 0 to rounding has no place on a logarithmic axis.
            shown = y > 1e-16
            if not shown.any():
                continue
            method = results.method_of(name)
            traces.append({
                "x": x[shown].tolist(),
                "y": y[shown].tolist(),
                "y_low": low[shown].clip(min=1e-16).tolist(),
                "y_high": high[shown].tolist(),
                **results.style(method, results.label(
                    name if curves == "all" else method, runs,
                    n_repetitions)),
            })
        return traces

    def get_metadata(self, df, dataset, objective, quantity, against, curves):
        h_star, origin = results.reference(df, dataset)
        labels = {
            "h(x) - h*": f"h(x) - h*,  h* = {h_star:.8g} ({origin})",
            "squared gradient norm": "||grad h(x)||^2",
            "h(x)": "h(x)",
        }
        return {
            "title": dataset.split("[")[0],
            "xlabel": results.AXES[against],
            "ylabel": labels[quantity],
            "scale": "semilog-x" if quantity == "h(x)" else "loglog",
        }
