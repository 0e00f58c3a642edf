import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import grad_x, gradients, project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.penalty import penalised_sgd
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Value-function Penalty-Based Gradient Descent (V-PBGD), and F2BA.

    H. Shen, T. Chen, "On penalty-based bilevel gradient descent method", ICML
    2023.

    Gradient descent on F(z, x) + lambda (G(z, x) - G(w, x)), divided by
    lambda if that is above 1: z and x move at once, after steps on G alone
    have brought w near the minimiser of G. The result is the pair (z, x). It
    is at a distance of order 1 / lambda of a stationary point of h, so that
    lambda sets the accuracy; a constant one is the paper's theory, a linear
    increase its experiments.

    ``variant="F2BA"`` is the fully first-order bilevel approximation of L.
    Chen, Y. Ma, J. Zhang, "Near-optimal nonconvex-strongly-convex bilevel
    optimization with fully first-order oracles", JMLR 2025, with a constant
    lambda: as many steps on z as on w, and then x moves at the new z and w.
    Its authors' code sets w to z before the steps on w, which makes D_x that
    of a Neumann series of n_inner_steps terms; here w goes on from where it
    was.

    V-PBGD is as in its authors' code. Both use all samples: mini-batches are
    an addition. Not verified: the text of both papers.

    Parameters
    ----------
    step_size : float
        Of z.
    outer_ratio : float
        Step size of z divided by that of x.
    inner_step_size : float or None
        Of w. None: ``step_size``, as the authors of F2BA have one step size
        for w and z.
    batch_size : int or "full"
    lmbda : float
        Multiplier lambda, once it is constant. A search stops at 0.1.
    n_penalty_steps : int
        At iteration t, lambda is lmbda min(1, (t + 1) / n_penalty_steps).
    n_inner_steps : int
        Steps on w at each iteration; of F2BA, also on z.
    variant : "V-PBGD" or "F2BA"
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "V-PBGD"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.5],
        "inner_step_size": [None],
        "batch_size": ["full"],
        "lmbda": [10.0],
        "n_penalty_steps": [1],
        "n_inner_steps": [1],
        "variant": ["V-PBGD"],
        "eval_freq": [1],
    }
    search_space = {"lmbda": (0.1, 100.0), "n_inner_steps": (1, 10),
                    "variant": ["V-PBGD", "F2BA"]}
    # Below, F outweighs G: what is descended is far from h.
    least = {"lmbda": 0.1}

    constraints = {
        **BilevelSolver.constraints,
        "lmbda": checks.positive,
        "n_penalty_steps": checks.positive_int,
        "variant": checks.one_of("V-PBGD", "F2BA"),
    }
    state_names = ("z", "w", "x")

    def start(self):
        self.w = self.z.copy()

    def advance(self, n_iterations):
        v_pbgd(self.G, self.F, self.inner_batches, self.outer_batches,
               self.z, self.w, self.x, self.step_size, self.outer_ratio,
               self.inner_loop_step_size, self.lmbda, self.n_penalty_steps,
               self.n_inner_steps, self.variant == "V-PBGD", self.t,
               n_iterations)


@jit
def v_pbgd(G, F, inner_batches, outer_batches, z, w, x, step_size,
           outer_ratio, inner_step_size, lmbda, n_penalty_steps,
           n_inner_steps, at_once, t_start, n_iterations):
    f1, g = np.empty_like(z), np.empty_like(z)
    f2, g2, g2_w = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    for t in range(t_start, t_start + n_iterations):
        penalty = lmbda * min(1.0, (t + 1.0) / n_penalty_steps)
        rho = step_size * min(1.0, 1.0 / penalty)

        inner_sgd(G, inner_batches, w, x, inner_step_size, n_inner_steps, g)
        i, j = draw(inner_batches), draw(outer_batches)
        if at_once:
            # z <- z - rho (f1 + lambda g)
            gradients(G, i, z, x, g, g2)
            gradients(F, j, z, x, f1, f2)
            descend(z, rho, f1)
            descend(z, rho * penalty, g)
        else:
            penalised_sgd(G, F, inner_batches, outer_batches, z, x, rho,
                          rho * penalty, n_inner_steps, (f1, g))
            grad_x(G, i, z, x, g2)
            grad_x(F, j, z, x, f2)

        grad_x(G, i, w, x, g2_w)
        gamma = rho / outer_ratio
        for c in range(x.size):
            x[c] -= gamma * (f2[c] + penalty * (g2[c] - g2_w[c]))
        project(G, x)
