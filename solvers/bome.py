import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiling.compiled import assign, descend, jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import grad_x, gradients, project
from benchmark_utils.methods.estimators import inner_gradient_descent
from benchmark_utils.methods.solver import BilevelSolver


class Solver(BilevelSolver):
    """Bilevel Optimization Made Easy (BOME).

    B. Liu, M. Ye, S. Wright, P. Stone, Q. Liu, "BOME! Bilevel optimization
    made easy: a simple first-order approach", NeurIPS 2022.

    Descends F along the direction nearest to its gradient that also lowers
    the gap q = G(z, x) - min G(., x), whose minimum is approximated by
    gradient steps and then held fixed. On all samples, first derivatives
    only. The direction jumps where the gap vanishes, so that with constant
    steps z stays at a distance of their order from the solution.

    The paper moves z and x with one step size: that is outer_ratio = 1.

    Parameters
    ----------
    step_size : float
        Of z.
    outer_ratio : float
        Step size of z divided by that of x.
    inner_step_size : float or None
        Of the gradient steps that approximate the minimum of G. None:
        ``step_size``.
    eta : float
        The gap must decrease at a rate of at least eta times the square of
        its gradient.
    n_inner_steps : int
        Number of these steps at each iteration.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "BOME"

    parameters = {
        "step_size": [0.1],
        "outer_ratio": [0.2],
        "inner_step_size": [None],
        "eta": [0.5],
        "n_inner_steps": [10],
        "eval_freq": [1],
    }
    # Its bias wants short steps of z, which may not do for those on G.
    search_space = {"step_size": (0.1, 10.0),
                    "inner_step_size": [None, 1.0], "eta": (0.1, 2.0)}

    constraints = {
        **BilevelSolver.constraints,
        "eta": checks.positive,
    }

    def advance(self, n_iterations):
        bome(self.G, self.F, self.z, self.x, self.step_size,
             self.outer_ratio, self.inner_loop_step_size, self.eta,
             self.n_inner_steps, n_iterations)


@jit
def bome(G, F, z, x, step_size, outer_ratio, inner_step_size, eta,
         n_inner_steps, n_iterations):
    f1, q1, z_K = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    f2, q2, g2_K = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        assign(z_K, z)
        inner_gradient_descent(G, z_K, x, inner_step_size, n_inner_steps)

        # grad q = (g(z), g2(z) - g2(z_K))
        gradients(G, FULL, z, x, q1, q2)
        grad_x(G, FULL, z_K, x, g2_K)
        descend(q2, 1.0, g2_K)

        gradients(F, FULL, z, x, f1, f2)
        product, squared = 0.0, 0.0
        for c in range(z.size):
            product += f1[c] * q1[c]
            squared += q1[c] ** 2
        for c in range(x.size):
            product += f2[c] * q2[c]
            squared += q2[c] ** 2
        # max(phi - <grad F, grad q>, 0) / |grad q|^2, phi = eta |grad q|^2
        lmbda = max(eta - product / squared, 0.0) if squared > 0.0 else 0.0

        for c in range(z.size):
            z[c] -= rho * (f1[c] + lmbda * q1[c])
        for c in range(x.size):
            x[c] -= gamma * (f2[c] + lmbda * q2[c])
        project(G, x)
