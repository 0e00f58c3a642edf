"""Which methods mean ranks over problems separate from each other.

Friedman's test says whether methods differ at all, and Nemenyi's critical
difference which do: J. Demsar, "Statistical comparisons of classifiers over
multiple data sets", JMLR, 2006. Problems are what is repeated here, and few:
pairwise Wilcoxon tests with Holm's correction, the other choice, cannot reach
5 % of eight problems and more than six methods.
"""
import warnings

import numpy as np
from scipy.stats import friedmanchisquare, studentized_range

from benchmark_utils.reporting import markup, styles
from benchmark_utils.reporting.prints import LETTER, SIZE, WIDTHS, pyplot

LEVEL = 0.05
#: At the top, where nothing may differ though the whole does.
N_TOP = 8


def friedman(ranks):
    """p-value of Friedman's test, that all methods are equal.

    Parameters
    ----------
    ranks : array of float64, shape (n_problems, n_methods)

    Returns
    -------
    float or None
        1 if all are equal everywhere. None of fewer than two problems or
        three methods, on which it says nothing.
    """
    if ranks.shape[0] < 2 or ranks.shape[1] < 3:
        return None
    if np.all(ranks == ranks[:, :1]):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That there are few problems.
        return float(friedmanchisquare(*ranks.T).pvalue)


def critical_difference(n_methods, n_problems):
    """Nemenyi's: mean ranks that are nearer are not separated.

    Returns
    -------
    float
        q sqrt(k (k + 1) / (6 n)), with q from the studentised range.
    """
    q = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_problems)))


class Separation:
    """What the ranks of methods on problems say at 5 %.

    Parameters
    ----------
    methods : list of str
    ranks : array of float64, shape (n_problems, n_methods)

    Attributes
    ----------
    mean : dict of {str: float}
        Mean ranks, the lowest first.
    p : float or None
        Of Friedman's test.
    p_top : float or None
        Of the test among the first eight alone; None if there are no more.
    difference : float or None
        The critical difference. None where there is no test.
    """

    def __init__(self, methods, ranks):
        ranks = np.asarray(ranks, dtype=float)
        self.n_problems = len(ranks)
        means = ranks.mean(axis=0) if len(ranks) else np.zeros(len(methods))
        places = sorted(range(len(methods)),
                        key=lambda k: (means[k], styles.order(methods[k])))
        self.mean = {methods[k]: float(means[k]) for k in places}
        self.p = friedman(ranks)
        self.p_top = (friedman(ranks[:, places[:N_TOP]])
                      if len(methods) > N_TOP else None)
        self.difference = None if self.p is None else critical_difference(
            len(methods), self.n_problems)

    @property
    def _reach(self):
        """How far apart methods are that nothing separates."""
        return self.difference if (
            self.p is not None and self.p < LEVEL) else np.inf

    @property
    def top(self):
        """Methods that are not separated from the first, and it."""
        least = next(iter(self.mean.values()), 0.0)
        return [method for method, mean in self.mean.items()
                if mean - least < self._reach]

    @property
    def groups(self):
        """Methods none of which is separated from another, as bars show it.

        Returns
        -------
        list of (int, int)
            First and last place, of more than one method each, and none
            within another.
        """
        means, found = np.array(list(self.mean.values())), []
        for k, mean in enumerate(means):
            last = int(np.flatnonzero(means - mean < self._reach)[-1])
            if last > max(k, found[-1][1] if found else 0):
                found.append((k, last))
        return found

    def claims(self):
        """What can be said, and first whether the top is separated.

        Returns
        -------
        list of str
        """
        if not self.mean:
            return ["No method is ranked."]
        first, n = next(iter(self.mean)), len(self.mean)
        if self.p is None:
            return [
                f"Nothing is separated: {_count(n, 'method')} on "
                f"{_count(self.n_problems, 'problem')}, and Friedman's test "
                "needs three methods and two problems."]
        text = (f"Friedman's test over {n} methods on {self.n_problems} "
                f"problems: p = {self.p:.2g}")
        if not self.p < LEVEL:
            return [f"No method is separated from another. {text}."]
        n_top = len(self.top)
        near = (f"{n_top} of {n} methods, with the first, are less than the "
                f"critical difference of {self.difference:.3g} mean ranks "
                f"behind {first} (Nemenyi, {LEVEL:.0%})")
        claims = [
            f"The top is not separated: {near}." if n_top > 1 else
            f"{first} is separated from all others by more than the critical "
            f"difference of {self.difference:.3g} mean ranks (Nemenyi, "
            f"{LEVEL:.0%})."]
        claims.append(f"{text}" + (
            "" if self.p_top is None else
            f"; among the first {N_TOP} alone: p = {self.p_top:.2g}") + ".")
        return claims

    def text(self):
        """The critical-difference diagram in characters.

        Returns
        -------
        str
            A line a method, by mean rank, with a column of bars for each
            group that is not separated.
        """
        width = max(map(len, self.mean), default=0)
        lines = []
        for k, (method, mean) in enumerate(self.mean.items()):
            bars = "".join("|" if low <= k <= high else " "
                           for low, high in self.groups)
            lines.append(f"{mean:6.2f}  {method:{width}}  {bars}".rstrip())
        return "\n".join(lines)

    def draw(self, width=WIDTHS[""]):
        """The critical-difference diagram.

        Parameters
        ----------
        width : float
            In inches.

        Returns
        -------
        matplotlib.figure.Figure
        """
        plt = pyplot()
        n, bars = len(self.mean), self.groups
        line = 1.25 * SIZE / 72  # Height of a name, in inches.
        n_left = (n + 1) // 2
        top, gap = 0.62, 0.07  # Of the axis, and between two bars.
        under = gap * (len(bars) + 1.5)
        height = top + under + line * (n_left + 0.6)
        figure = plt.figure(figsize=(width, height))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, width), ylim=(height, 0))
        ax.set_axis_off()
        margin = 0.15 + LETTER * max(map(len, self.mean), default=0)
        low, high = 1, max(2, n)

        def at(rank):
            return margin + (width - 2 * margin) * (rank - low) / (high - low)

        ax.plot([at(low), at(high)], [top, top], color="black", linewidth=0.8)
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**9)
                    if (high - low) / s <= (width - 2 * margin) / 0.3)
        for tick in [low, *(tick for tick in range(step, high + 1, step)
                            if tick - low >= 0.7 * step)]:
            ax.plot([at(tick)] * 2, [top, top - 0.05], color="black",
                    linewidth=0.8)
            ax.text(at(tick), top - 0.07, str(tick), ha="center",
                    va="bottom", fontsize=SIZE)
        said = "no test" if self.difference is None else (
            f"CD = {self.difference:.3g}" if self._reach < np.inf else
            f"not separated, p = {self.p:.2g}")
        if self._reach < high - low:
            ax.plot([at(low), at(low + self.difference)], [0.32, 0.32],
                    color="black", linewidth=1.2, marker="|", markersize=5)
        ax.text(at(low), 0.25, said, va="bottom", fontsize=SIZE)
        for k, (first, last) in enumerate(bars):
            means = list(self.mean.values())
            y = top + gap * (k + 1)
            ax.plot([at(means[first]), at(means[last])], [y, y],
                    color="black", linewidth=1.8, solid_capstyle="round")
        for k, (method, mean) in enumerate(self.mean.items()):
            left = k < n_left
            row = k if left else n - 1 - k
            y = top + under + line * (row + 0.5)
            end = margin - 0.06 if left else width - margin + 0.06
            color = styles.color(method)
            ax.plot([at(mean), at(mean), end], [top, y, y], color=color,
                    linewidth=0.6)
            ax.text(end + (-0.03 if left else 0.03), y,
                    markup.figure(method), ha="right" if left else "left",
                    va="center", fontsize=SIZE, color=color)
        return figure


def _count(n, what):
    return f"{n} {what}" + ("" if n == 1 else "s")
