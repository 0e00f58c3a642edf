import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.quadratic import Quadratic, minimise_quadratic
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import metrics


class Dataset(BilevelDataset):
    """Random quadratic functions with coupled levels and known min h.

    Each sample of G and of F is a quadratic function of (z, x) with the
    Hessian L W_i W_i' L', the W_i being random matrices. Their average is
    exactly L L', whose blocks have eigenvalues spaced evenly in logarithm
    between 1 / ``conditioning`` and 1, and whose off-diagonal block is
    ``coupling`` times the largest that keeps it positive semi-definite. G and
    F are thus jointly convex, and so is h. Within the bounds below, min h is
    known to 1e-10 relative.

    Parameters
    ----------
    n_inner, n_outer : int
        Numbers of samples of G and F.
    inner_dim, outer_dim : int
        Dimensions p and d.
    conditioning : float, from 1 to 1e6
        Condition number of the Hessians of G and F in z, and in x.
    coupling : float, from 0 to 0.9999
        0: z*(x) does not depend on x.
    noise : float, >= 0
        Standard deviation of the first-order coefficients over samples.
    """

    name = "quadratic"

    parameters = {
        "n_inner": [1024],
        "n_outer": [1024],
        "inner_dim": [20],
        "outer_dim": [10],
        "conditioning": [10.0],
        "coupling": [0.5],
        "noise": [1.0],
    }

    test_config = {
        "n_inner": 64, "n_outer": 96, "inner_dim": 5, "outer_dim": 3,
    }

    def get_problem(self):
        for size in ("n_inner", "n_outer", "inner_dim", "outer_dim"):
            checks.positive_int(size, getattr(self, size))
        checks.between(1, 1e6)("conditioning", self.conditioning)
        checks.non_negative("noise", self.noise)
        checks.between(0, 0.9999)("coupling", self.coupling)
        rng = self.random_generator()
        inner = self._random_quadratic(rng, self.n_inner)
        outer = self._random_quadratic(rng, self.n_outer)
        with np.errstate(over="ignore", invalid="ignore"):  # An error, below.
            problem = BilevelProblem(
                inner, outer, rng.standard_normal(self.inner_dim),
                rng.standard_normal(self.outer_dim),
                minimum=minimise_quadratic(inner, outer))
            start = metrics(problem, problem.inner_start, problem.outer_start)
        if not all(np.isfinite(list(start.values()))):
            raise self._too_much_noise()
        return problem

    def _too_much_noise(self):
        return ValueError(
            f"noise={self.noise!r} with conditioning={self.conditioning!r} "
            "is not valid: h cannot be computed in float64, less is needed")

    def _random_quadratic(self, rng, n_samples):
        p, d = self.inner_dim, self.outer_dim
        # Square roots of the diagonal blocks, then the factor L.
        root_A, root_B = self._root(rng, p), self._root(rng, d)
        rotation = np.linalg.qr(rng.standard_normal((max(p, d),) * 2))[0]
        hessian = np.block([
            [root_A @ root_A, np.zeros((p, d))],
            [self.coupling * root_B @ rotation[:d, :p] @ root_A,
             root_B @ root_B],
        ])
        L = np.linalg.cholesky(hessian)  # Reads the lower triangle only.

        # One outer product of Gaussian vectors a dimension, rescaled so that
        # their average over all samples is the identity.
        W = rng.standard_normal((n_samples * (p + d), p + d))
        R = np.linalg.qr(W, mode="r")
        W = np.linalg.solve(R.T, W.T).T * np.sqrt(n_samples)
        W = (W @ L.T).reshape(n_samples, p + d, p + d)
        hessians = W.transpose(0, 2, 1) @ W
        with np.errstate(over="ignore"):  # It is an error, below.
            linear = (rng.standard_normal(p + d)
                      + self.noise * rng.standard_normal((n_samples, p + d)))
        if not np.all(np.isfinite(linear)):
            raise self._too_much_noise()
        return Quadratic(
            A=hessians[:, :p, :p], B=hessians[:, p:, p:],
            C=hessians[:, p:, :p], a=linear[:, :p], b=linear[:, p:],
        )

    def _root(self, rng, size):
        """Symmetric matrix with prescribed spectrum of its square."""
        eigenvalues = np.logspace(0, -np.log10(self.conditioning), size)
        Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
        return (Q * np.sqrt(eigenvalues)) @ Q.T
