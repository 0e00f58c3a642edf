import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.differentiable import Differentiable, jnp
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.classifier import cross_entropy, share_of_errors
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.images import (
    has_all_classes,
    principal_components,
    scale_features,
)
from benchmark_utils.problems.problem import BilevelProblem

# Of the simulated samples; and halvings of an interval, one a bit of a double.
N_FEATURES, N_CLASSES, N_TEST, N_HALVINGS = 20, 4, 1000, 54


def onto_budget(x, budget):
    """The nearest point of 0 <= x <= 1, sum x = budget: min(max(x - t, 0), 1).

    t is found by bisection and, once it is known which entries are at their
    bounds, by division.
    """
    low, high = jnp.min(x) - 1.0, jnp.max(x)
    for _ in range(N_HALVINGS):
        t = 0.5 * (low + high)
        much = jnp.sum(jnp.clip(x - t, 0.0, 1.0)) > budget
        low, high = jnp.where(much, t, low), jnp.where(much, high, t)
    t = 0.5 * (low + high)
    free, full = (x - t > 0.0) & (x - t < 1.0), x - t >= 1.0
    t = jnp.where(jnp.any(free), (
        jnp.sum(jnp.where(free, x, 0.0)) + jnp.sum(full) - budget)
        / jnp.maximum(jnp.sum(free), 1), t)
    return jnp.clip(x - t, 0.0, 1.0)


class Dataset(BilevelDataset):
    """Coreset selection: a few samples on which a model learns as on all.

    Z. Borsos, M. Mutny, A. Krause, "Coresets via bilevel optimization for
    continual learning and streaming", NeurIPS 2020, with a convex model; X.
    Zhou, R. Pi, W. Zhang, Y. Lin, Z. Chen, T. Zhang, "Probabilistic bilevel
    coreset selection", ICML 2022, for the set of x, which there are the
    probabilities of the samples, and here their weights.

    z, a multinomial logistic regression, is trained on weighted candidates,
    with a ridge penalty, and judged on many samples, of which the candidates
    are the first. x is the weights, 0 <= x <= 1 and sum x = k: the convex hull
    of all choices of k candidates; for k = 1, the simplex.

    Parameters
    ----------
    data : {"digits", "simulated"}
        Main components of scikit-learn's digits, or 4 Gaussian classes.
    n_train, n_candidates, n_components : int
        Samples, how many of them may be chosen, and features of an image.
        The rest of the digits, or 1000 more, are the test set.
    budget : int, >= 1
        The k above, less than ``n_candidates``.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    way : {"traced", "callback"}
        How the losses are computed: see ``Differentiable``.
    """

    name = "coreset"
    requirements = ["scikit-learn", "pip::jax"]

    parameters = {
        "data": ["digits"],
        "n_train": [1000],
        "n_candidates": [200],
        "budget": [20],
        "n_components": [20],
        "ridge": [0.01],
        "way": ["traced"],
    }

    test_config = {"n_train": 80, "n_candidates": 60, "budget": 5,
                   "n_components": 4}
    test_parameters = {"data": ["digits", "simulated"]}

    def get_problem(self):
        checks.one_of("digits", "simulated")("data", self.data)
        checks.int_between(2, 10**5)("n_train", self.n_train)
        checks.int_between(2, self.n_train)("n_candidates", self.n_candidates)
        checks.int_between(1, self.n_candidates - 1)("budget", self.budget)
        checks.positive("ridge", self.ridge)
        n, k, C = self.n_candidates, float(self.budget), self.ridge
        (X, y), (X_test, y_test) = self._parts(self.random_generator())
        n_classes = 10 if self.data == "digits" else N_CLASSES
        has_all_classes(f"n_candidates={n}", y[:n], n_classes)
        z, x = np.zeros((n_classes, X.shape[1])), np.full(n, k / n)
        inner = Differentiable(
            lambda z, x, i, *sample: n / k * x[i] * cross_entropy(
                z, x, *sample),
            (np.arange(n), X[:n], y[:n]), z, x,
            penalty=lambda z, x: 0.5 * C * (z * z).sum(),
            project=lambda x: onto_budget(x, k), way=self.way,
            name="candidates")
        outer = Differentiable(cross_entropy, (X, y), z, x, way=self.way,
                               name="all samples")
        return BilevelProblem(
            inner, outer, inner.inner_start, inner.outer_start, scores={
                "test_error": share_of_errors(X_test, y_test, n_classes)})

    def _parts(self, rng):
        """Features and classes, for training and for the test."""
        if self.data == "digits":
            train, _, test = handwritten.digits(self.n_train, 1, rng)
            X, X_test = principal_components(
                self.n_components, train[0], test[0])
            return (X, train[1]), (X_test, test[1])
        means = rng.standard_normal((N_CLASSES, N_FEATURES))
        y = rng.integers(N_CLASSES, size=self.n_train + N_TEST)
        X = means[y] + 2 * rng.standard_normal((len(y), N_FEATURES))
        n = self.n_train
        return list(zip(scale_features(X[:n], X[n:]), (y[:n], y[n:]),
                        strict=True))
