import numpy as np
from sklearn.datasets import load_digits

from benchmark_utils import checks
from benchmark_utils.functions.differentiable import Differentiable, jax
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem

N_CLASSES, N_PIXELS = 10, 64


def cross_entropy(z, x, image, label):
    """Multinomial logistic loss of one image; x has no part in it."""
    scores = z @ image
    return jax.nn.logsumexp(scores) - scores[label]


def of_synthetic(z, x, i, label):
    """The same of a synthetic image, whose pixels are in x."""
    return cross_entropy(z, x, x[i], label)


class Dataset(BilevelDataset):
    """Dataset distillation: a few images on which a model learns the most.

    T. Wang, J.-Y. Zhu, A. Torralba, A. A. Efros, "Dataset distillation",
    arXiv:1811.10959; there a network takes some steps on the images, here z
    minimises a convex loss, so that h and its gradient are exact.

    x is the pixels of synthetic images, whose labels are fixed, as many of
    each class as possible. z, a multinomial logistic regression, is trained on
    these images alone, with a ridge penalty, and judged on real ones: digits
    of scikit-learn. E. Alpaydin, C. Kaynak, "Optical recognition of
    handwritten digits", UCI, 1998. Pixels are from 0 to 1, those of synthetic
    images are any numbers; they start uniform in [0, 1].

    Parameters
    ----------
    n_images : int
        Synthetic images, at least one of each of the 10 classes.
    n_train : int
        Real images that the model is judged on; the others, at least one,
        are the test set.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    way : {"traced", "callback"}
        How the losses are computed: see ``Differentiable``.
    """

    name = "distillation"
    requirements = ["scikit-learn", "pip::jax"]

    parameters = {
        "n_images": [20],
        "n_train": [1000],
        "ridge": [0.05],
        "way": ["traced"],
    }

    test_config = {"n_images": 10, "n_train": 70}

    def get_problem(self):
        X, y = load_digits(return_X_y=True)
        checks.int_between(N_CLASSES, 10**5)("n_images", self.n_images)
        checks.int_between(N_CLASSES, len(y) - 1)("n_train", self.n_train)
        checks.positive("ridge", self.ridge)
        rng = self.random_generator()
        order = rng.permutation(len(y))
        X, y = X[order] / 16.0, y[order]
        n, m = self.n_train, self.n_images
        if len(np.unique(y[:n])) < N_CLASSES:
            raise ValueError(
                f"n_train={n} is not valid: with this seed, the images are "
                f"of {len(np.unique(y[:n]))} of {N_CLASSES} classes; more "
                "are needed")
        z = np.zeros((N_CLASSES, N_PIXELS))
        x = rng.uniform(size=(m, N_PIXELS))
        ridge = self.ridge
        inner = Differentiable(
            of_synthetic, (np.arange(m), np.arange(m) % N_CLASSES), z, x,
            penalty=lambda z, x: 0.5 * ridge * (z * z).sum(), way=self.way,
            name="synthetic images")
        outer = Differentiable(
            cross_entropy, (X[:n], y[:n]), z, x, way=self.way,
            name="real images")

        def test_error(z, x):
            scores = X[n:] @ z.reshape(N_CLASSES, N_PIXELS).T
            return np.mean(scores.argmax(axis=1) != y[n:])

        return BilevelProblem(
            inner, outer, inner.inner_start, inner.outer_start,
            scores={"test_error": test_error})
