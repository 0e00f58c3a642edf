import numpy as np

from benchmark_utils.checks import positive
from benchmark_utils.compiled import assign, decay, descend, jit
from benchmark_utils.functions.oracles import grad_z, project
from benchmark_utils.methods.estimators import (
    hypergradient_product,
    hypergradient_scratch,
    recursive_estimate,
)
from benchmark_utils.methods.sampling import draw, draw_below, draw_several
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Single-timescale double-momentum stochastic approximation (SUSTAIN).

    P. Khanduri, S. Zeng, M. Hong, H.-T. Wai, Z. Wang, Z. Yang, "A
    near-optimal algorithm for stochastic bilevel optimization via
    double-momentum", NeurIPS 2021.

    Single loop with STORM on both levels: z and x move along recursive
    estimates of the gradient of G and of the hypergradient, whose adjoint
    variable is one term, drawn at random, of a Neumann series. As in the
    paper, both estimates are taken at the same (z, x), and z and x then move
    at once.

    The two momentum constants of the paper are equal here, and the momentum
    is tied to the step of the same iteration, not of the one before.

    Parameters
    ----------
    step_size : float
        Of z at the first iteration, decreasing as (t + 1)^(-1/3), and,
        constant, of the Neumann series.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
        Of each of the q + 3 batches of an iteration. With "full" the drawn
        term is all that is random.
    eta : float
        Weight of the new mini-batch in both estimates at the first
        iteration, decreasing as (t + 1)^(-2/3). Cut to 1, where the method
        has no memory.
    n_neumann_steps : int
        Terms of the Neumann series: their number of factors q is drawn
        below this.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SUSTAIN"

    parameters = {
        "step_size": [0.5],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "eta": [0.5],
        "n_neumann_steps": [10],
        "eval_freq": [64],
    }

    constraints = {**BilevelSolver.constraints, "eta": positive}
    state_names = ("z", "x", "d_z", "d_x")

    def start(self):
        self.d_z, self.z_old = np.zeros_like(self.z), self.z.copy()
        self.d_x, self.x_old = np.zeros_like(self.x), self.x.copy()

    def advance(self, n_iterations):
        sustain(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.x, self.d_z, self.d_x, self.z_old, self.x_old,
                self.step_size, self.outer_ratio, self.eta,
                self.n_neumann_steps, self.t, n_iterations)


@jit
def sustain(G, F, inner_batches, outer_batches, z, x, d_z, d_x, z_old, x_old,
            step_size, outer_ratio, eta, n_neumann_steps, t_start,
            n_iterations):
    g, g_old = np.empty_like(z), np.empty_like(z)
    E, E_old = np.empty_like(x), np.empty_like(x)
    scratch = hypergradient_scratch(z, x)
    terms = np.empty(n_neumann_steps, np.int64)
    for t in range(t_start, t_start + n_iterations):
        i, k = draw(inner_batches), draw(inner_batches)
        j = draw(outer_batches)
        q = draw_below(inner_batches.rng, n_neumann_steps)
        term = terms[:q]
        draw_several(inner_batches, term)

        grad_z(G, i, z, x, g)
        hypergradient_product(
            G, F, k, j, term, z, x, step_size, n_neumann_steps, E,
            scratch)
        if t == 0:
            assign(d_z, g)
            assign(d_x, E)
        else:
            grad_z(G, i, z_old, x_old, g_old)
            hypergradient_product(
                G, F, k, j, term, z_old, x_old, step_size, n_neumann_steps,
                E_old, scratch)
            eta_t = min(1.0, decay(eta, t, 2.0 / 3.0))
            recursive_estimate(d_z, g, g_old, eta_t)
            recursive_estimate(d_x, E, E_old, eta_t)

        assign(z_old, z)
        assign(x_old, x)
        rho = decay(step_size, t, 1.0 / 3.0)
        descend(z, rho, d_z)
        descend(x, rho / outer_ratio, d_x)
        project(G, x)
