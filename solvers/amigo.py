import numpy as np

from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import cross, gradients, hvp, project
from benchmark_utils.methods.estimators import inner_sgd
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """AMortized Implicit Gradient Optimization (AmIGO).

    M. Arbel, J. Mairal, "Amortized implicit differentiation for stochastic
    bilevel optimization", ICLR 2022.

    At each iteration, stochastic gradient steps on z, as many on the adjoint
    variable v, that is on the quadratic function 1/2 v'H v + f1'v, both from
    their last values, then one step on x. The gradients of F are taken once
    an iteration. Step sizes are constant.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    n_inner_steps : int
        Stochastic gradient steps on z, and on v, at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "AmIGO"

    parameters = {
        "step_size": [0.3],
        "outer_ratio": [2.0],
        "batch_size": [64],
        "n_inner_steps": [10],
        "eval_freq": [64],
    }
    search_space = {"n_inner_steps": (1, 10)}

    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)

    def advance(self, n_iterations):
        amigo(self.G, self.F, self.inner_batches, self.outer_batches,
              self.z, self.v, self.x, self.step_size, self.outer_ratio,
              self.n_inner_steps, n_iterations)


@jit
def amigo(G, F, inner_batches, outer_batches, z, v, x, step_size,
          outer_ratio, n_inner_steps, n_iterations):
    g, f1, Hv = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    f2, Cv = np.empty_like(x), np.empty_like(x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        inner_sgd(G, inner_batches, z, x, rho, n_inner_steps, g)

        gradients(F, draw(outer_batches), z, x, f1, f2)
        for _ in range(n_inner_steps):
            hvp(G, draw(inner_batches), z, x, v, Hv)
            descend(v, rho, Hv)
            descend(v, rho, f1)

        cross(G, draw(inner_batches), z, x, v, Cv)
        descend(x, gamma, Cv)
        descend(x, gamma, f2)
        project(G, x)
