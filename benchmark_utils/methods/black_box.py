"""What the solvers share that know nothing of h but its values."""
from abc import abstractmethod

import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.boxes import is_box
from benchmark_utils.methods.exact_oracles import ExactOracles
from benchmark_utils.methods.solver import BilevelSolver

# Most entries of x: with more, the trials that there is time for tell nothing.
MAX_OUTER_DIM = 1000


def check_box(name, value):
    """Check that a parameter is a pair of numbers, lower < upper.

    Both, and their difference, must be finite.

    Raises
    ------
    ValueError
        Naming the parameter, its value and what is allowed.
    """
    try:
        lower, upper = value
        checks.at_least(-np.inf)(name, lower)
        checks.at_least(-np.inf)(name, upper)
        valid = lower < upper and np.isfinite(float(upper) - float(lower))
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"{name}={value!r} is not valid: two finite numbers "
            "(lower, upper) with lower < upper, a finite width apart, are "
            "needed")


class BlackBoxSolver(BilevelSolver):
    """A solver that evaluates h at one trial point after another.

    The result is the best trial so far, with its z*. A subclass has
    ``suggest``, and ``observe`` if it learns from the values. The first trial
    must be the start of the problem. An iteration is a trial.

    Attributes
    ----------
    low, high : array of float64, shape (d,)
        The feasible part of ``box``, widened where the start is outside. Of
        a feasible set that is no box, all of it: trials are projected.
    """

    parameters = {"box": [(-10.0, 10.0)], "tolerance": [1e-6]}

    constraints = {
        **BilevelSolver.constraints,
        "box": check_box,
        "tolerance": checks.positive,
    }
    eval_freq = 1

    def skip(self, problem):
        """Why there is nothing to be found by values of h alone."""
        if problem.outer_dim > MAX_OUTER_DIM:
            return True, (
                f"{self.name} knows h by its values alone: at most "
                f"{MAX_OUTER_DIM} outer variables are allowed, the problem "
                f"has {problem.outer_dim}")
        return False, None

    def start(self):
        self.exact = ExactOracles(self.G, self.F, self.z)
        self.best = np.inf
        low, high = (np.full_like(self.x, bound) for bound in self.box)
        if is_box(self.problem.inner.project, self.x):
            # Of a box of feasible points, the projections of the two corners
            # span the part that lies in the given box.
            project(self.G, low)
            project(self.G, high)
        self.low = np.minimum(low, self.x)
        self.high = np.maximum(high, self.x)

    def advance(self, n_iterations):
        for t in range(self.t, self.t + n_iterations):
            trial = self.suggest(t)
            project(self.G, trial)
            h = self.exact.value(trial, self.tolerance)
            self.observe(h)
            if h < self.best:
                self.best, self.x, self.z = h, trial, self.exact.z

    @abstractmethod
    def suggest(self, t):
        """Trial point number t: an array of its own, shape (d,)."""

    def observe(self, h):
        """Learn the value of h at the point suggested last."""
