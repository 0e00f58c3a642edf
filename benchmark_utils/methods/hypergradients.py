"""Hypergradient estimates whose adjoint variable is a Neumann series."""
import numpy as np

from benchmark_utils.compiling.compiled import descend, jit, kernel
from benchmark_utils.functions.oracles import cross, grad_z, gradients
from benchmark_utils.methods.estimators import recursive_estimate
from benchmark_utils.methods.linear_systems import neumann_product, neumann_sum
from benchmark_utils.methods.sampling import draw, draw_below, draw_several


@jit
def hypergradient_scratch(z, x):
    """Scratch space of ``hypergradient``: f1, v, a product with H, C v."""
    return (np.empty_like(z), np.empty_like(z), np.empty_like(z),
            np.empty_like(x))


@kernel
def draw_sum(inner_batches, outer_batches, factors):
    """Batches of an estimate with the whole series of this many factors.

    Parameters
    ----------
    inner_batches, outer_batches : Sampler
    factors : array of int64, shape (K,)
        Filled with fresh batches.

    Returns
    -------
    tuple of int
        The ``blocks`` of ``hypergradient``.
    """
    j = draw(outer_batches)
    draw_several(inner_batches, factors)
    return draw(inner_batches), j, factors.size, 0


@kernel
def draw_term(inner_batches, outer_batches, factors):
    """Batches of an estimate with one term of the series, drawn at random.

    As ``draw_sum``; the number of factors is uniform on {0, ..., K - 1}.
    """
    j = draw(outer_batches)
    q = draw_below(inner_batches.rng, factors.size)
    draw_several(inner_batches, factors[:q])
    return draw(inner_batches), j, q, factors.size


@kernel
def hypergradient(G, F, blocks, factors, z, x, eta, E, scratch):
    """Hypergradient estimate E = f2_j + C_i v.

    Parameters
    ----------
    G, F : function
        Inner and outer function, in batches.
    blocks : tuple of int
        Batch i of the cross derivative, j of the gradients of F, the number
        of factors, and K for ``neumann_product`` or 0 for ``neumann_sum``.
    factors : array of int64
        Batches of the factors, first.
    z, x : array of float64, shape (p,), (d,)
    eta : float
        Step size of the Neumann series.
    E : array of float64, shape (d,)
        Overwritten.
    scratch : tuple of arrays
        From ``hypergradient_scratch``.
    """
    i, j, n_factors, n_terms = blocks
    batches = factors[:n_factors]
    f1, v, Hv, Cv = scratch
    gradients(F, j, z, x, f1, E)
    if n_terms == 0:
        neumann_sum(G, batches, z, x, f1, eta, v, Hv)
    else:
        neumann_product(G, batches, z, x, f1, eta, n_terms, v, Hv)
    cross(G, i, z, x, v, Cv)
    descend(E, -1.0, Cv)


@jit
def recursive_scratch(z, x):
    """Scratch space of ``recursive_hypergradient``."""
    return ((np.empty_like(z), np.empty_like(z)),
            (np.empty_like(x), np.empty_like(x)),
            hypergradient_scratch(z, x))


@kernel
def recursive_hypergradient(G, F, i, blocks, factors, point, previous, d,
                            eta, momentum, scratch):
    """Update d_z and d_x, estimates of the gradient of G and of that of h.

    d_z <- g_i + (1 - momentum) (d_z - g_i(previous)), and d_x likewise with
    ``hypergradient``, all on the same batches at both points
    (``recursive_estimate``).

    Parameters
    ----------
    G, F, blocks, factors, eta
        As in ``hypergradient``.
    i : int
        Batch of g.
    point, previous : tuple of arrays of float64, shape (p,), (d,)
        (z, x) now, and where d was last updated.
    d : tuple of arrays of float64, shape (p,), (d,)
        d_z and d_x, updated in place.
    momentum : float
        Weight of what the new batches alone say.
    scratch : tuple
        From ``recursive_scratch``.
    """
    (g, g_old), (E, E_old), others = scratch
    (z, x), (z_old, x_old), (d_z, d_x) = point, previous, d
    grad_z(G, i, z, x, g)
    grad_z(G, i, z_old, x_old, g_old)
    recursive_estimate(d_z, g, g_old, momentum)
    hypergradient(G, F, blocks, factors, z, x, eta, E, others)
    hypergradient(
        G, F, blocks, factors, z_old, x_old, eta, E_old, others)
    recursive_estimate(d_x, E, E_old, momentum)
