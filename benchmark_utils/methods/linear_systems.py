"""Inverse-Hessian-vector products: the adjoint variable v of a solver."""
import numpy as np

from benchmark_utils.compiling.compiled import jit, kernel
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import hvp


@kernel
def dot(a, b):
    """Inner product of a and b (both 1-D)."""
    total = 0.0
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@jit
def conjugate_gradient(G, z, x, f1, v, n_steps):
    """Solve H v = -f1 by conjugate gradient, with H the full Hessian of G.

    Parameters
    ----------
    G : function
        Inner function, in batches.
    z, x : array of float64, shape (p,), (d,)
        Where the Hessian is taken.
    f1 : array of float64, shape (p,)
    v : array of float64, shape (p,)
        Warm start, overwritten by the solution.
    n_steps : int
        Most steps. Each costs one Hessian-vector product on all samples, as
        does the residual of the warm start.
    """
    Hd = np.empty_like(v)
    hvp(G, FULL, z, x, v, Hd)
    residual = -f1 - Hd
    direction = residual.copy()
    squared = dot(residual, residual)
    # Below this the residual is rounding error, and its directions noise.
    exact = 1e-32 * dot(f1, f1)
    for _ in range(n_steps):
        if squared <= exact:
            break
        hvp(G, FULL, z, x, direction, Hd)
        length = squared / dot(direction, Hd)
        for k in range(v.size):
            v[k] += length * direction[k]
            residual[k] -= length * Hd[k]
        previous, squared = squared, dot(residual, residual)
        for k in range(v.size):
            direction[k] = (residual[k]
                            + squared / previous * direction[k])


@kernel
def neumann_sum(G, batches, z, x, term, eta, v, H_term):
    """Truncated Neumann series for v = -H^-1 f1.

    v = -eta sum_{q=0}^{K} prod_{k=1}^{q} (I - eta H_{I_k}) f1

    The expectation over independent batches is the series with the full H;
    what is cut off is a bias of (I - eta H)^(K + 1) v.

    Parameters
    ----------
    G : function
        Inner function, in batches.
    batches : array of int64, shape (K,)
        Batch of each factor. The same array at two points (z, x) gives the
        coupled estimates of recursive methods; ``FULL`` everywhere gives the
        deterministic series.
    z, x : array of float64, shape (p,), (d,)
        Where the Hessian is taken.
    term : array of float64, shape (p,)
        f1; overwritten by the last term of the series.
    eta : float
        Step size, below 2 / (largest eigenvalue of H) for convergence.
    v : array of float64, shape (p,)
        Overwritten.
    H_term : array of float64, shape (p,)
        Scratch space.
    """
    for c in range(v.size):
        v[c] = -eta * term[c]
    for k in range(batches.size):
        hvp(G, batches[k], z, x, term, H_term)
        for c in range(v.size):
            term[c] -= eta * H_term[c]
            v[c] -= eta * term[c]


@kernel
def neumann_product(G, batches, z, x, f1, eta, n_terms, v, H_v):
    """One term of the Neumann series for v = -H^-1 f1, drawn at random.

    v = -eta K prod_{k=1}^{q} (I - eta H_{I_k}) f1

    With q uniform on {0, ..., K - 1}, the expectation over q and the batches
    is the sum of the first K terms of the series.

    Parameters
    ----------
    G, z, x, eta, v
        As in ``neumann_sum``.
    f1 : array of float64, shape (p,)
    batches : array of int64, shape (q,)
        Batch of each factor; q is drawn by the caller.
    n_terms : int
        K.
    H_v : array of float64, shape (p,)
        Scratch space.
    """
    for c in range(v.size):
        v[c] = -eta * n_terms * f1[c]
    for k in range(batches.size):
        hvp(G, batches[k], z, x, v, H_v)
        for c in range(v.size):
            v[c] -= eta * H_v[c]


@kernel
def project_on_ball(v, radius):
    """Project v (1-D, in place) onto the ball of this radius about 0.

    NaN stays NaN, so that a diverging run is seen to diverge.
    """
    norm = np.sqrt(dot(v, v))
    if norm > radius:
        for k in range(v.size):
            v[k] *= radius / norm
