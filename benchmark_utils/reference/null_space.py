"""Directions of z that the samples of G do not see.

There, penalties decide, however small they are; and where there are none, the
limit for penalties t -> 0.
"""
from functools import partial

import numpy as np
from scipy import linalg

# Smallest pivot of the Cholesky factor, relative to the diagonal, of a matrix
# that has no null space for sure.
DOUBTFUL_PIVOT = 1e-6
# Slopes of the loss along a direction that the samples do not see, relative
# to the square root of the curvature along its entries: rounding errors.
_NO_SLOPE = 1e-11
# The t that stands for penalties r + t, t -> 0, where r = 0.
_VANISHING = 1e-270


def null_space(block, rows, r, slopes, known):
    """The directions in which nothing but small penalties acts.

    Parameters
    ----------
    block : array, shape (k, k)
        Of the Hessian at z = 0, where penalties are small.
    rows : array of int64, shape (k,)
        Which entries of z these are.
    r : array, shape (k,)
        Their penalties.
    slopes : array, shape (k,)
        Their part of the gradient at z = 0.
    known : bool
        Whether r is known.

    Returns
    -------
    NullSpace or False
        False if there is none, or none that is one exactly: along it, the
        slope must be 0.
    """
    curvature = block - np.diag(r)
    scale = np.sqrt(np.maximum(np.diag(curvature), 0.0))
    basis = _null_basis(curvature, scale)
    noise = _NO_SLOPE * np.abs(basis).T @ scale
    if not basis.size or np.any(np.abs(basis.T @ slopes) > noise):
        return False
    return NullSpace(basis, rows, r, np.diag(block), known)


def _null_basis(matrix, scale):
    """Basis of the null space of a matrix, of as few entries as may be.

    Parameters
    ----------
    matrix : array, shape (k, k)
        Positive semidefinite.
    scale : array, shape (k,)
        Square roots of its diagonal.

    Returns
    -------
    array, shape (k, q)
    """
    idle, seen = np.flatnonzero(scale == 0), np.flatnonzero(scale)
    basis = np.zeros((len(scale), len(idle)))
    basis[idle, np.arange(len(idle))] = 1.0
    if not len(seen):
        return basis
    scale = scale[seen, None]
    size, vectors = linalg.eigh(matrix[np.ix_(seen, seen)] / (scale * scale.T))
    noise = 10 * np.finfo(float).eps * len(size) * size[-1]
    vectors = vectors[:, size <= noise]
    if not vectors.size:
        return basis
    # An identity matrix in the rows that are most independent: what depends
    # on each other in pairs or groups then stays apart.
    *_, order = linalg.qr(vectors.T, mode="r", pivoting=True)
    vectors = vectors @ np.linalg.inv(vectors[order[:vectors.shape[1]]])
    vectors[np.abs(vectors) < 1e-9] = 0.0
    combined = np.zeros((len(basis), vectors.shape[1]))
    combined[seen] = vectors / scale
    return np.hstack([basis, combined])


class NullSpace:
    """Where the samples do not act: there, the penalties alone decide.

    With N the basis, B the Hessian without penalties, B N = 0, and R the
    penalties, the solution of (B + R) s = b is s = y + N c, where

        (B + R - R N (N'R N)^-1 N'R) y = b - R N (N'R N)^-1 N'b,
        N'R N c = N'b - N'R y.

    The matrix of the first system is 0 on N too. It is made regular by what
    acts on N alone, and changes nothing, as N' times its right hand side is
    0. N'R N is R_w'R_w, with R^(1/2) N = Q R_w; the rows of R^(1/2) N may
    have any ratio, which Householder's method with sorted rows and pivots
    of columns bears: M. J. D. Powell, J. K. Reid, "On applying Householder
    transformations to linear least squares problems", 1969.
    """

    def __init__(self, basis, rows, r, diagonal, known):
        self.rows, self.known = rows, known
        # Penalties without an effect stand for t -> 0.
        self.r = np.maximum(r, _VANISHING)
        root = np.sqrt(self.r)[:, None]
        order = np.argsort(-np.max(np.abs(root * basis), axis=1))
        Q, self.factor, pivots = linalg.qr(
            (root * basis)[order], mode="economic", pivoting=True)
        self.basis = basis[:, pivots]
        self.penalised = np.empty_like(Q)
        self.penalised[order] = Q
        self.penalised *= root
        diagonal = np.where(diagonal > 0, diagonal, 1.0)[:, None]
        self.filling = diagonal * self.basis / np.sqrt(
            np.sum(diagonal * self.basis**2, axis=0))
        self.free = np.abs(np.diag(self.factor)) < (
            1e3 * np.sqrt(_VANISHING) * np.max(np.abs(self.basis), axis=0))

    def fill(self, hessian):
        """The regular matrix of the first system."""
        hessian = hessian.copy()
        hessian[np.ix_(self.rows, self.rows)] += (
            self.filling @ self.filling.T
            - self.penalised @ self.penalised.T)
        return hessian

    def fill_product(self, product):
        """The same, where the Hessian is a function."""
        def filled(v):
            out, inside = product(v), v[self.rows]
            out[self.rows] += (
                self.filling @ (self.filling.T @ inside)
                - self.penalised @ (self.penalised.T @ inside))
            return out

        return filled

    def newton_step(self, inverse, gradient, z):
        """Solve for a gradient: along N, it is the penalties' alone."""
        along = self.basis.T @ (self.r * z[self.rows])
        step, c = self._solve(inverse, gradient, along)
        step[self.rows] += self.basis @ c
        return step

    def solve(self, inverse, b):
        """s, without what grows as 1/t."""
        step, c = self._solve(inverse, b, self._along(b))
        step[self.rows] += self.basis @ np.where(
            self.free & (np.abs(c) > 1e100), 0.0, c)
        return step

    def unbounded(self, b):
        """Direction in which s grows as 1/t, or None."""
        c = np.where(self.free, self._along(b), 0.0)
        if not np.any(c):
            return None
        direction = np.zeros_like(b)
        direction[self.rows] = self.basis @ c
        return direction

    def _along(self, b):
        """N'b, without rounding errors."""
        b = b[self.rows]
        along = self.basis.T @ b
        noise = 1e-11 * np.abs(self.basis).T @ np.abs(b)
        return np.where(self.known & (np.abs(along) > noise), along, 0.0)

    def _solve(self, inverse, b, along):
        solve = partial(linalg.solve_triangular, self.factor)
        along = solve(along, trans="T")
        b = b.copy()
        b[self.rows] -= self.penalised @ along
        y = inverse(b)
        return y, solve(along - self.penalised.T @ y[self.rows])
