"""ZeroSARAH in plain NumPy, and a problem with a large adjoint variable."""
import numpy as np
from harness import make_problem

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.problems.problem import BilevelProblem


class ZeroSarah:
    """The estimate of one derivative, as it is written in the paper."""

    def __init__(self, n_batches, size):
        self.table, self.d = np.zeros((n_batches, size)), np.zeros(size)

    def update(self, k, new, old, eta):
        """The estimate after a step, from batch k at both points."""
        self.d = (new - old + (1 - eta) * self.d
                  + eta * (old - self.table[k] + self.table.mean(0)))
        self.table[k] = new
        return self.d


def large_adjoint():
    """A quadratic problem where all entries of v* are beyond [-1, 1]."""
    problem = make_problem(
        "quadratic", n_inner=24, n_outer=32, inner_dim=4, outer_dim=3,
        conditioning=3.0, coupling=0.5, noise=0.5)
    G, F = problem.inner, problem.outer
    # 300 F has the minimiser of F, and 300 v*.
    outer = Quadratic(*(300.0 * c for c in (F.A, F.B, F.C, F.a, F.b)))
    x = problem.minimum[0]
    z = -np.linalg.solve(G.mean_A, G.mean_C.T @ x + G.mean_a)
    v = -np.linalg.solve(G.mean_A, outer.grad_z(z, x))
    assert np.all(np.abs(v) > 2.0), v
    return BilevelProblem(
        G, outer, problem.inner_start, problem.outer_start), x, v
