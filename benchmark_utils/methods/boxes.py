"""Whether the feasible set of x is a box: bounds on each entry alone."""
import numpy as np


def is_box(project, x):
    """Whether a projection moves each entry by that entry alone.

    Of a closed convex set, this is so if and only if the set is a box. It is
    tried at points that are mixed, entry by entry, of two others near and far.

    Parameters
    ----------
    project : function
        From an array of shape (d,), which it may change, to the nearest
        feasible point.
    x : array of float64, shape (d,)
        Any point, around which the others are.

    Returns
    -------
    bool
    """
    rng = np.random.default_rng(0)
    for size in (0.1, 1.0, 100.0):
        a, b = x + size * (1.0 + np.max(np.abs(x))) * rng.standard_normal(
            (2, x.size))
        # Each entry comes from one of them, and not all from the same.
        first = rng.permutation(x.size) % 2 == 0
        mixed = project(np.where(first, a, b))
        apart = np.where(first, project(a.copy()), project(b.copy()))
        scale = np.max(np.abs([a, b]), initial=0.0)
        if not np.allclose(mixed, apart, rtol=0.0, atol=1e-12 * scale):
            return False
    return True
