"""Directions and gradient estimates that several solvers share."""
import numpy as np

from benchmark_utils.compiling.compiled import descend, jit, kernel
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import (
    cross,
    directions,
    grad_z,
    gradients,
    hvp,
)
from benchmark_utils.methods.sampling import draw


@jit
def like_point(z, x):
    """Arrays of the shapes of (z, v, x), not filled: directions, scratch."""
    return np.empty_like(z), np.empty_like(z), np.empty_like(x)


@kernel
def bilevel_directions(G, F, i, j, point, D, scratch):
    """Directions of the single-loop framework, on one pair of batches.

    D_z = g_I, D_v = H_I v + f1_J, D_x = C_I v + f2_J, all at (z, v, x)
    (Dagréou et al., NeurIPS 2022, section 2).

    Parameters
    ----------
    G, F : function
        Inner and outer function, in batches.
    i, j : int
        Inner and outer batch, or ``FULL``.
    point : tuple of arrays of float64, shape (p,), (p,), (d,)
        z, v and x.
    D, scratch : tuple of arrays
        As ``like_point`` makes them. D is overwritten by the directions.
    """
    z, v, x = point
    D_z, D_v, D_x = D
    f1, _, f2 = scratch
    directions(G, i, z, x, v, D_z, D_v, D_x)
    gradients(F, j, z, x, f1, f2)
    for c in range(z.size):
        D_v[c] += f1[c]
    for c in range(x.size):
        D_x[c] += f2[c]


@kernel
def adjoint_directions(G, F, i, j, point, D, scratch):
    """D_v and D_x of ``bilevel_directions``; D_z is left as it is."""
    z, v, x = point
    _, D_v, D_x = D
    f1, _, f2 = scratch
    hvp(G, i, z, x, v, D_v)
    cross(G, i, z, x, v, D_x)
    gradients(F, j, z, x, f1, f2)
    descend(D_v, -1.0, f1)
    descend(D_x, -1.0, f2)


@jit
def like_terms(z, x):
    """Arrays of the shapes of g, H v, C v, f1 and f2, not filled."""
    return (np.empty_like(z), np.empty_like(z), np.empty_like(x),
            np.empty_like(z), np.empty_like(x))


@kernel
def bilevel_terms(G, F, i, j, point, terms):
    """The five terms of ``bilevel_directions``, each by itself.

    ``terms``, as ``like_terms`` makes them, are overwritten by g_I, H_I v,
    C_I v, f1_J and f2_J; the other arguments are those of
    ``bilevel_directions``.
    """
    z, v, x = point
    g, Hv, Cv, f1, f2 = terms
    directions(G, i, z, x, v, g, Hv, Cv)
    gradients(F, j, z, x, f1, f2)


@kernel
def recursive_estimate(d, new, old, eta):
    """Update a recursive estimate: d = new + (1 - eta) (d - old), in place.

    ``new`` and ``old`` are taken on the same batches, at the present and at
    the previous point. eta = 0 is SARAH (Nguyen et al., ICML 2017), 0 < eta
    < 1 is STORM (Cutkosky and Orabona, NeurIPS 2019), and eta = 1 is the
    plain mini-batch estimate ``new``.
    """
    for c in range(d.size):
        d[c] = new[c] + (1.0 - eta) * (d[c] - old[c])


@kernel
def inner_sgd(G, inner_batches, z, x, step_size, n_steps, g):
    """Stochastic gradient steps on z, in place, each on a fresh batch.

    ``g`` (p,) is scratch space.
    """
    for _ in range(n_steps):
        grad_z(G, draw(inner_batches), z, x, g)
        descend(z, step_size, g)


@jit
def inner_gradient_descent(G, z, x, step_size, n_steps):
    """Gradient steps on z, in place, each on all samples."""
    g = np.empty_like(z)
    for _ in range(n_steps):
        grad_z(G, FULL, z, x, g)
        descend(z, step_size, g)
