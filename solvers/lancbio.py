import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import cross, gradients, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.solver import BilevelSolver
from benchmark_utils.methods.subspaces import (
    grow,
    krylov_space,
    krylov_step,
    planar_step,
)

GROWTH, PERIOD = 1.3, 50


class Solver(BilevelSolver):
    """Lanczos-aided Bilevel Optimization (LancBiO), and SubBiO.

    Y. Yang, B. Gao, Y. Yuan, "LancBiO: dynamic Lanczos-aided bilevel
    optimization via Krylov subspace", ICLR 2025.

    On all samples, at each iteration: gradient steps on the inner variable,
    the adjoint variable, a gradient step on the outer variable.

    LancBiO solves the adjoint system for the correction of v_bar, the v of
    the last restart, in a Krylov space that grows by one vector an iteration,
    each made with the Hessian of that iteration. SubBiO solves it in the span
    of f1 and a gradient step v - step_size H v.

    As in the authors' code, the space has ``first_memory`` vectors to begin
    with and 30 % more every 50 iterations: while H changes fast, a matrix
    made of many Hessians is none. Unlike there, v starts at 0, and SubBiO has
    no step of its own; that LancBiO restarts early where the matrix is not
    positive definite is ours. Not verified: the constants of the theorem.

    Parameters
    ----------
    step_size : float
        Of the inner gradient descent.
    outer_ratio : float
        ``step_size`` divided by the step size of x.
    n_inner_steps : int
        Gradient steps on z at each iteration.
    subspace : {"LancBiO", "SubBiO"}
    first_memory, memory : int
        Vectors of the Krylov space after which LancBiO restarts, at first and
        at most; never more than p. SubBiO has none.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "LancBiO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "n_inner_steps": [5],
        "subspace": ["LancBiO"],
        "first_memory": [1],
        "memory": [10],
        "eval_freq": [1],
    }

    constraints = {
        **BilevelSolver.constraints,
        "subspace": checks.one_of("LancBiO", "SubBiO"),
        "first_memory": checks.n_steps,
        "memory": checks.n_steps,
    }
    search_space = {
        "subspace": ["LancBiO", "SubBiO"],
        "memory": (1, 10),
        "n_inner_steps": (1, 10),
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.space = krylov_space(
            self.z.size, self.memory, self.first_memory)

    def advance(self, n_iterations):
        lancbio(self.G, self.F, self.z, self.v, self.x, self.space,
                self.step_size, self.outer_ratio, self.n_inner_steps,
                self.subspace == "LancBiO", self.t, n_iterations)


@jit
def lancbio(G, F, z, v, x, space, step_size, outer_ratio, n_inner_steps,
            is_krylov, t_start, n_iterations):
    f1, f2, Cv = np.empty_like(z), np.empty_like(x), np.empty_like(x)
    u, w, Hw = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    s, pivots = np.empty_like(space[3]), np.empty_like(space[3])
    gamma = step_size / outer_ratio
    for t in range(t_start, t_start + n_iterations):
        inner_gradient_descent(G, z, x, step_size, n_inner_steps)

        gradients(F, FULL, z, x, f1, f2)
        if is_krylov:
            krylov_step(G, z, x, f1, v, space, u, s, pivots)
            if (t + 1) % PERIOD == 0:
                grow(space, GROWTH)
        else:
            planar_step(G, z, x, f1, v, step_size, u, w, Hw)

        cross(G, FULL, z, x, v, Cv)
        descend(x, gamma, Cv)
        descend(x, gamma, f2)
        project(G, x)
