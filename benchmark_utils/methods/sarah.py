"""SARAH: when its estimates start afresh, and how they are updated."""
from benchmark_utils.compiling.compiled import jit, kernel
from benchmark_utils.methods.estimators import (
    adjoint_directions,
    bilevel_directions,
    like_point,
    recursive_estimate,
)


def refresh_period(G, F, period_frac):
    """Iterations between two estimates on all samples (int).

    max(1, int(period_frac (n + m) / b)), where b = n for G and b = m for F
    if it is "full". Cut to what an int64 can hold.
    """
    epoch = G.n_samples / G.batch_size + F.n_samples / F.batch_size
    return max(1, int(min(period_frac * epoch, 2.0**62)))


def refresh_probability(G, F, prob):
    """Probability of estimates on all samples (float): None is b / (n + m).

    With b = n for G and b = m for F if it is "full".
    """
    epoch = G.n_samples / G.batch_size + F.n_samples / F.batch_size
    return 1 / epoch if prob is None else float(prob)


@jit
def sarah_scratch(z, x):
    """Scratch space of ``sarah_directions``."""
    return like_point(z, x), like_point(z, x), like_point(z, x)


@kernel
def sarah_directions(G, F, i, j, point, previous, D, scratch):
    """Update D_z, D_v and D_x by their change since the previous point.

    D <- D + D_ij(z, v, x) - D_ij(previous z, v, x)

    Both differences are taken on the same batches: an error of D neither
    grows nor shrinks in expectation, and its variance grows by as much as
    the point has moved. D must start from the directions on all samples
    (SARAH, Nguyen et al., ICML 2017, applied to ``bilevel_directions``).

    Parameters
    ----------
    G, F : function
        Inner and outer function, in batches.
    i, j : int
        Inner and outer batch.
    point, previous : tuple of arrays of float64, shape (p,), (p,), (d,)
        (z, v, x) now, and where D was last updated.
    D : tuple of arrays of float64, shape (p,), (p,), (d,)
        D_z, D_v and D_x, updated in place.
    scratch : tuple of 3 tuples of arrays
        As ``sarah_scratch`` makes them.
    """
    storm_directions(G, F, i, j, point, previous, D, 0.0, scratch)


@kernel
def storm_directions(G, F, i, j, point, previous, D, eta, scratch):
    """Update D_z, D_v and D_x by STORM, on one pair of batches.

    D <- D_ij(z, v, x) + (1 - eta) (D - D_ij(previous z, v, x))

    Parameters
    ----------
    G, F, i, j, point, previous, D, scratch
        As in ``sarah_directions``, which is this with eta = 0.
    eta : float
        Weight of what the new batches alone say, from 0 to 1.
    """
    D_now, D_previous, others = scratch
    bilevel_directions(G, F, i, j, point, D_now, others)
    bilevel_directions(G, F, i, j, previous, D_previous, others)
    for k in range(3):
        recursive_estimate(D[k], D_now[k], D_previous[k], eta)


@kernel
def sarah_adjoint(G, F, i, j, point, previous, D, scratch):
    """As ``sarah_directions``, of D_v and D_x; D_z is left as it is."""
    D_now, D_previous, others = scratch
    adjoint_directions(G, F, i, j, point, D_now, others)
    adjoint_directions(G, F, i, j, previous, D_previous, others)
    for k in range(1, 3):
        recursive_estimate(D[k], D_now[k], D_previous[k], 0.0)
