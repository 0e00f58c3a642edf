"""When a run is evaluated, and when it ends."""
import math

from benchopt.stopping_criterion import StoppingCriterion

#: Evaluations a decade of time of comparisons.
PER_DECADE = 10
#: Share of the time from which on an evaluation is the last.
CLOSE = 0.97
#: Share of the time up to which an evaluation that comes late does no harm.
_FAR = 0.1


class BudgetCriterion(StoppingCriterion):
    """Stop after the solver's own time is spent, or at a stationary point.

    The time counts what the solver did, not the evaluations. The limit T is
    the objective's parameter ``max_seconds``, and there are n evaluations a
    decade, its parameter ``evaluations``; benchopt stores both with every
    point of the curve. benchopt's own limits (``--timeout``, ``--max-runs``)
    hold as well.

    Evaluations are at the same times for all methods, as near as whole calls
    of the callback come: T times 10^(-k / n), whatever h does. How many calls
    that is follows from the speed so far. The end is approached in shorter
    and shorter steps, so that the last evaluation is within 3 % of the time
    and not beyond it, where a call is shorter than that.

    Parameters
    ----------
    tolerance : float
        Stop where ``grad_norm`` is below ``tolerance`` times what it is at
        the start: the norm of the gradient of h, under constraints of its
        gradient mapping, which is 0 at a stationary point on a bound too.
        And where h is the lowest of the run, up to ``tolerance`` (relative
        to it, if it is above 1): where h saturates far from any minimum, its
        gradient vanishes too.
    strategy, key_to_monitor, minimize
        As in benchopt.
    """

    def __init__(self, tolerance=1e-12, strategy=None,
                 key_to_monitor="value", minimize=True):
        super().__init__(
            strategy=strategy, key_to_monitor=key_to_monitor,
            minimize=minimize, tolerance=tolerance)
        self.tolerance = tolerance

    def check_convergence(self, objective_list):
        """Whether to stop, and how far the run has come, from 0 to 1."""
        self._curve = objective_list
        first, last = objective_list[0], objective_list[-1]
        progress = last["time"] / last["p_obj_max_seconds"]
        stop = progress >= CLOSE or self._is_stationary(
            objective_list, self.tolerance * first["objective_grad_norm"])
        return stop, min(progress, 1.0)

    def _is_stationary(self, curve, limit):
        # The norm at the start is infinite where h jumps.
        if not curve[-1]["objective_grad_norm"] <= limit < math.inf:
            return False
        lowest = min(point["objective_value"] for point in curve)
        return curve[-1]["objective_value"] <= (
            lowest + self.tolerance * max(1.0, abs(lowest)))

    def get_next_stop_val(self, stop_val):
        """Number of calls of the callback at the next evaluation.

        Parameters
        ----------
        stop_val : int
            That of the evaluation that was just made.

        Returns
        -------
        int
            At most twice as many, plus one, as the first calls say little
            about the speed. Far from the end, where one that comes late does
            no harm, as many as lead to the next evaluation, if that is more.
        """
        *_, before, last = [self._curve[0], *self._curve]
        seconds = last["time"] - before["time"]
        if seconds <= 0.0:
            return 2 * stop_val + 1
        speed = (last["stop_val"] - before["stop_val"]) / seconds
        limit = last["p_obj_max_seconds"]
        per_decade = last["p_obj_evaluations"]
        aim = _next_time(last["time"], limit, per_decade)
        n_calls = round(speed * (aim - last["time"]))
        most = stop_val + 1
        if aim <= _FAR * limit:
            most = max(most, round(stop_val * (10 ** (1 / per_decade) - 1)))
        return stop_val + min(max(1, n_calls), most)


def _next_time(time, limit, per_decade):
    """The time of the next evaluation, after one at ``time``."""
    # One that came a little early is not repeated at its own time.
    decades = math.log10(limit / time)
    k = math.ceil(per_decade * decades - 0.5) - 1
    if k > 0:
        return limit * 10 ** (-k / per_decade)
    nearer = time + 0.6 * (limit - time)
    return nearer if nearer < CLOSE * limit else 0.5 * (1.0 + CLOSE) * limit
