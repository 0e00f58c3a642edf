import numpy as np

from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import (
    cross,
    grad_z,
    gradients,
    hvp,
    project,
)

# Everything a solver may import from the suite: draw a batch, descend, ask
# for derivatives: benchmark_utils/functions/oracles.py has their table.
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


# benchopt ignores files whose name begins with "template_": copy this one.
class Solver(BilevelSolver):
    """Name of the method (ABBREVIATION).

    Authors, "Title of the paper", venue, 2026.

    What the method does in two sentences, and whatever deviates from the
    paper. (This one is SOBA's direction with constant steps.)

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    eval_freq : int
        Iterations between two callbacks.
    """

    # What tables and figures call the method. No parameters in it.
    name = "Template"

    # Lists of values: benchopt runs each combination. step_size,
    # outer_ratio, batch_size and eval_freq are checked for you; add a check
    # of your own parameters to `constraints`, as solvers/saba.py does.
    parameters = {
        "step_size": [0.1],
        "outer_ratio": [2.0],
        "batch_size": [64],
        "eval_freq": [256],
    }

    # What `tune` tries of your own parameters, beside steps of its own choice:
    # search_space = {"theta": (0.01, 1.0)}

    # What must stay finite: a run in which one does not has diverged.
    state_names = ("z", "v", "x")

    def start(self):
        # self.z and self.x are at the start already. Make here whatever else
        # is carried from one iteration to the next.
        self.v = np.zeros_like(self.z)

    def advance(self, n_iterations):
        # Hand everything to one compiled function that updates the arrays in
        # place. self.t is the number of iterations done so far.
        template(self.G, self.F, self.inner_batches, self.outer_batches,
                 self.z, self.v, self.x, self.step_size, self.outer_ratio,
                 n_iterations)


@jit
def template(G, F, inner_batches, outer_batches, z, v, x, step_size,
             outer_ratio, n_iterations):
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    for _ in range(n_iterations):
        # A batch is an index; FULL, from batches.py, means all samples.
        i, j = draw(inner_batches), draw(outer_batches)
        # Oracles overwrite their last argument, and count themselves.
        grad_z(G, i, z, x, g)
        hvp(G, i, z, x, v, Hv)
        cross(G, i, z, x, v, Cv)
        gradients(F, j, z, x, f1, f2)

        descend(z, step_size, g)
        descend(v, step_size, Hv)
        descend(v, step_size, f1)
        descend(x, step_size / outer_ratio, Cv)
        descend(x, step_size / outer_ratio, f2)
        project(G, x)  # Some problems have x >= 0.
