"""SARAH: when its estimates start afresh, and how they are updated."""
from benchmark_utils.compiled import kernel
from benchmark_utils.methods.estimators import (
    bilevel_directions,
    recursive_estimate,
)


def refresh_period(G, F, period_frac):
    """Iterations between two estimates on all samples (int).

    max(1, int(period_frac (n + m) / b)), where b = n for G and b = m for F
    if it is "full". Cut to what an int64 can hold.
    """
    epoch = G.n_samples / G.batch_size + F.n_samples / F.batch_size
    return max(1, int(min(period_frac * epoch, 2.0**62)))


@kernel
def sarah_directions(G, F, i, j, point, previous, D, D_now, D_previous, f1,
                     f2):
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
    D_now, D_previous : tuple of arrays, as D
        Scratch space.
    f1, f2 : array of float64, shape (p,), (d,)
        Scratch space.
    """
    for (z, v, x), (out_z, out_v, out_x) in (
            (point, D_now), (previous, D_previous)):
        bilevel_directions(
            G, F, i, j, z, v, x, out_z, out_v, out_x, f1, f2)
    for k in range(3):
        recursive_estimate(D[k], D_now[k], D_previous[k], 0.0)
