"""The table of a comparison: Markdown, LaTeX with booktabs, CSV.

Medians over repetitions with 95 % intervals, each by itself; a repetition that
diverged, or never came to a gap, is infinite. A star marks the best, and those
that no test tells apart from it: the best is compared with each other method,
with Holm's correction for that many tests at 5 %.
"""
import csv
import io

import numpy as np

from benchmark_utils.reporting import markup, runs
from benchmark_utils.reporting.intervals import LEVEL, Comparison

HIDDEN = ("batch_size", "eval_freq")
#: Names that a sentence can have.
_NAMED = 10


class Report:
    """What is said of all methods on a problem.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    best : dict of {str: Configuration}
        From each method to its best configuration.
    gaps : list of float
        Those of ``runs.GAPS`` that some method has come to.
    costs : dict of {(str, float): Comparison}
        By cost and gap.
    end : Comparison
        Of the gap h - h* at the last evaluation within the time.
    """

    def __init__(self, problem):
        self.problem, self.best = problem, problem.best()
        self.costs = {
            (cost, gap): Comparison({
                method: configuration.reaching(column, gap)
                for method, configuration in self.best.items()})
            for cost, column in runs.COSTS.items() for gap in runs.GAPS}
        self.gaps = [gap for gap in runs.GAPS
                     if self.costs["time", gap].best is not None]
        self.end = Comparison({
            method: configuration.values("gap")
            for method, configuration in self.best.items()})

    def parameters(self, method):
        """Those that were chosen, as text."""
        return ", ".join(
            f"{name}={value}"
            for name, value in self.best[method].parameters.items()
            if name not in HIDDEN)

    def claims(self):
        """Which methods are faster than others, where a test says so.

        Returns
        -------
        list of str
            A sentence on the gap at the end, one for each cost and gap that
            some method came to, and one on what few starts cannot say.
        """
        compared = {"At the end": (self.end, "lower"), **{
            f"To a gap of {gap:.0e}, by {cost}": (found, "faster")
            for (cost, gap), found in self.costs.items()}}
        claims = [f"{when}: {_claim(found, word)}"
                  for when, (found, word) in compared.items()
                  if found.best is not None]
        if not claims:
            return ["Nothing is compared: no method ended, or all diverged."]
        n_starts = max(len(c.starts) for c in self.best.values())
        return [*claims, *_of_starts(n_starts)]

    def rows(self):
        """Cells for Markdown: the start, then a row a method.

        Returns
        -------
        list of list of str
            The header first.
        """
        scores = self.problem.scores()
        table = [["solver", "parameters", "h", "h - h*",
                  *(f"{gap:.0e}" for gap in runs.GAPS), *scores.values()]]
        start = self.problem.start
        if start is None:
            return table
        table.append([
            "start", "", f"{start['objective_value']:.7f}",
            f"{start['gap']:.1e}", *["-"] * len(runs.GAPS),
            *(f"{start[column]:.4f}" for column in scores)])
        for method, configuration in self.best.items():
            h = runs.median_with_missing(
                configuration.at_end("objective_value"),
                configuration.n_asked)
            cells = [markup.markdown(configuration.label()),
                     markup.markdown(self.parameters(method)), f"{h:.7f}",
                     f"{self.end.median[method]:.1e}"
                     + self._star(self.end, method)]
            for gap in runs.GAPS:
                time, calls = (self.costs[cost, gap] for cost in runs.COSTS)
                if not np.isfinite(time.median[method]):
                    cells.append("-")
                    continue
                cells.append(
                    f"{time.median[method]:.2g} s"
                    + _between(time.interval(method), ".2g")
                    + self._star(time, method)
                    + f" / {calls.median[method]:.1e}"
                    + _between(calls.interval(method), ".1e")
                    + self._star(calls, method))
            cells += [
                f"{np.median(configuration.at_end(column)):.4f}"
                for column in scores]
            table.append(cells)
        return table

    @staticmethod
    def _star(compared, method):
        return " *" if method in compared.not_told_apart() else ""

    def markdown(self):
        """The table, and how to read it."""
        return markup.table(self.rows()) + (
            "\n\nMedians: h at the last evaluation within the time of a run, "
            "and seconds / oracle calls to a gap, over "
            f"{self.problem.n_asked} repetitions, with 95 % intervals; "
            f"{markup.markdown(self.problem.reference_text)}. \\*: the best, "
            "and those that no test at 5 % tells apart from it, with Holm's "
            "correction for all methods.\n")

    def latex(self, cost="time"):
        """A table for a paper: the gap at the end, the cost to each gap.

        Returns
        -------
        str
            A ``tabular`` that needs ``\\usepackage{booktabs}``, and what to
            write in its caption as a comment.
        """
        what = "seconds" if cost == "time" else cost
        n = len(self.gaps)
        lines = [
            "% Needs \\usepackage{booktabs}.",
            markup.one_line(
                f"% {self.problem.dataset}: median over "
                f"{self.problem.n_asked} repetitions, "
                f"{self.problem.reference_text}"),
            "% and 95 % intervals; bold: the best, and those not told apart "
            "from it",
            "% (two-sided bootstrap tests at 5 %, Holm's correction).",
            "{\\footnotesize\\setlength{\\tabcolsep}{3pt}%",
            "\\begin{tabular}{@{}l" + "r" * (n + 1) + "@{}}", "\\toprule"]
        if n:
            lines += [f" & & \\multicolumn{{{n}}}{{c}}{{{what} to a gap of}} "
                      "\\\\", f"\\cmidrule(l){{3-{n + 2}}}"]
        lines += [" & ".join(["method", "$h(x) - h^*$", *(
            f"${_power(gap)}$" for gap in self.gaps)]) + " \\\\",
            "\\midrule"]
        for method, configuration in self.best.items():
            cells = [markup.latex(configuration.label().replace(" of ", "/")),
                     _tex(self.end, method, power=True)]
            cells += [_tex(self.costs[cost, gap], method,
                           power=cost != "time") for gap in self.gaps]
            lines.append(" & ".join(cells) + " \\\\")
        return "\n".join([*lines, "\\bottomrule", "\\end{tabular}}", ""])

    def csv(self):
        """All numbers, one row a method and quantity.

        Returns
        -------
        str
            With the header ``dataset,method,parameters,ended,asked,quantity,
            gap,median,low,high,best,difference_low,difference_high,p_holm,
            first``: the interval of the median, the method with the lowest
            median, the interval of the difference to it, the p-value of the
            difference by Holm's correction, and whether it is not told apart.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["dataset", "method", "parameters", "ended", "asked", "quantity",
             "gap", "median", "low", "high", "best", "difference_low",
             "difference_high", "p_holm", "first"])
        compared = {("h - h* at the end", ""): self.end, **self.costs}
        for method, configuration in self.best.items():
            for (quantity, gap), found in compared.items():
                none = (None, None)
                difference = (found.difference(method, found.best)
                              if found.best else None)
                writer.writerow([
                    self.problem.dataset, method, self.parameters(method),
                    len(configuration.curves), configuration.n_asked,
                    quantity, gap, found.median[method],
                    *(found.interval(method) or none), found.best,
                    *(difference or none), found.p_values.get(method),
                    method in found.not_told_apart()])
        return text.getvalue()


def _of_starts(n_starts):
    """What cannot be said of other starts than those that ran."""
    # Of n starts, all can point one way by chance with this probability.
    least = 2.0 ** (1 - n_starts)
    if least < 1 - LEVEL:
        return []
    if n_starts == 1:
        return ["All runs are from one start: of others nothing is said."]
    return [f"These are claims on the {n_starts} starts that ran: a test over "
            f"starts alone could not come below p = {least:.2g}."]


def _claim(compared, word):
    """What is sure of the method with the lowest median."""
    best, first = compared.best, compared.not_told_apart()
    if len(compared.median) == 1:
        return f"{best} is the only method."
    if not first:
        return (f"the lowest median is that of {best}; there are too few "
                "repetitions to say more.")
    others = [method for method, median in compared.median.items()
              if np.isfinite(median) and method not in first]
    equal = [method for method in first if method != best]
    if not others and not equal:
        return f"{best} alone gets there."
    text = f"the lowest median is that of {best}"
    if equal:
        text = (f"the top is not separated: {text}, and no test tells it "
                "apart from " + (
                    _listed(equal) if len(equal) <= _NAMED else
                    f"{len(equal)} methods, which have a star in the table"))
    if others:
        largest = np.ceil(1000 * max(
            compared.p_values[method] for method in others)) / 1000
        text += f"; {best} is {word}" if equal else f", {word}"
        text += " than " + (
            "the other one" if len(others) == 1 else
            f"the {len(others)} others") + f" (Holm's p <= {largest:g})"
    return f"{text}."


def _listed(names):
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def _between(found, form):
    return f" [{found[0]:{form}}, {found[1]:{form}}]" if found else ""


def _power(gap):
    return f"10^{{{round(np.log10(gap))}}}"


def _tex(compared, method, power):
    """A median with its interval, bold if none is better for sure.

    With ``power``, both are multiples of one power of ten.
    """
    median = compared.median[method]
    if not np.isfinite(median):
        return "--"
    power = median > 0 and (power or median < 1e-3)
    exponent = int(np.floor(np.log10(median))) if power else 0
    number, *ends = (
        _digits(value / 10.0**exponent) if np.isfinite(value) else "\\infty"
        for value in (median, *(compared.interval(method) or ())))
    if method in compared.not_told_apart():
        number = f"\\mathbf{{{number}}}"
    return "$" + number + (
        f"\\,[{ends[0]}, {ends[1]}]" if ends else "") + (
        f"\\cdot 10^{{{exponent}}}" if exponent else "") + "$"


def _digits(value):
    """Two digits, without a power of ten for large numbers."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"
