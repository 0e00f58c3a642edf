"""Methods over several problems: ranks with intervals, and profiles."""
import numpy as np

from benchmark_utils.reporting import markup, styles
from benchmark_utils.reporting.figures import pyplot
from benchmark_utils.reporting.intervals import Comparison
from benchmark_utils.reporting.tables import method_of, parameters_of


def short_names(datasets):
    """Names of datasets for the head of a table, as short as can be.

    Those of the same name have their parameters; a set of LIBSVM has its own.
    """
    short = [str(parameters_of(name).get("name") or method_of(name))
             for name in datasets]
    return [name if short.count(name) == 1 else full
            for name, full in zip(short, datasets, strict=True)]


class Overview:
    """Ranks of all methods on all problems, by the gap at the end.

    Parameters
    ----------
    problems : list of Problem

    Attributes
    ----------
    methods : list of str
        By the mean of their ranks; a method that is missing on a problem
        comes last there, with those that diverged.
    ranks : dict of {(str, int): (int, int, int)}
        From a method and the number of a problem to its rank and the 95 %
        interval of the rank.
    mean : dict of {str: float}
    """

    def __init__(self, problems):
        self.problems = problems
        names = sorted({c.method for problem in problems
                        for c in problem.configurations}, key=styles.order)
        self.ranks = {}
        for k, problem in enumerate(problems):
            best = problem.best()
            n_asked = max(1, problem.n_asked)
            for method, rank in Comparison({
                    method: best[method].values("gap") if method in best
                    else [np.full(n_asked, np.inf)]
                    for method in names}).ranks().items():
                if method in best:
                    self.ranks[method, k] = rank
        last = len(names)
        self.mean = {
            method: float(np.mean([
                self.ranks.get((method, k), (last,))[0]
                for k in range(len(problems))])) for method in names}
        self.methods = sorted(
            names, key=lambda m: (self.mean[m], styles.order(m)))

    @property
    def _heads(self):
        return short_names([problem.dataset for problem in self.problems])

    def _text(self, method, k, dash):
        if (method, k) not in self.ranks:
            return dash
        rank, low, high = self.ranks[method, k]
        return f"{rank}" + (f" [{low}-{high}]" if low < high else "")

    def markdown(self):
        """The matrix as a table."""
        rows = [["method", *map(markup.markdown, self._heads), "mean rank"]]
        rows += [[markup.markdown(method),
                  *(self._text(method, k, "-")
                    for k in range(len(self.problems))),
                  f"{self.mean[method]:.1f}"] for method in self.methods]
        return markup.table(rows) + (
            "\n\nRank by the median gap h - h* within the time of a run, with "
            "its 95 % interval over repetitions; - diverged or did not run, "
            f"and counts as {len(self.methods)} in the mean.\n")

    def draw(self):
        """The matrix as a figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        plt = pyplot()
        n_methods, n_problems = len(self.methods), len(self.problems)
        ranks = np.array([
            [self.ranks.get((method, k), (np.nan,))[0]
             for k in range(n_problems)] for method in self.methods],
            dtype=float)
        figure, ax = plt.subplots(
            figsize=(2.6 + 1.15 * n_problems, 1.4 + 0.24 * n_methods),
            layout="constrained")
        # Light where ranks are low, so that numbers are read on all of it.
        ax.imshow(ranks, aspect="auto", cmap="Greens_r", vmin=1 - 0.6 *
                  n_methods, vmax=1.1 * n_methods, interpolation="none")
        for row, method in enumerate(self.methods):
            for k in range(n_problems):
                rank = self.ranks.get((method, k), (None,))[0]
                ax.text(k, row, self._text(method, k, "–"), ha="center",
                        va="center", fontsize=8,
                        fontweight="bold" if rank == 1 else "normal")
            ax.text(n_problems - 0.3, row, f"{self.mean[method]:.1f}",
                    va="center", fontsize=8)
        ax.text(n_problems - 0.3, -0.8, "mean", fontsize=8.5)
        ax.set_xticks(range(n_problems), map(markup.figure, self._heads),
                      fontsize=8.5, rotation=30, ha="left")
        ax.xaxis.tick_top()
        ax.set_yticks(range(n_methods), map(markup.figure, self.methods),
                      fontsize=8.5)
        for tick, method in zip(ax.get_yticklabels(), self.methods,
                                strict=True):
            tick.set_color(styles.color(method))
        ax.tick_params(length=0)
        ax.set_xlim(-0.5, n_problems + 0.35)
        for side in ax.spines.values():
            side.set_visible(False)
        figure.suptitle(
            "Rank by the gap at the end, and its 95 % interval", fontsize=10)
        return figure
