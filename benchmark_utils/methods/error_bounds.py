"""How wrong z, and a gradient of h made with it, can be."""
import numpy as np
from scipy.sparse.linalg import ArpackError, eigsh

from benchmark_utils.compiling.compiled import jit
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import cross
from benchmark_utils.methods.estimators import bilevel_directions, like_point
from benchmark_utils.methods.exact_oracles import hessian, one_thread

_MAX_DENSE = 100  # Size of a Hessian that is formed.
_ROUNDING = 1e-13


class ErrorBounds:
    """Bounds of errors from gradients and residuals, on all samples.

    |z - z*(x)| is at most |g| / mu, with g the gradient of G in z. That of
    the hypergradient p = f2 + C v is estimated from a point at this distance
    from z, along -g:

        omega = |change of p| + K (|change of r| + |r|)

    where r = H v + f1 is the residual of v, and K = |C H^-1| the Lipschitz
    constant of z*(x). mu and K are those of the last ``update``: from the
    matrices up to p = 100, at 2 p passes over the samples of G. Beyond, mu is
    an eigenvalue found to 10 % by Lanczos' method, and K is |C v| / |v| / mu
    for the v that makes it largest so far, as where ``mu`` is given.

    Parameters
    ----------
    G, F : function
        Inner and outer function, for the compiled oracles.
    mu : float or None
        Strong convexity of G in z, or what is to stand for it; None for the
        smallest eigenvalue of its Hessian. With a number above that, neither
        |g| / mu nor omega bounds an error.

    Attributes
    ----------
    mu : float
        1 before the first ``update``.
    L : float
        Smoothness of F in z, from the same pairs of points: the largest
        quotient so far.
    """

    def __init__(self, G, F, mu):
        self.G, self.F, self.given = G, F, mu
        self.mu, self.L = (1.0 if mu is None else mu), 0.0
        self.K, self.norm_C = None, 0.0

    def update(self, z, x):
        """Find mu and K at (z, x); where that fails they stay."""
        if self.given is None:
            try:
                with one_thread():
                    self._update(z, x)
            except (ArpackError, np.linalg.LinAlgError):
                pass  # Next to where the Hessian overflows.

    def _update(self, z, x):
        H, p = hessian(self.G, z, x), z.size
        if p > _MAX_DENSE:
            values = eigsh(H, k=1, which="SA", v0=np.ones(p), tol=0.1,
                           return_eigenvectors=False)
        else:
            values, vectors = np.linalg.eigh(H @ np.eye(p))
        # What rounding errors leave of an eigenvalue that is 0, or below.
        values = np.maximum(values, _ROUNDING * abs(values[-1]))
        self.mu = values[0]
        if p <= _MAX_DENSE:
            C = np.empty((p, x.size))
            for direction, column in zip(np.eye(p), C, strict=True):
                cross(self.G, FULL, z, x, direction, column)
            self.K = np.linalg.norm(C.T @ (vectors / values), 2)

    def hypergradient(self, z, v, x):
        """p at (z, v, x), and the bound of its error.

        Returns
        -------
        p : array of float64, shape (d,)
        omega : float
        """
        norm = np.linalg.norm
        g, r, p, f1, f2 = _directions(self.G, self.F, z, v, x)
        if v.any():
            self.norm_C = max(self.norm_C, norm(p - f2) / norm(v))
        K = self.norm_C / self.mu if self.K is None else self.K
        omega, distance = K * norm(r), norm(g) / self.mu
        if distance > 0.0:
            _, r_there, p_there, f1_there, _ = _directions(
                self.G, self.F, z - distance / norm(g) * g, v, x)
            omega += norm(p_there - p) + K * norm(r_there - r)
            self.L = max(self.L, norm(f1_there - f1) / distance)
        return p, omega


@jit
def _directions(G, F, z, v, x):
    """D_z, D_v, D_x, f1 and f2 on all samples."""
    D, scratch = like_point(z, x), like_point(z, x)
    bilevel_directions(G, F, FULL, FULL, (z, v, x), D, scratch)
    return D[0], D[1], D[2], scratch[0], scratch[2]
