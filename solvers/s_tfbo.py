import numpy as np

from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import project
from benchmark_utils.methods.adaptive import cumulative_norm, first_squares
from benchmark_utils.methods.estimators import bilevel_directions, like_point
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Single-loop Tuning-Free Bilevel Optimizer (S-TFBO).

    Y. Yang, H. Ban, M. Huang, S. Ma, K. Ji, "Tuning-free bilevel
    optimization: new algorithms and convergence analysis", ICLR 2025,
    algorithm 2.

    The directions of SOBA, with steps from the norms of all directions so
    far. With beta, c and alpha the roots of the sums of the squared norms of
    D_z, D_v and D_x, and phi the larger of beta and c, the step sizes of z, v
    and x are 1 / beta, 1 / phi and 1 / (alpha phi): none is to be tuned.

    The proof, and the rate, are for directions on all samples, that is for
    ``batch_size="full"``. On mini-batches, as in the authors' experiments,
    the sums of squares grow without end and the step size of x falls like
    1 / t: faster at the beginning, but not to the end (docs/tuning_free.md).

    The updates are those of the authors' code, which adds 1e-8 to each
    divisor. Not verified: where the sums start, which the code does not tell,
    and the paper's text, known from reviews.

    Parameters
    ----------
    step_size : float
        Of z and v before the first iteration: their sums start from
        1 / step_size^2.
    outer_ratio : float
        That step size divided by that of x: the sum of x starts from
        outer_ratio^2.
    batch_size : int or "full"
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "S-TFBO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [0.1],
        "batch_size": [64],
        "eval_freq": [128],
    }
    search_space = {"batch_size": [64, "full"], "step_size": (0.1, 10.0),
                    "outer_ratio": (0.001, 1.0)}

    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        beta = 1 / self.step_size
        # beta^2 of z, c^2 of v, alpha^2 of x.
        self.squares = first_squares(beta, beta, self.outer_ratio)

    def advance(self, n_iterations):
        s_tfbo(self.G, self.F, self.inner_batches, self.outer_batches,
               self.z, self.v, self.x, self.squares, n_iterations)


@jit
def s_tfbo(G, F, inner_batches, outer_batches, z, v, x, squares,
           n_iterations):
    point, D, scratch = (z, v, x), like_point(z, x), like_point(z, x)
    D_z, D_v, D_x = D
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        # D_z = g_i,  D_v = H_i v + f1_j,  D_x = C_i v + f2_j
        bilevel_directions(G, F, i, j, point, D, scratch)

        beta = cumulative_norm(squares, 0, D_z)
        phi = max(beta, cumulative_norm(squares, 1, D_v))
        alpha = cumulative_norm(squares, 2, D_x)

        descend(z, 1.0 / beta, D_z)
        descend(v, 1.0 / phi, D_v)
        descend(x, 1.0 / (alpha * phi), D_x)
        project(G, x)
