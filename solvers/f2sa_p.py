import numpy as np
from scipy.linalg import LinAlgError, eigh

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import grad_x, project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.penalty import penalised_sgd
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver

# Largest size of z for which convexity is checked, by dense Hessians.
MAX_CHECKED_DIM = 2000


class Solver(BilevelSolver):
    """Fully First-order method with differences of order p (F2SA-p).

    L. Chen, J. Li, E. M. Chayti, J. Zhang, "Faster gradient methods for
    highly-smooth stochastic bilevel optimization", ICLR 2026.

    The gradient of h is the derivative, in nu at 0, of the gradient in x of
    min_y G(y, x) + nu F(y, x). F2SA takes a forward difference of length nu =
    1 / lambda; here it is one of order p, whose bias is of order lambda^-p.
    Its nodes j = +-1, ..., +-p/2, or from -(p - 1)/2 to (p + 1)/2 if p is
    odd, each have a copy y_j of z, at the minimiser of G + j nu F: those must
    be convex. Where they are not at the start, lambda is too small and the
    method is skipped; later, it may diverge. p = 1 is F2SA with constant
    steps and lambda. The result is y_0, or the mean of y_1 and y_-1.

    The steps on each copy have mini-batches of their own; the direction of x
    has one pair for all copies, as in the paper's algorithm 1, so that most
    of the noise of its differences, which lambda multiplies, cancels.

    As in the authors' code, but for a "trick" that it adds to the theory: it
    resets the y_j with j > 0 to their mean before the inner steps, and
    likewise the others.

    Parameters
    ----------
    step_size : float
        Of the copies of z.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    lmbda : float
        Multiplier lambda = 1 / nu.
    p : int
        From 1 to 10.
    n_inner_steps : int
        Steps on each copy at each iteration.
    normalize : bool
        Whether the steps of x have the length step_size / outer_ratio,
        whatever the norm of the direction, as in the paper.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "F2SA-p"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [100.0],
        "batch_size": [64],
        "lmbda": [10.0],
        "p": [2],
        "n_inner_steps": [10],
        "normalize": [True],
        "eval_freq": [16],
    }
    search_space = {"outer_ratio": (3.2, 320.0),
                    "lmbda": (3.0, 30.0), "p": [2, 3]}

    constraints = {
        **BilevelSolver.constraints,
        "lmbda": checks.positive,
        "p": checks.int_between(1, 10),
        "normalize": checks.one_of(True, False),
    }
    state_names = ("z", "y", "x")

    def skip(self, problem):
        """Why G + j F / lambda has no minimiser for some j: not convex."""
        if problem.inner_dim > MAX_CHECKED_DIM:
            return False, None
        start = problem.inner_start, problem.outer_start
        try:
            for name in ("lmbda", "p"):
                self._unify_type(name)
                self.constraints[name](name, getattr(self, name))
            curvature = eigh(problem.outer.grad_hessian(*start)[1],
                             problem.inner.grad_hessian(*start)[1],
                             eigvals_only=True)
        except (ValueError, LinAlgError):
            return False, None  # set_objective or the metrics say why.
        least = max(self.p // 2 * curvature[-1],
                    -((self.p + 1) // 2) * curvature[0])
        if self.lmbda > least:
            return False, None
        return True, (
            f"lmbda={self.lmbda} is not large enough for p={self.p}: at the "
            "start, G + j F / lmbda is convex for each j only where lmbda > "
            f"{least:.3g}")

    def start(self):
        # The nodes j and weights a_j with sum_j a_j q(j) = q'(0) for all
        # polynomials q of degree p; if p is even, the weight of 0 is 0.
        nodes = np.arange(-(self.p // 2), (self.p + 1) // 2 + 1)
        powers = np.vander(nodes, increasing=True).T
        weights = np.linalg.solve(powers, np.eye(self.p + 1)[1])
        used = (nodes != 0) | (self.p % 2 == 1)
        self.nodes, self.weights = nodes[used].astype(float), weights[used]
        self.y = np.tile(self.z, (self.nodes.size, 1))

    def advance(self, n_iterations):
        f2sa_p(self.G, self.F, self.inner_batches, self.outer_batches,
               self.z, self.y, self.x, self.nodes, self.weights,
               self.p, self.step_size, self.outer_ratio, self.lmbda,
               self.n_inner_steps, bool(self.normalize), n_iterations)


@jit
def f2sa_p(G, F, inner_batches, outer_batches, z, y, x, nodes, weights,
           p, step_size, outer_ratio, lmbda, n_inner_steps, normalize,
           n_iterations):
    scratch = np.empty_like(z), np.empty_like(z)
    Phi, g2, f2 = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for _ in range(n_iterations):
        for k in range(nodes.size):
            if nodes[k] == 0.0:
                inner_sgd(G, inner_batches, y[k], x, step_size, n_inner_steps,
                          scratch[0])
            else:
                # y_j <- y_j - rho (g + j nu f1)
                penalised_sgd(G, F, inner_batches, outer_batches, y[k], x,
                              step_size * nodes[k] / lmbda, step_size,
                              n_inner_steps, scratch)

        # Phi = sum_j a_j (j f2(y_j) + g2(y_j) / nu), on one pair of batches:
        # the noise of g2 that does not depend on y_j cancels.
        i, m = draw(inner_batches), draw(outer_batches)
        Phi[:] = 0.0
        for k in range(nodes.size):
            j, a_j = nodes[k], weights[k]
            if j != 0.0:
                grad_x(F, m, y[k], x, f2)
                descend(Phi, -a_j * j, f2)
            grad_x(G, i, y[k], x, g2)
            descend(Phi, -a_j * lmbda, g2)

        gamma, norm = step_size / outer_ratio, np.sqrt(np.sum(Phi ** 2))
        descend(x, gamma / norm if normalize and norm > 0.0 else gamma, Phi)
        project(G, x)

        for c in range(z.size):  # Two copies if p is even, else y_0 twice.
            z[c] = 0.5 * (y[(p - 1) // 2, c] + y[p // 2, c])
