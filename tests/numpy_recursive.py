"""Plain NumPy blocks of a quadratic, for transcriptions of the solvers."""
import numpy as np

from benchmark_utils.functions.quadratic import Quadratic
from benchmark_utils.methods.sampling import make_sampler


def cut(f, size):
    """The block functions of ``f``: (N / n) times the sum over a block."""
    n_blocks = -(-f.n_samples // size)
    weight = n_blocks / f.n_samples
    return [
        Quadratic(*(
            weight * samples[k * size:(k + 1) * size].sum(0, keepdims=True)
            for samples in (f.A, f.B, f.C, f.a, f.b)))
        for k in range(n_blocks)
    ]


def n_samples(f, size, batch):
    """Number of samples of a block, the last of which may be short."""
    return len(range(f.n_samples)[batch * size:(batch + 1) * size])


def replay_samplers(solver):
    """The two samplers of a run of ``solver``, at their start."""
    rng = np.random.default_rng(solver._seed)
    return make_sampler(solver.G.n_batches, rng), make_sampler(
        solver.F.n_batches, rng)


def hypergradient(G_k, F_j, z, x, v):
    """f2_J + C_I v."""
    return F_j.grad_x(z, x) + G_k.cross(z, x, v)


def series(factors, F_j, z, x, eta):
    """The adjoint variable by the whole Neumann series."""
    term = F_j.grad_z(z, x)
    total = term
    for G_q in factors:
        term = term - eta * G_q.hessian(z, x) @ term
        total = total + term
    return -eta * total


def one_term(factors, F_j, z, x, eta, n_terms):
    """The adjoint variable by one term of the Neumann series."""
    term = F_j.grad_z(z, x)
    for G_q in factors:
        term = term - eta * G_q.hessian(z, x) @ term
    return -eta * n_terms * term


def biased_solution(problem, P):
    """(z, x) where g = 0 and f2 - C P f1 = 0, for P in place of H^-1."""
    G, F = problem.inner, problem.outer
    CP = G.mean_C @ P
    matrix = np.block([
        [G.mean_A, G.mean_C.T],
        [F.mean_C - CP @ F.mean_A, F.mean_B - CP @ F.mean_C.T],
    ])
    right = -np.concatenate([G.mean_a, F.mean_b - CP @ F.mean_a])
    return np.split(np.linalg.solve(matrix, right), [problem.inner_dim])


def truncated_inverse(A, eta, n_terms):
    """eta times the sum of the first n_terms powers of I - eta A."""
    power, total = np.eye(len(A)), np.zeros_like(A)
    for _ in range(n_terms):
        total, power = total + power, power - eta * A @ power
    return eta * total
