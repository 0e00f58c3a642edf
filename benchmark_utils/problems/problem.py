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
        Further metrics, each a function of (z*(x), x) that returns a float.
    test : function, optional
        On a test set, with a method ``error``: makes the score
        ``test_error``.

    Raises
    ------
    ValueError
        If the functions or the starts disagree on p or d, if z has no part
        in one of the functions or x none in the inner one, where that is
        known, or if a score cannot be computed at the start.
    """

    def __init__(self, inner, outer, inner_start, outer_start, minimum=None,
                 scores=None, test=None):
        if test is not None and test.inner_dim != inner.inner_dim:
            raise ValueError(
                f"dimension {test.inner_dim} of the test function is not "
                f"valid: the inner function has {inner.inner_dim}; test and "
                "inner data need the same number of features")
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
        for name, function, variable in (
                ("inner", inner, "inner"), ("inner", inner, "outer"),
                ("outer", outer, "inner")):
            if not getattr(function, f"uses_{variable}", True):
                raise ValueError(
                    f"the {name} function does not depend on the {variable} "
                    "variable: there is no bilevel problem")
        self.inner, self.outer = inner, outer
        self.inner_dim, self.outer_dim = inner.inner_dim, inner.outer_dim
        self.inner_start = np.array(inner_start, dtype=float)
        self.outer_start = np.array(outer_start, dtype=float)
        self.minimum = minimum
        self.test = test
        self.scores = dict(scores or {})
        if test is not None:
            self.scores = {
                "test_error": lambda z, x: test.error(z), **self.scores}
        self._try_scores()

    def _try_scores(self):
        """Find out now, and not in every run, what cannot be computed."""
        for name, score in self.scores.items():
            try:
                float(score(self.inner_start, self.outer_start))
            except Exception as error:
                raise ValueError(
                    f"the score {name!r} cannot be computed at the start: "
                    f"{type(error).__name__}: {error}") from error

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
