import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.penalty import penalty_direction
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Moreau Envelope based Hessian-free Algorithm (MEHA).

    R. Liu, Z. Liu, W. Yao, S. Zeng, J. Zhang, "Moreau envelope for nonconvex
    bi-level optimization: a single-loop and Hessian-free solution strategy",
    ICML 2024.

    Descends F / lambda + G(z, x) - min_w (G(w, x) + |w - z|^2 / (2 tau)): one
    step on w, one on x at the new w, one on z at the new w and x. The
    subtracted envelope is 0 only where z minimises G, as with the minimum of
    G itself, but w stays near z, which is meant for a G without convexity.
    lambda (c in the paper) grows, and F is divided by it; in one of the
    authors' examples it multiplies F, which then never gives way to G.

    The order of the steps is that of the authors' package in R; some of
    their other codes move z before x. All samples are used there:
    mini-batches are an addition, one pair for all of an iteration. Not
    verified: the paper's text, and its constants.

    Parameters
    ----------
    step_size : float
        Of w and z.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    lmbda0 : float
        Multiplier lambda at the first iteration. A search stops at 0.1.
    lmbda_exponent : float in [0, 1/2)
        At iteration t, lambda is lmbda0 (t + 1)^lmbda_exponent.
    tau : float
        The weight of the proximal term is 1 / tau.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "MEHA"

    parameters = {
        "step_size": [0.1],
        "outer_ratio": [0.2],
        "batch_size": [64],
        "lmbda0": [3.0],
        "lmbda_exponent": [0.25],
        "tau": [2.0],
        "eval_freq": [128],
    }
    search_space = {"lmbda0": (1.0, 10.0), "lmbda_exponent": [0.1, 0.25],
                    "tau": (0.5, 10.0)}
    least = {"lmbda0": 0.1}

    constraints = {
        **BilevelSolver.constraints,
        "lmbda0": checks.positive,
        "lmbda_exponent": checks.half_open(0, 0.5),
        "tau": checks.positive,
    }
    state_names = ("z", "w", "x")

    def start(self):
        self.w = self.z.copy()

    def advance(self, n_iterations):
        meha(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.w, self.x, self.step_size, self.outer_ratio,
             self.lmbda0, self.lmbda_exponent, self.tau, self.t,
             n_iterations)


@jit
def meha(G, F, inner_batches, outer_batches, z, w, x, step_size, outer_ratio,
         lmbda0, lmbda_exponent, tau, t_start, n_iterations):
    g, f1 = np.empty_like(z), np.empty_like(z)
    D_x, scratch = np.empty_like(x), (np.empty_like(x), np.empty_like(x))
    rho, gamma = step_size, step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        lmbda = decay(lmbda0, t, -lmbda_exponent)

        grad_z(G, i, w, x, g)
        for c in range(w.size):
            w[c] -= rho * (g[c] + (w[c] - z[c]) / tau)

        # D_x = f2(z) / lambda + g2(z) - g2(w)
        penalty_direction(
            G, F, i, i, j, z, w, x, 1.0 / lmbda, 1.0, D_x, scratch)
        descend(x, gamma, D_x)
        project(G, x)

        grad_z(G, i, z, x, g)
        grad_z(F, j, z, x, f1)
        for c in range(z.size):
            z[c] -= rho * (f1[c] / lmbda + g[c] - (z[c] - w[c]) / tau)
