import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from benchopt import BaseObjective

from benchmark_utils import SOURCE_HASH, checks
from benchmark_utils.parameters import NamesFiles, namesake
from benchmark_utils.reference import metrics
from benchmark_utils.sources import imported_by
from benchmark_utils.stopping import PER_DECADE, BudgetCriterion

if "benchopt.tests.fixtures" in sys.modules:  # In `benchopt test`.
    _SPEC = spec_from_file_location(
        "test_config", Path(__file__).with_name("test_config.py"))
    sys.modules["test_config"] = module_from_spec(_SPEC)
    _SPEC.loader.exec_module(sys.modules["test_config"])
    sys.modules["test_config"].take_part()


class Objective(NamesFiles, BaseObjective):
    """min_x h(x) = F(z*(x), x) subject to z*(x) = argmin_z G(z, x).

    F and G are averages over samples. A pair (z, x) is judged by h(x) and by
    the norm of the gradient of h at x, both computed from the exact solution
    z*(x) of the inner problem, whatever z is. Where x is constrained, to x >=
    0 or to any closed convex set with the projection P, the norm is that of
    x - P(x - grad h(x)): the gradient mapping for a step of 1 (Yu. Nesterov,
    "Introductory lectures on convex optimization", 2004, section 2.2.3; A.
    Beck, "First-order methods in optimization", 2017, section 10.3). It is
    the gradient where no constraint is met, and 0 if and only if x is
    stationary.

    Parameters
    ----------
    max_seconds : float
        Time that a solver may spend before its run ends, in seconds, without
        the time of the evaluations.
    evaluations : int
        How many evaluations a decade of that time has, whatever their cost.
    """

    name = "Bilevel optimization"
    url = "https://github.com/benchopt/benchmark_bilevel"
    min_benchopt_version = "1.10"
    requirements = [
        "numpy", "scipy", "numba", "threadpoolctl",
    ]

    parameters = {"max_seconds": [0.2], "evaluations": [PER_DECADE]}

    sampling_strategy = "callback"
    stopping_criterion = BudgetCriterion()

    test_dataset_name = "quadratic"
    test_config = {"max_seconds": 0.1}

    def skip(self, problem=None, reason=None, **other):
        """Why there is nothing to run: no data, or a bad parameter."""
        try:
            checks.positive("max_seconds", self.max_seconds)
            checks.positive_int("evaluations", self.evaluations)
        except ValueError as error:
            return True, str(error)
        reason = reason or namesake(self)
        if reason:
            return True, reason
        if problem is None and reason is None:
            reason = (f"get_data has {', '.join(other) or 'nothing'}, and no "
                      "problem: datasets inherit from BilevelDataset")
        return problem is None, reason

    @property
    def parameter_template(self):
        """benchopt's hook: the parameters in the name.

        Those that all comparisons have in common are not in it, so that
        tables from before they were parameters have the same.
        """
        text = super().parameter_template
        return text.removeprefix(f"evaluations={PER_DECADE},")

    def set_data(self, problem, reason=None):
        self.problem = problem

    def get_objective(self):
        return dict(problem=self.problem)

    def evaluate_result(self, inner_var, outer_var, oracle_calls):
        """Metrics of a pair (z, x).

        Parameters
        ----------
        inner_var : array of float64, shape (p,)
        outer_var : array of float64, shape (d,)
        oracle_calls : int
            Derivatives of single samples that the solver has computed.

        Returns
        -------
        dict
            ``value`` = h(x), ``grad_norm`` = the norm of grad h(x), under
            constraints of x - P(x - grad h(x)), ``inner_distance`` = the
            norm of z - z*(x), ``value_gap`` = h(x) - min h where min h is
            known, ``oracle_calls``, and what the problem adds, such as
            ``test_error`` = share of errors on the test set at z*(x).
        """
        return dict(
            **metrics(self.problem, inner_var, outer_var),
            oracle_calls=oracle_calls,
        )

    def get_one_result(self):
        return dict(
            inner_var=np.zeros(self.problem.inner_dim),
            outer_var=self.problem.outer_start,
            oracle_calls=0,
        )

    # benchopt caches finished runs by the files of solver, dataset and
    # objective. The state below adds the shared code, so that no result of
    # an older version of it is taken for a new one, and what this file
    # imports beside it; that of the dataset adds what was read.
    def _get_state(self):
        return {"source_hash": SOURCE_HASH, "imports": imported_by(__file__)}

    def __setstate__(self, state):
        pass
