"""Methods over several problems: ranks with intervals, and what they say."""
import numpy as np

from benchmark_utils.reporting import markup, styles
from benchmark_utils.reporting.prints import LETTER, SIZE, WIDTHS, pyplot
from benchmark_utils.reporting.ranks import SHARES, Ranks, budget_of_calls
from benchmark_utils.reporting.separation import Separation
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
        By the mean of their ranks, of which equal methods share the mean; a
        method that is missing on a problem comes last there, with those that
        diverged.
    ranks : dict of {(str, int): (float, float, float)}
        From a method and the number of a problem to its rank and the 95 %
        interval of the rank.
    by : dict of {str: Ranks}
        "by time", "by oracle calls", and "at" shares of the time.
    mean : dict of {str: float}
        By time.
    separation : Separation
        Of the ranks by time.
    """

    def __init__(self, problems):
        self.problems = problems
        names = sorted({c.method for problem in problems
                        for c in problem.configurations}, key=styles.order)
        self.by = {
            "by time": Ranks(problems, names),
            "by oracle calls": Ranks(problems, names, "oracle calls"),
            **{f"at {100 * share:.0f} % of the time": Ranks(
                problems, names, share=share) for share in SHARES}}
        self.ranks = {
            (method, k): rank for k, problem in enumerate(problems)
            for method, rank in self.by["by time"].intervals(k).items()
            if method in problem.best()}
        self.separation = Separation(names, self.by["by time"].points)
        self.mean = self.separation.mean
        self.methods = list(self.mean)

    @property
    def _heads(self):
        return short_names([problem.dataset for problem in self.problems])

    def _text(self, method, k, dash, with_interval=True):
        if (method, k) not in self.ranks:
            return dash
        rank, low, high = self.ranks[method, k]
        return f"{rank:g}" + (
            f" [{low:g}-{high:g}]" if low < high and with_interval else "")

    def _mean(self, method):
        found = self.by["by time"].interval_of_mean.get(method)
        return f"{self.mean[method]:.1f}" + (
            f" [{found[0]:.1f}-{found[1]:.1f}]" if found else "")

    def claims(self):
        """What can be said: first whether anything separates the top.

        Returns
        -------
        list of str
        """
        leaders = {what: [m for m in self.methods
                          if ranks.mean[m] == min(ranks.mean.values())]
                   for what, ranks in self.by.items() if ranks.mean}
        claims = self.separation.claims()
        if len(self.methods) > 1 and self.problems:
            claims.append("The lowest mean rank is, " + "; ".join(
                f"{what}, that of {' and '.join(names)}" if len(names) < 4
                else f"{what}, shared by {len(names)} methods"
                for what, names in leaders.items()) + ".")
        return claims

    def markdown(self, with_diagram=True):
        """What can be said, then the matrix as a table.

        Parameters
        ----------
        with_diagram : bool
            Whether the diagram of what is not separated follows, as text.

        Returns
        -------
        str
        """
        rows = [["method", *map(markup.markdown, self._heads), "mean rank",
                 *list(self.by)[1:]]]
        rows += [[markup.markdown(method),
                  *(self._text(method, k, "-")
                    for k in range(len(self.problems))),
                  self._mean(method),
                  *(f"{ranks.mean[method]:.1f}"
                    for ranks in list(self.by.values())[1:])]
                 for method in self.methods]
        calls = ", ".join(
            f"{head} {budget_of_calls(problem):.1e}" for head, problem in zip(
                self._heads, self.problems, strict=True))
        return "\n".join([
            *(f"- {markup.markdown(text)}" for text in self.claims()), "",
            markup.table(rows), "",
            "Rank by the median gap h - h* within the time of a run, with its "
            "95 % interval over repetitions; equal methods share the mean of "
            "their ranks. \\-: diverged in at least half of the repetitions, "
            "or did not run, and counts among the last. Beside the mean rank "
            "its 95 % interval over problems drawn again"
            + ("" if self.by["by time"].interval_of_mean else
               " (of fewer than five there is none)")
            + ". On the right, mean ranks by oracle calls and earlier. Calls "
            "are those that three quarters of the methods have made within "
            "the time, of those that have not ended at a stationary point: "
            + markup.markdown(calls) + ". Who has made fewer is ranked by its "
            "end.", "",
            *(["Mean ranks; a bar joins methods that are not separated:", "",
               "```text", self.separation.text(), "```", ""]
              if with_diagram else [])])

    def draw(self, width=WIDTHS[""]):
        """The matrix as a figure: ranks, and their means.

        Parameters
        ----------
        width : float
            In inches. The intervals of the means are shown where they fit.

        Returns
        -------
        matplotlib.figure.Figure
        """
        plt = pyplot()
        n_methods, n_problems = len(self.methods), len(self.problems)
        with_interval = width > 5
        means = {"mean rank": (self._mean if with_interval else
                               lambda m: f"{self.mean[m]:.1f}"), **{
            what.removesuffix(" of the time").replace("oracle ", ""):
            lambda m, ranks=ranks: f"{ranks.mean[m]:.1f}"
            for what, ranks in list(self.by.items())[1:None if with_interval
                                                     else 2]}}
        ranks = np.array([
            [self.ranks.get((method, k), (np.nan,))[0]
             for k in range(n_problems)] for method in self.methods],
            dtype=float).reshape(n_methods, n_problems)
        angle = 40 if with_interval else 60
        top = 0.15 + np.sin(np.radians(angle)) * LETTER * max(
            map(len, [*self._heads, *means]))
        height = top + 1.3 * SIZE / 72 * n_methods + 0.05
        figure = plt.figure(figsize=(width, height))
        left = 0.15 + LETTER * max(map(len, self.methods), default=0)
        places, at = {}, n_problems - 0.5  # Of the means, in columns.
        for name in means:
            size = 2.4 if name == "mean rank" and with_interval else 1.3
            places[name] = at + size / 2
            at += size
        ax = figure.add_axes((left / width, 0.05 / height,
                              (width - left - 0.35) / width,
                              (height - top - 0.05) / height))
        # Light where ranks are low, so that numbers are read on all of it.
        ax.imshow(ranks, aspect="auto", cmap="Greens_r", vmin=1 - 0.6 *
                  n_methods, vmax=1.1 * n_methods, interpolation="none",
                  extent=(-0.5, n_problems - 0.5, n_methods - 0.5, -0.5))
        for row, method in enumerate(self.methods):
            for k in range(n_problems):
                first = self.ranks.get((method, k), (None,))[0] == np.nanmin(
                    ranks[:, k], initial=np.inf)
                ax.text(k, row, self._text(method, k, "–", False),
                        ha="center", va="center", fontsize=SIZE,
                        fontweight="bold" if first else "normal")
            for name, text in means.items():
                ax.text(places[name], row, text(method), ha="center",
                        va="center", fontsize=SIZE)
        ax.set_xticks(
            [*range(n_problems), *places.values()],
            [*map(markup.figure, self._heads), *places], fontsize=SIZE,
            rotation=angle, ha="left", rotation_mode="anchor")
        ax.xaxis.tick_top()
        ax.set_yticks(range(n_methods), map(markup.figure, self.methods),
                      fontsize=SIZE)
        for tick, method in zip(ax.get_yticklabels(), self.methods,
                                strict=True):
            tick.set_color(styles.color(method))
        ax.tick_params(length=0, pad=2)
        ax.set(xlim=(-0.5, at), ylim=(n_methods - 0.5, -0.5))
        for side in ax.spines.values():
            side.set_visible(False)
        return figure
