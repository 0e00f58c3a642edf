"""When a run ends."""
import math

from benchopt.stopping_criterion import StoppingCriterion


class BudgetCriterion(StoppingCriterion):
    """Stop after the solver's own time is spent, or at a stationary point.

    The time counts what the solver did, not the evaluations. The limit is
    the objective's parameter ``max_seconds``, which benchopt stores with
    every point of the curve; benchopt's own limits (``--timeout``,
    ``--max-runs``) hold as well.

    Parameters
    ----------
    tolerance : float
        Stop where ``grad_norm`` is below ``tolerance`` times what it is at
        the start: the norm of the gradient of h, under constraints of its
        gradient mapping, which is 0 at a stationary point on a bound too.
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
        first, last = objective_list[0], objective_list[-1]
        limit = self.tolerance * first["objective_grad_norm"]
        progress = last["time"] / last["p_obj_max_seconds"]
        # The norm at the start is infinite where h jumps.
        stationary = last["objective_grad_norm"] <= limit < math.inf
        return progress >= 1.0 or stationary, min(progress, 1.0)
