import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.hyper_representation import (
    ACTIVATIONS,
    HyperRepresentation,
)
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem

# Numbers of training and validation samples, unless others are asked for.
SIZES = {"digits": (600, 600), "mnist": (20_000, 5_000),
         "regression": (1_000, 1_000)}
ASK = "hyper_representation[data=mnist,download=True]"

# The simulated regression.
N_FEATURES, N_TEACHER, N_TEST, NOISE = 20, 4, 1_000, 0.1


class Dataset(BilevelDataset):
    """The representation of samples under a model that is fitted on it.

    L. Franceschi, P. Frasconi, S. Salzo, R. Grazzi, M. Pontil, "Bilevel
    programming for hyperparameter optimization and meta-learning", ICML 2018,
    section 3.2, on one task: x is the weights and biases of a hidden layer, z
    a linear model of its units. z is trained with a ridge penalty, x is
    judged on validation samples. The Hessian of G in z is that of a convex
    model, so that h and its gradient are exact, while h is far from convex
    and F depends on x also directly.

    Features are centred and divided by one number, so that their mean
    variance is 1 on the training set. Weights start from X. Glorot, Y.
    Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16; biases and z from 0.

    Parameters
    ----------
    data : {"digits", "mnist", "regression"}
        Images of scikit-learn, as the dataset ``digits``; MNIST, as the
        dataset ``mnist``, with a local copy or ``download``; or simulated
        samples: Gaussian features and a real target, which a hidden layer of
        4 tanh units makes of them, and Gaussian noise of variance 0.01.
    activation : {"tanh", "linear"}
        Of the hidden units.
    n_hidden : int
        Hidden units m. z has m + 1 entries for each of 10 classes or for the
        target, x has m for each feature and for the constant one.
    ridge : float, > 0
        C in the penalty C/2 |z|^2 of G.
    decay : float, >= 0
        That of the penalty decay/2 |x|^2 of F.
    n_train, n_validation : int, optional
        600 each of the 1 797 images of digits, the rest of which are the test
        set; 20 000 and 5 000 of MNIST's training set; 1 000 each of
        simulated samples, beside 1 000 for the test.
    download : bool
        Whether scikit-learn may fetch MNIST from OpenML, once.
    """

    name = "hyper_representation"
    requirements = ["scikit-learn"]

    parameters = {
        "data": ["digits"],
        "activation": ["tanh"],
        "n_hidden": [16],
        "ridge": [0.01],
        "decay": [1e-4],
        "n_train": [None],
        "n_validation": [None],
        "download": [False],
    }

    test_config = {"n_hidden": 3, "n_train": 60, "n_validation": 50}

    # The download is the same whatever the other parameters and the seed.
    prepare_cache_ignore = (
        "activation", "n_hidden", "ridge", "decay", "n_train",
        "n_validation", "base_seed")

    def prepare(self):
        if self.data == "mnist" and self.download:
            handwritten.load_mnist(True, ASK)

    def get_problem(self):
        checks.one_of(*SIZES)("data", self.data)
        checks.one_of(True, False)("download", self.download)
        checks.one_of(*ACTIVATIONS)("activation", self.activation)
        checks.positive_int("n_hidden", self.n_hidden)
        checks.positive("ridge", self.ridge)
        checks.non_negative("decay", self.decay)
        rng = self.random_generator()
        train, validation, test = self._parts(rng)
        X, X_validation, X_test = _standardised(
            train[0], validation[0], test[0])
        regression = self.data == "regression"
        kind = {"n_hidden": self.n_hidden, "activation": self.activation,
                "n_classes": None if regression else 10}
        inner = HyperRepresentation(
            X, train[1], ridge=self.ridge, name="training", **kind)
        outer = HyperRepresentation(
            X_validation, validation[1], decay=self.decay, name="validation",
            **kind)
        judge = HyperRepresentation(X_test, test[1], name="test", **kind)
        scores = {"test_loss": judge.value} if regression else {
            "test_error": judge.error}
        return BilevelProblem(
            inner, outer, np.zeros(inner.inner_dim),
            _glorot(rng, X.shape[1], self.n_hidden), scores=scores)

    def _parts(self, rng):
        """Features and labels of three sets of samples."""
        sizes = {
            name: default if getattr(self, name) is None
            else getattr(self, name)
            for name, default in zip(
                ("n_train", "n_validation"), SIZES[self.data], strict=True)}
        if self.data == "digits":
            return handwritten.digits(**sizes, rng=rng)
        if self.data == "mnist":
            return handwritten.mnist(
                **sizes, download=self.download, name=ASK, rng=rng)
        for name, size in sizes.items():
            checks.positive_int(name, size)
        return _simulated([*sizes.values(), N_TEST], rng)


def _simulated(sizes, rng):
    """Gaussian samples, whose target is made by tanh units, and noise."""
    weights = rng.standard_normal((N_FEATURES, N_TEACHER))
    head = rng.standard_normal(N_TEACHER)
    X = rng.standard_normal((sum(sizes), N_FEATURES))
    y = np.tanh(X @ weights / np.sqrt(N_FEATURES)) @ head
    y += NOISE * rng.standard_normal(len(y))
    ends = np.cumsum(sizes)[:-1]
    return list(zip(np.split(X, ends), np.split(y, ends), strict=True))


def _standardised(train, *others):
    """Centre features, and divide all by one number."""
    mean = train.mean(0)
    # Where no feature varies, 1 will do.
    scale = np.sqrt(np.mean((train - mean) ** 2)) or 1.0
    return [(X - mean) / scale for X in (train, *others)]


def _glorot(rng, n_features, n_hidden):
    """Weights and a bias of 0 for each hidden unit, flattened by units."""
    bound = np.sqrt(6.0 / (n_features + n_hidden))
    weights = rng.uniform(-bound, bound, size=(n_hidden, n_features))
    return np.column_stack([weights, np.zeros(n_hidden)]).ravel()
