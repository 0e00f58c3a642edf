"""A bilevel problem: what a dataset makes and every solver receives."""
import numpy as np


class BilevelProblem:
    """min_x h(x) = F(z*(x), x) with z*(x) = argmin_z G(z, x).

    Parameters
    ----------
    inner, outer : function
        G and F, for instance ``LogisticRegression`` or ``Quadratic``:
        objects with ``value``, ``grad_z``, ``grad_x``, ``grad_hessian``,
        ``cross``, ``project`` and ``batches``.
    inner_start : array of float64, shape (p,)
    outer_start : array of float64, shape (d,)
        Where every solver starts, in every repetition.
    minimum : tuple of (array of shape (d,), float), optional
        The minimiser of h and min h, where they are known.
    scores : dict of {str: function}, optional
        Further metrics, each a function of (z*(x), x) that returns a float:
        for instance ``test_error``, where there is a test set.

    Raises
    ------
    ValueError
        If the functions or the starts disagree on p or d.
    """

    def __init__(self, inner, outer, inner_start, outer_start, minimum=None,
                 scores=None):
        shapes = {
            "outer function": (outer.inner_dim, outer.outer_dim),
            "start": (np.size(inner_start), np.size(outer_start)),
        }
        for name, shape in shapes.items():
            if shape != (inner.inner_dim, inner.outer_dim):
                raise ValueError(
                    f"dimensions (inner, outer)={shape} of the {name} are "
                    "not valid: the inner function has "
                    f"{(inner.inner_dim, inner.outer_dim)}; inner and outer "
                    "data need the same number of features"
                )
        self.inner, self.outer = inner, outer
        self.inner_dim, self.outer_dim = inner.inner_dim, inner.outer_dim
        self.inner_start = np.array(inner_start, dtype=float)
        self.outer_start = np.array(outer_start, dtype=float)
        self.minimum = minimum
        self.scores = scores or {}

    def orders(self, seed):
        """Permutations of the samples of G and of F, by the seed alone.

        Data that is sorted, by label or in time, would else make batches
        whose gradients vary more than those of random samples: five times
        more, in variance, on IJCNN1.

        Returns
        -------
        array of int64, shape (n,)
        array of int64, shape (m,)
        """
        rng = np.random.default_rng(seed)
        return (rng.permutation(self.inner.n_samples),
                rng.permutation(self.outer.n_samples))

    def batches(self, batch_size, seed):
        """G and F for the compiled oracles, in batches of one size.

        Batches are uniform samples without replacement.

        Parameters
        ----------
        batch_size : int or "full"
        seed : int
            Of the permutation of the samples.

        Returns
        -------
        G, F : Function
            With counters of oracle calls at 0.
        """
        inner, outer = self.orders(seed)
        return (self.inner.batches(batch_size, inner),
                self.outer.batches(batch_size, outer))
