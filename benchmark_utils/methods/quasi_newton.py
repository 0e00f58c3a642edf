"""h and its gradient, where L-BFGS solves the inner problem and more."""
from collections import deque

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize

from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_z
from benchmark_utils.methods.exact_oracles import ExactOracles, one_thread
from benchmark_utils.methods.linear_systems import conjugate_gradient

_MAX_ITERATIONS = 1000
# Cosine of the angle of a pair: far below that of any step of a strongly
# convex function that is not rounding error.
_SPOILT = 1e-8


class QuasiNewtonOracles(ExactOracles):
    """h and its gradient, with the inverse Hessian of the inner solver.

    L-BFGS minimises G(., x). Its last steps s, with the differences y of the
    gradient of G along them, make an approximation B of the inverse Hessian:
    the adjoint variable is v = -B f1, at no cost (Ramzi et al., ICLR 2022).
    B starts from the multiple of the identity that fits the last pair. Pairs
    stay from one x to the next.

    Parameters
    ----------
    G, F, z
        As for ``ExactOracles``.
    memory : int
        Pairs in B.
    n_refinements : int
        Steps of conjugate gradient that follow v = -B f1.
    opa : bool
        Outer-problem awareness: after each step s of L-BFGS, B gets the pair
        e, y = g(z + e) - g(z), with e along B f1 and as long as s, so as to
        be right for f1. L-BFGS is SciPy's, and not told of it.

    Attributes
    ----------
    pairs : deque of (s, y), arrays of float64 of shape (p,)
    """

    def __init__(self, G, F, z, memory, n_refinements, opa):
        super().__init__(G, F, z)
        self.pairs = deque(maxlen=memory)
        self.n_refinements, self.opa = n_refinements, opa

    def minimise(self, problem):
        """Lower the gradient of an ``InnerProblem``, and keep the pairs."""
        known = problem.z, *problem.function(problem.z)
        begin = known

        def function(z):
            nonlocal known
            if not np.array_equal(z, known[0]):
                known = z.copy(), *problem.function(z)
            return known[1:]

        def after_step(intermediate_result):
            nonlocal begin
            z, _, g = known  # The last point tried is the one accepted.
            s = z - begin[0]
            self.add_pair(s, g - begin[2])
            begin = known
            if self.opa:
                f1, g_e = np.empty_like(z), np.empty_like(z)
                grad_z(self.F, FULL, z, problem.x, f1)
                e = self.inverse_product(f1)
                # Where f1 is 0, so is e, and the pair is not kept.
                e *= np.linalg.norm(s) / (np.linalg.norm(e) or 1.0)
                grad_z(self.G, FULL, z + e, problem.x, g_e)
                self.add_pair(e, g_e - g)
            if problem.norm <= problem.tolerance:
                raise StopIteration

        if problem.norm > problem.tolerance:
            with one_thread():
                minimize(
                    function, problem.z, jac=True, method="L-BFGS-B",
                    callback=after_step, options={
                        "maxcor": self.pairs.maxlen, "ftol": 0.0,
                        "gtol": 0.0, "maxiter": _MAX_ITERATIONS})

    def add_pair(self, s, y):
        """Keep a pair, unless rounding errors have spoilt it."""
        if s @ y > _SPOILT * np.linalg.norm(s) * np.linalg.norm(y):
            self.pairs.append((s, y))

    def inverse_product(self, b):
        """B b, a new array of shape (p,); b without pairs."""
        if not self.pairs:
            return b.copy()
        s, y = map(np.array, zip(*self.pairs, strict=True))
        scale = s[-1] @ y[-1] / (y[-1] @ y[-1])
        # SciPy's two loops start from the identity: in units of length in
        # which ``scale`` is 1, that is right.
        unit = np.sqrt(scale)
        return scale * (LbfgsInvHessProduct(s / unit, y * unit) @ b)

    def adjoint(self, x, f1, tolerance):
        """-B f1, or better, at z; without regard to the tolerance."""
        v = -self.inverse_product(f1)
        if self.n_refinements > 0:
            conjugate_gradient(self.G, self.z, x, f1, v, self.n_refinements)
        return v
