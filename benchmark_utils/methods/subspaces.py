"""The adjoint system, solved in a subspace of a few vectors."""
import numpy as np

from benchmark_utils.compiling.compiled import assign, descend, kernel
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import hvp
from benchmark_utils.methods.linear_systems import dot

# Of a vector, relative to what it was, below which it is rounding error.
_NOTHING = 1e-12


def krylov_space(p, memory, m):
    """What ``krylov_step`` carries, at the start.

    Parameters
    ----------
    p : int
    memory : int
        Vectors of the space that there is room for; for p at most.
    m : int
        Vectors at which to restart, to begin with.

    Returns
    -------
    tuple of arrays
        v_bar and H v_bar (p,), the basis Q (memory, p), the tridiagonal matrix
        T, as its diagonal (memory,) and what is beside it (memory + 1,), and
        how many vectors of Q are in use, and m (2,).
    """
    memory = min(memory, p)
    return (np.zeros(p), np.zeros(p), np.zeros((memory, p)),
            np.zeros(memory), np.zeros(memory + 1),
            np.array([0, min(m, memory)], np.int64))


@kernel
def grow(space, factor):
    """Let m be ``factor`` times what it is, rounded up, within memory."""
    sizes = space[5]
    sizes[1] = min(space[3].size, np.int64(np.ceil(factor * sizes[1])))


@kernel
def solve_tridiagonal(a, b, n, s, pivots):
    """Solve T s = s, in place, where T is positive definite.

    Parameters
    ----------
    a, b : array of float64, shape (m,), (m + 1,)
        Diagonal of T, and what is beside it, from b[1] on; b[0] = 0.
    n : int
        Size of T.
    s, pivots : array of float64, shape (m,)
        Right-hand side and solution; scratch space.

    Returns
    -------
    int
        Size of the leading part of T that is positive definite. If it is
        below n, the solution is that of this part, and the rest is 0.
    """
    size, last = 0, 1.0
    while size < n:
        ratio = b[size] / last
        last = a[size] - ratio * b[size]
        if not last > 0.0:
            break
        if size > 0:
            s[size] -= ratio * s[size - 1]
        pivots[size] = last
        size += 1
    for k in range(size, n):
        s[k] = 0.0
    last = 0.0
    for k in range(size - 1, -1, -1):
        last = (s[k] - b[k + 1] * last) / pivots[k]
        s[k] = last
    return size


@kernel
def krylov_step(G, z, x, f1, v, space, u, s, pivots):
    """Solve H v = -f1 in a Krylov space, after adding a vector to it.

    v = v_bar + Q s with T s = -Q'(f1 + H_0 v_bar)

    v_bar and H_0 are v and the Hessian at the last restart; Q and T = Q'HQ
    are made by Lanczos' method, one vector a call, each with the H of that
    call (Yang, Gao, Yuan, ICLR 2025). For one H this is conjugate gradient
    from v_bar, step by step. One product with H, two at a restart: that is
    when Q has m vectors, when H maps its span to itself, and when T is not
    positive definite, as H may have changed (then v is from its leading part
    that is).

    Parameters
    ----------
    G : function
        Inner function, in batches.
    z, x : array of float64, shape (p,), (d,)
        Where the Hessian is taken, on all samples.
    f1 : array of float64, shape (p,)
    v : array of float64, shape (p,)
        Overwritten by the solution.
    space : tuple of arrays
        From ``krylov_space``; updated.
    u, s, pivots : array of float64, shape (p,), (m,), (m,)
        Scratch space.
    """
    v_bar, H_v_bar, Q, a, b, sizes = space
    k = sizes[0]
    sizes[0] = 0
    if k == 0:
        assign(v_bar, v)
        hvp(G, FULL, z, x, v_bar, H_v_bar)
        for c in range(v.size):
            Q[0, c] = -f1[c] - H_v_bar[c]
        norm = np.sqrt(dot(Q[0], Q[0]))
        if norm == 0.0:
            return  # v is the solution.
        for c in range(v.size):
            Q[0, c] /= norm

    hvp(G, FULL, z, x, Q[k], u)
    before = dot(u, u)
    if k > 0:
        descend(u, b[k], Q[k - 1])
    a[k] = dot(Q[k], u)

    for q in range(k + 1):
        s[q] = -dot(Q[q], f1) - dot(Q[q], H_v_bar)
    size = solve_tridiagonal(a, b, k + 1, s, pivots)
    assign(v, v_bar)
    for q in range(k + 1):
        descend(v, -s[q], Q[q])

    descend(u, a[k], Q[k])
    norm = np.sqrt(dot(u, u))
    if (k + 1 < sizes[1] and size == k + 1
            and norm > _NOTHING * np.sqrt(before)):
        sizes[0], b[k + 1] = k + 1, norm
        for c in range(v.size):
            Q[k + 1, c] = u[c] / norm


@kernel
def planar_step(G, z, x, f1, v, eta, w, H_f1, Hw):
    """Solve H v = -f1 in the span of f1 and v - eta H v.

    As this holds the gradient step v - eta (H v + f1), the result minimises
    v'Hv / 2 + f1'v at least as well. Three products with H.

    Parameters
    ----------
    G, z, x, f1, v
        As in ``krylov_step``.
    eta : float
    w, H_f1, Hw : array of float64, shape (p,)
        Scratch space.
    """
    hvp(G, FULL, z, x, v, Hw)
    for c in range(v.size):
        w[c] = v[c] - eta * Hw[c]
        v[c] = 0.0
    squared, before = dot(f1, f1), dot(w, w)
    if squared == 0.0:
        return
    descend(w, dot(f1, w) / squared, f1)
    hvp(G, FULL, z, x, f1, H_f1)
    hvp(G, FULL, z, x, w, Hw)
    a, b, c = dot(f1, H_f1), dot(f1, Hw), dot(w, Hw)
    if dot(w, w) > _NOTHING**2 * before:
        # v = s f1 + t w, where a s + b t = -squared and b s + c t = 0.
        descend(v, -squared * b / (a * c - b * b), w)
        a -= b * b / c
    descend(v, squared / a, f1)
