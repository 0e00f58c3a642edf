import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import descend, jit
from benchmark_utils.functions.oracles import (
    cross,
    grad_x,
    grad_z,
    hvp,
    project,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Newton-based Stochastic Bilevel Optimizer, by SGD (NSBO-SGD).

    Y. Dong, J. Yang, W. Yao, J. Zhang, "Efficient curvature-aware
    hypergradient approximation for bilevel optimization", ICML 2025.

    Newton's step for z and the correction of the adjoint variable v solve
    linear systems with one Hessian, H s = g and H w = H v + f1. Both take
    T + 1 stochastic gradient steps from 0, on the same batches; then z, v
    move by -s, -w, and x along C v + f2 at the new z and v. With
    ``batch_size="full"`` this is NBO-GD. Step sizes are constant.

    The authors have published no code, and their algorithms were read in
    reviews that quote the two systems, the warm start of v and the order of
    the updates. Not verified: that each of the T products has a batch of its
    own and C v and f2 have others than g and f1, as here; the step size of
    the systems, here that of z; the warm-up, which the paper needs to start
    close enough to z* for Newton's method, and of which there is none here.

    Parameters
    ----------
    step_size : float
        Of the linear systems, and so of z and v: where G is quadratic, an
        iteration multiplies the error of z by (I - step_size H)^(T + 1).
    outer_ratio : float
        That step size divided by that of x.
    batch_size : int or "full"
    n_newton_steps : int
        T: steps on the two systems beyond the first, which needs no product
        with H. With 0, z and v move as in SOBA.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "NSBO-SGD"

    parameters = {
        "step_size": [0.3],
        "outer_ratio": [0.3],
        "batch_size": [64],
        "n_newton_steps": [1],
        "eval_freq": [128],
    }
    search_space = {"n_newton_steps": (1, 10)}

    constraints = {
        **BilevelSolver.constraints,
        "n_newton_steps": checks.n_steps_or_none,
    }
    state_names = ("z", "v", "x")

    def start(self):
        self.v = np.zeros_like(self.z)

    def advance(self, n_iterations):
        nsbo_sgd(self.G, self.F, self.inner_batches, self.outer_batches,
                 self.z, self.v, self.x, self.step_size, self.outer_ratio,
                 self.n_newton_steps, n_iterations)


@jit
def nsbo_sgd(G, F, inner_batches, outer_batches, z, v, x, step_size,
             outer_ratio, n_newton_steps, n_iterations):
    g, r, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    s, w = np.empty_like(z), np.empty_like(z)
    Hs, Hw = np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        grad_z(G, i, z, x, g)
        hvp(G, i, z, x, v, r)
        grad_z(F, j, z, x, f1)
        descend(r, -1.0, f1)  # r = H_i v + f1_j

        # Towards s = H^-1 g and w = H^-1 r, from 0.
        for c in range(z.size):
            s[c], w[c] = rho * g[c], rho * r[c]
        for _ in range(n_newton_steps):
            k = draw(inner_batches)
            hvp(G, k, z, x, s, Hs)
            hvp(G, k, z, x, w, Hw)
            for c in range(z.size):
                s[c] -= rho * (Hs[c] - g[c])
                w[c] -= rho * (Hw[c] - r[c])
        descend(z, 1.0, s)
        descend(v, 1.0, w)

        i, j = draw(inner_batches), draw(outer_batches)
        cross(G, i, z, x, v, Cv)
        grad_x(F, j, z, x, f2)
        descend(x, gamma, Cv)
        descend(x, gamma, f2)
        project(G, x)
