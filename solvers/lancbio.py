import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiled import descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import cross, gradients, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.solver import BilevelSolver
from benchmark_utils.methods.subspaces import (
    krylov_space,
    krylov_step,
    planar_step,
)


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

    The space has a constant size. In the authors' code this starts with 1
    and grows by 30 % each 50 iterations, v starts at random, and the step in
    SubBiO is a parameter of its own. That LancBiO restarts early where the
    system in the space is not positive definite, as z and x have moved too
    fast, is ours. Not verified: the constants of the theorem.

    Parameters
    ----------
    step_size : float
        Of the inner gradient descent.
    outer_ratio : float
        ``step_size`` divided by the step size of x.
    n_inner_steps : int
        Gradient steps on z at each iteration.
    subspace : {"LancBiO", "SubBiO"}
    memory : int
        Vectors of the Krylov space, p at most, after which LancBiO restarts.
        SubBiO has none.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "LancBiO"

    parameters = {
        "step_size": [1.0],
        "outer_ratio": [1.0],
        "n_inner_steps": [5],
        "subspace": ["LancBiO"],
        "memory": [10],
        "eval_freq": [1],
    }

    constraints = {
        **BilevelSolver.constraints,
        "subspace": checks.one_of("LancBiO", "SubBiO"),
        "memory": checks.n_steps,
    }
    grid = {
        "subspace": ["LancBiO", "SubBiO"],
        "memory": [5, 10, 30],
        "n_inner_steps": [1, 5, 10],
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.space = krylov_space(self.z.size, self.memory)

    def advance(self, n_iterations):
        lancbio(self.G, self.F, self.z, self.v, self.x, self.space,
                self.step_size, self.outer_ratio, self.n_inner_steps,
                self.subspace == "LancBiO", n_iterations)


@jit
def lancbio(G, F, z, v, x, space, step_size, outer_ratio, n_inner_steps,
            grows, n_iterations):
    f1, f2, Cv = np.empty_like(z), np.empty_like(x), np.empty_like(x)
    u, w, Hw = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    s, pivots = np.empty_like(space[3]), np.empty_like(space[3])
    gamma = step_size / outer_ratio
    for _ in range(n_iterations):
        inner_gradient_descent(G, z, x, step_size, n_inner_steps)

        gradients(F, FULL, z, x, f1, f2)
        if grows:
            krylov_step(G, z, x, f1, v, space, u, s, pivots)
        else:
            planar_step(G, z, x, f1, v, step_size, u, w, Hw)

        cross(G, FULL, z, x, v, Cv)
        descend(x, gamma, Cv)
        descend(x, gamma, f2)
        project(G, x)
