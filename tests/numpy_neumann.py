"""Plain NumPy on the blocks of a quadratic problem, for transcriptions."""
import numpy as np

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import draw, make_sampler


def block(function, k, batch_size):
    """Block function (N / n) sum_{i in block k} f_i, as a ``Quadratic``."""
    n = function.n_samples
    rows = slice(k * batch_size, min((k + 1) * batch_size, n))
    weight = -(-n // batch_size) * (rows.stop - rows.start) / n
    return Quadratic(*(weight * coefficient[rows] for coefficient in (
        function.A, function.B, function.C, function.a, function.b)))


def all_blocks(function, batch_size):
    """Every block of a function, in the order of the samples."""
    n_batches = -(-function.n_samples // batch_size)
    return [block(function, k, batch_size) for k in range(n_batches)]


class Replay:
    """The blocks that a solver draws, drawn once more.

    Parameters
    ----------
    solver : BilevelSolver
        Set on a quadratic problem; its ``batch_size`` is a number.
    """

    def __init__(self, solver):
        problem = solver.problem
        self.rng = np.random.default_rng(solver._seed)
        # In this order: both samplers share the generator.
        self._levels = [
            (function, all_blocks(function, solver.batch_size))
            for function in (problem.inner, problem.outer)
        ]
        self._samplers = [
            make_sampler(len(blocks), self.rng) for _, blocks in self._levels]

    def inner(self):
        """Next block of G."""
        return self._levels[0][1][draw(self._samplers[0])]

    def outer(self):
        """Next block of F."""
        return self._levels[1][1][draw(self._samplers[1])]


def product_series(hessians, f1, eta, n_terms):
    """v = -eta K prod_q (I - eta H_q) f1."""
    v = -eta * n_terms * f1
    for H in hessians:
        v = v - eta * (H @ v)
    return v


def sum_series(hessians, f1, eta):
    """v = -eta sum_q prod_{k <= q} (I - eta H_k) f1."""
    term = f1
    v = -eta * term
    for H in hessians:
        term = term - eta * (H @ term)
        v = v - eta * term
    return v


def truncated_inverse(problem, eta, n_terms):
    """Matrix eta sum_{q < n_terms} (I - eta H)^q, close to H^-1."""
    H = problem.inner.mean_A
    factor = np.eye(len(H)) - eta * H
    return eta * sum(
        np.linalg.matrix_power(factor, q) for q in range(n_terms))


def biased_fixed_point(problem, inverse):
    """Where f2 - C inverse f1 = 0 at z = z*(x), in closed form.

    Parameters
    ----------
    problem : BilevelProblem
        With quadratic functions.
    inverse : array, shape (p, p)
        What stands for H^-1.

    Returns
    -------
    z, x : array, shape (p,), (d,)
    slope : array, shape (d, d)
        Derivative of f2 - C inverse f1 along x, at z = z*(x).
    """
    G, F = problem.inner, problem.outer
    J = -np.linalg.solve(G.mean_A, G.mean_C.T)
    z_0 = -np.linalg.solve(G.mean_A, G.mean_a)

    def estimate(x):
        z = J @ x + z_0
        return F.grad_x(z, x) - G.mean_C @ inverse @ F.grad_z(z, x)

    zero = np.zeros(problem.outer_dim)
    slope = np.column_stack([
        estimate(e) - estimate(zero) for e in np.eye(problem.outer_dim)])
    x = -np.linalg.solve(slope, estimate(zero))
    return J @ x + z_0, x, slope


def random_length_moments(problem, eta, n_terms, steps):
    """Exact mean and covariance of full-batch TTSA and BSA.

    On a quadratic problem without mini-batches, the random length q makes
    an iteration one of K affine maps, with equal probability.

    Parameters
    ----------
    problem : BilevelProblem
        With quadratic functions.
    eta, n_terms : float, int
        Step size and K of the Neumann series.
    steps : iterable of (float, float, int)
        Step size of z, that of x, and number of steps on z, at each
        iteration.

    Returns
    -------
    mean : array, shape (p + d,)
        Of (z, x) at the end.
    covariance : array, shape (p + d, p + d)
    """
    G, F = problem.inner, problem.outer
    p, d = problem.inner_dim, problem.outer_dim
    # On (z, x, 1), affine maps are matrices.
    g = np.column_stack([G.mean_A, G.mean_C.T, G.mean_a])
    f1 = np.column_stack([F.mean_A, F.mean_C.T, F.mean_a])
    f2 = np.column_stack([F.mean_C, F.mean_B, F.mean_b])
    factor = np.eye(p) - eta * G.mean_A
    estimates = [
        f2 - eta * n_terms * G.mean_C @ np.linalg.matrix_power(factor, q) @ f1
        for q in range(n_terms)
    ]
    start = np.concatenate([problem.inner_start, problem.outer_start, [1.0]])
    moment = np.outer(start, start)
    for rho, gamma, n_inner_steps in steps:
        inner = np.eye(p + d + 1)
        inner[:p] -= rho * g
        inner = np.linalg.matrix_power(inner, n_inner_steps)
        maps = []
        for estimate in estimates:
            outer = np.eye(p + d + 1)
            outer[p:p + d] -= gamma * estimate
            maps.append(outer @ inner)
        moment = sum(T @ moment @ T.T for T in maps) / n_terms
    mean = moment[:-1, -1]
    return mean, moment[:-1, :-1] - np.outer(mean, mean)


def check_random_length(problem, make, eta, n_terms, steps, n_runs=200):
    """Compare full-batch runs of a solver with their exact moments.

    Parameters
    ----------
    problem, eta, n_terms, steps
        As in ``random_length_moments``.
    make : callable
        Gives the final (z, x) of the run with a given repetition.
    """
    mean, covariance = random_length_moments(problem, eta, n_terms, steps)
    ends = np.array([make(repetition) for repetition in range(n_runs)])
    variance = np.diag(covariance)
    # Five standard deviations of the average of so many runs; the variance
    # of a sample variance is about 2 / n_runs, relatively.
    error = np.abs(ends.mean(0) - mean)
    assert np.all(error < 5 * np.sqrt(variance / n_runs))
    ratio = ends.var(0, ddof=1) / variance
    assert np.all(np.abs(ratio - 1) < 5 * np.sqrt(2 / n_runs))
    # The tolerance below is what the decreasing steps should have reached.
    z, x, _ = biased_fixed_point(
        problem, truncated_inverse(problem, eta, n_terms))
    fixed = np.concatenate([z, x])
    expected = np.sum((mean - fixed) ** 2) + variance.sum()
    distance = np.sum((ends - fixed) ** 2, axis=1)
    assert distance.mean() < expected * (1 + 5 * np.sqrt(2 / n_runs))
    start = np.concatenate([problem.inner_start, problem.outer_start])
    assert expected < 0.02 * np.sum((start - fixed) ** 2)
