"""Blocks of a quadratic problem in plain NumPy, beside the kernels."""
import numpy as np


class Blocks:
    """The mini-batches of a ``Quadratic``: (N / n) * sum over a block."""

    def __init__(self, function, batch_size):
        self.function, self.batch_size = function, batch_size
        self.n_batches = -(-function.n_samples // batch_size)

    def _mean(self, name, batch):
        first = batch * self.batch_size
        block = getattr(self.function, name)[first:first + self.batch_size]
        return block.sum(0) * self.n_batches / self.function.n_samples

    def grad_z(self, batch, z, x):
        return (self._mean("A", batch) @ z + x @ self._mean("C", batch)
                + self._mean("a", batch))

    def grad_x(self, batch, z, x):
        return (self._mean("B", batch) @ x + self._mean("C", batch) @ z
                + self._mean("b", batch))

    def size(self, batch):
        first = batch * self.batch_size
        return min(self.batch_size, self.function.n_samples - first)


def inner_solution(problem):
    """Matrix J and vector z_0 with z*(x) = J x + z_0."""
    G = problem.inner
    return (-np.linalg.solve(G.mean_A, G.mean_C.T),
            -np.linalg.solve(G.mean_A, G.mean_a))


def unrolled_fixed_point(problem, step_size, n_steps):
    """The x where f2 + J_K' f1 = 0 at z = z*(x), shape (d,).

    J_K is the derivative of K gradient steps from a start held fixed: with a
    warm start and x at rest, z rests at z*(x), but J_K is not the derivative
    of z* unless K is large.
    """
    G, F = problem.inner, problem.outer
    J, z_0 = inner_solution(problem)
    shrink = np.eye(len(z_0)) - step_size * G.mean_A
    J_K = J - np.linalg.matrix_power(shrink, n_steps) @ J

    def gradient(x):
        z = J @ x + z_0
        return F.grad_x(z, x) + J_K.T @ F.grad_z(z, x)

    at_zero = gradient(np.zeros(problem.outer_dim))
    matrix = np.stack([gradient(e) - at_zero
                       for e in np.eye(problem.outer_dim)], 1)
    return -np.linalg.solve(matrix, at_zero)


def penalised_minimiser(problem, lmbda):
    """Minimiser (y, x) of F(y, x) + lambda (G(y, x) - min_w G(w, x))."""
    G, F = problem.inner, problem.outer
    J, z_0 = inner_solution(problem)
    p = problem.inner_dim

    def gradient(s):
        y, x = s[:p], s[p:]
        w = J @ x + z_0
        return np.concatenate([
            F.grad_z(y, x) + lmbda * G.grad_z(y, x),
            F.grad_x(y, x) + lmbda * (G.grad_x(y, x) - G.grad_x(w, x))])

    at_zero = gradient(np.zeros(p + problem.outer_dim))
    matrix = np.stack([gradient(e) - at_zero
                       for e in np.eye(p + problem.outer_dim)], 1)
    solution = -np.linalg.solve(matrix, at_zero)
    return solution[:p], solution[p:]
