"""Mini-batches in plain NumPy, without the compiled kernels."""
import copy

import numpy as np
from harness import make_problem

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import draw, make_sampler

# Problems of the transcriptions, and a batch size that leaves a short last
# batch at both levels.
TRANSCRIBED = [("quadratic", 9), ("logistic", 64), ("constrained", 64)]


def get_problem(request, name):
    """A problem fixture of conftest, or a logistic one with x >= 0."""
    if name != "constrained":
        return request.getfixturevalue(name)
    return make_problem(
        "simulated_logistic", n_train=200, n_validation=150, n_features=6,
        reg_parametrization="linear")


def numpy_block(function, batch_size, k):
    """Batch k of a function as a function of its own, (N / n) sum_i f_i."""
    if batch_size == "full":
        return function
    n = function.n_samples
    N = -(-n // batch_size)
    rows = slice(k * batch_size, (k + 1) * batch_size)
    block = copy.copy(function)
    if isinstance(function, Quadratic):
        for name in "ABCab":
            samples = getattr(function, name)[rows]
            setattr(block, f"mean_{name}", samples.sum(0) * N / n)
    else:  # A logistic loss: its sum over the rows is divided by n / N.
        assert n % N == 0
        block.rows, block.n_samples = function.rows[rows], n // N
    return block


def numpy_directions(G, F, z, v, x):
    """D_z, D_v and D_x of the single-loop framework."""
    return (G.grad_z(z, x), G.hessian(z, x) @ v + F.grad_z(z, x),
            G.cross(z, x, v) + F.grad_x(z, x))


def numpy_start(problem):
    """z, v, x before the first iteration."""
    z, x = problem.inner_start, problem.outer_start
    return z, np.zeros_like(z), x


def replay(solver):
    """Generator and samplers as a run of this solver starts with them."""
    rng = np.random.default_rng(solver._seed)
    return (rng, make_sampler(solver.G.n_batches, rng),
            make_sampler(solver.F.n_batches, rng))


def batch_samples(function, batch_size, k):
    """Number of samples in batch k."""
    return min(batch_size, function.n_samples - k * batch_size)


def numpy_sarah(problem, batch_size, choices, rho, gamma):
    """Iterations along SARAH estimates of the directions.

    Each of ``choices`` is the (on_all_samples, i, j) of an iteration. Returns
    z, x and the number of oracle calls.
    """
    G, F = problem.inner, problem.outer
    z, v, x = numpy_start(problem)
    D, last, calls = None, None, 0
    for on_all_samples, i, j in choices:
        if on_all_samples:
            D = numpy_directions(G, F, z, v, x)
            calls += 3 * G.n_samples + 2 * F.n_samples
        else:
            batches = (numpy_block(G, batch_size, i),
                       numpy_block(F, batch_size, j))
            now = numpy_directions(*batches, z, v, x)
            before = numpy_directions(*batches, *last)
            D = [d + a - b for d, a, b in zip(D, now, before, strict=True)]
            calls += 2 * (3 * batch_samples(G, batch_size, i)
                          + 2 * batch_samples(F, batch_size, j))
        last = z, v, x
        z, v, x = z - rho * D[0], v - rho * D[1], x - gamma * D[2]
        x = G.project(x)
    return z, x, calls


def numpy_storm(solver, n_iterations, directions, n_derivatives):
    """Iterations of FMBO or FdeHBO: STORM on each of the directions.

    ``directions`` is a function as ``numpy_directions``, ``n_derivatives``
    the numbers of derivatives of G and of F in it. Returns z, v, x and the
    number of oracle calls.
    """
    problem, b, eta = solver.problem, solver.batch_size, solver.eta
    e = solver.step_exponent
    radius = np.inf if solver.radius is None else solver.radius
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    last, calls = None, 0
    for t in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        batches = (numpy_block(problem.inner, b, i),
                   numpy_block(problem.outer, b, j))
        now = directions(*batches, z, v, x)
        if t == 0:
            D = now
        else:
            before = directions(*batches, *last)
            memory = 1 - min(1.0, eta * (t + 1) ** (-2 * e))
            D = [a + memory * (d - b)
                 for d, a, b in zip(D, now, before, strict=True)]
        n_points = 1 if t == 0 else 2
        calls += n_points * (
            n_derivatives[0] * batch_samples(problem.inner, b, i)
            + n_derivatives[1] * batch_samples(problem.outer, b, j))
        last = z, v, x
        rho = solver.step_size * (t + 1) ** -e
        z, v, x = (z - rho * D[0], v - rho * D[1],
                   x - rho / solver.outer_ratio * D[2])
        v = v * min(1.0, radius / np.linalg.norm(v))
        x = problem.inner.project(x)
    return z, v, x, calls


def assert_iterates(result, z, x):
    """A result of ``run_solver`` is (z, x), to rounding error."""
    for name, value in (("inner_var", z), ("outer_var", x)):
        np.testing.assert_allclose(
            result[name], value, rtol=1e-10, atol=1e-13)
