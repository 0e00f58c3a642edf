import numpy as np

from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import (
    cross,
    grad_x,
    grad_z,
    hvp,
    project,
)
from benchmark_utils.methods.adaptive import cumulative_norm, first_squares
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Double-loop Tuning-Free Bilevel Optimizer (D-TFBO).

    Y. Yang, H. Ban, M. Huang, S. Ma, K. Ji, "Tuning-free bilevel
    optimization: new algorithms and convergence analysis", ICLR 2025,
    algorithm 1.

    Gradient steps on z, as many on the adjoint variable v, one step on x.
    The step size of each is one over the root of the sum of the squared norms
    of its directions so far.

    The loops have a fixed length and the sums of squares go on from one
    iteration to the next, as in the authors' code. The paper starts those of
    z and v afresh in each iteration, and repeats steps until the squared norm
    is below one over the number of iterations: that number is not known here,
    and with a fixed length, steps that start afresh do not converge from a
    large first step.

    One batch serves H in all steps on v, and C after them; f1 has a new one
    at each. H v is taken at the present v, as in the authors' JAX code; their
    NumPy code leaves it at the first. They add 1e-8 to each divisor. Not
    verified: where the sums start, which the code does not tell, and the
    paper's text, known from reviews. The proof is for ``batch_size="full"``;
    what mini-batches do to it is said of S-TFBO.

    Parameters
    ----------
    step_size : float
        Of z and v before the first iteration: their sums start from
        1 / step_size^2.
    outer_ratio : float
        That step size divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Gradient steps on z, and on v, at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "D-TFBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.1],
        "batch_size": [64],
        "n_inner_steps": [10],
        "eval_freq": [16],
    }
    search_space = {"batch_size": [64, "full"], "n_inner_steps": (1, 10),
                    "step_size": (0.1, 10.0), "outer_ratio": (0.001, 1.0)}
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        beta = 1 / self.step_size
        # beta^2 of z, c^2 of v, alpha^2 of x.
        self.squares = first_squares(beta, beta, self.outer_ratio * beta)

    def advance(self, n_iterations):
        d_tfbo(self.G, self.F, self.inner_batches, self.outer_batches,
               self.z, self.v, self.x, self.squares, self.n_inner_steps,
               n_iterations)


@jit
def d_tfbo(G, F, inner_batches, outer_batches, z, v, x, squares,
           n_inner_steps, n_iterations):
    D_z, D_v, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    D_x, f2 = np.empty_like(x), np.empty_like(x)
    for _ in range(n_iterations):
        for _ in range(n_inner_steps):
            grad_z(G, draw(inner_batches), z, x, D_z)
            beta = cumulative_norm(squares, 0, D_z)
            descend(z, 1.0 / beta, D_z)

        i = draw(inner_batches)
        for _ in range(n_inner_steps):
            hvp(G, i, z, x, v, D_v)
            grad_z(F, draw(outer_batches), z, x, f1)
            descend(D_v, -1.0, f1)  # D_v = H_i v + f1_j
            c = cumulative_norm(squares, 1, D_v)
            descend(v, 1.0 / c, D_v)

        cross(G, i, z, x, v, D_x)
        grad_x(F, draw(outer_batches), z, x, f2)
        descend(D_x, -1.0, f2)  # D_x = C_i v + f2_j
        alpha = cumulative_norm(squares, 2, D_x)
        descend(x, 1.0 / alpha, D_x)
        project(G, x)
