from functools import partial

import numpy as np
from scipy.fft import dct
from sklearn.datasets import load_digits

from benchmark_utils import checks
from benchmark_utils.functions.differentiable import Differentiable, jnp
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference.truncated import truncated_newton

# G is this part of the sum over images: its curvature is then near 1, also on
# batches of 64 of the 100 images.
N_TEST, SCALE = 20, 0.25


def energy(filters, together, n, z, x, i, noisy):
    """What the denoised image i minimises, as G averages it."""
    image, size = z[i], int(np.sqrt(filters.shape[1]))
    end = len(noisy) - size + 1
    patches = jnp.concatenate([
        image[a:a + end, b:b + end].reshape(1, -1)
        for a in range(size) for b in range(size)])
    squares = (filters @ patches)**2
    if together:
        squares = squares.sum(axis=0, keepdims=True)
    weights, smoothing = jnp.exp(x[0])[:, None], jnp.exp(x[1])[:, None]
    edges = jnp.sqrt(squares + smoothing**2) - smoothing
    return SCALE * n * (
        0.5 * ((image - noisy)**2).sum() + (weights * edges).sum())


def distance(z, x, i, truth):
    """Half the squared distance of a denoised image from the true one."""
    return 0.5 * ((z[i] - truth)**2).sum()


class Dataset(BilevelDataset):
    """Denoising: weights and smoothing of a regulariser of images.

    K. Kunisch, T. Pock, "A bilevel optimization approach for parameter
    learning in variational models", SIAM Journal on Imaging Sciences 6, 2013;
    with the smoothing learned too, M. S. Salehi, S. Mukherjee, L. Roberts, M.
    J. Ehrhardt, "An adaptively inexact first-order method for bilevel
    optimization with application to hyperparameter learning", 2023. With
    filters K_k, a denoised image z_i minimises

        1/2 |z_i - noisy_i|^2 + sum_k w_k sum_j s((K_k z_i)_j, e_k),

    s(t, e) = (t^2 + e^2)^(1/2) - e, x = log w, log e; F is the average of
    1/2 |z_i - true_i|^2. G is a quarter of the sum over images, which are the
    samples: digits of scikit-learn, of 8 x 8 pixels from 0 to 1. p is that of
    all pixels: beyond 2 000, the metrics are those of truncated Newton, to
    1e-10 relative.

    Parameters
    ----------
    regulariser : {"experts", "tv"}
        The filters are the discrete cosine transform of patches, without the
        constant one, divided by their side. Or one term, for total variation:
        (K z)_j is the norm of the two differences at j, halved.
    n_images : int
        At least 2. Of the others, 20 are the test set.
    filter_size : int
        Side of a patch, from 2 to 8 pixels; always 2 with "tv".
    noise : float, > 0
        Standard deviation of the Gaussian noise.
    way : {"traced", "callback"}
        How the losses are computed: see ``Differentiable``.
    """

    name = "denoising"
    requirements = ["scikit-learn", "pip::jax"]

    parameters = {
        "regulariser": ["experts"],
        "n_images": [100],
        "filter_size": [3],
        "noise": [0.2],
        "way": ["traced"],
    }

    test_config = {"n_images": 6}
    test_parameters = {"regulariser": ["experts", "tv"]}

    def get_problem(self):
        images = load_digits().images / 16.0
        checks.one_of("experts", "tv")("regulariser", self.regulariser)
        checks.int_between(2, len(images) - N_TEST)("n_images", self.n_images)
        checks.int_between(2, images.shape[1])("filter_size", self.filter_size)
        checks.positive("noise", self.noise)
        n, rng = self.n_images, self.random_generator()
        truth = images[rng.permutation(len(images))[:n + N_TEST]]
        noisy = truth + self.noise * rng.standard_normal(truth.shape)
        tv, f = self.regulariser == "tv", self.filter_size
        basis = dct(np.eye(f), norm="ortho", axis=0)
        filters = np.kron(basis, basis)[1:] / f
        if tv:
            filters = np.array([[-0.5, 0.5, 0, 0], [-0.5, 0, 0.5, 0]])
        x = np.full((2, 1 if tv else len(filters)), np.log(0.1))
        test = Differentiable(
            partial(energy, filters, tv, N_TEST),
            (np.arange(N_TEST), noisy[n:]), noisy[n:], x, way="callback")
        inner = Differentiable(
            partial(energy, filters, tv, n), (np.arange(n), noisy[:n]),
            noisy[:n], x, way=self.way, name="noisy images")
        outer = Differentiable(
            distance, (np.arange(n), truth[:n]), noisy[:n], x, way=self.way,
            name="true images")

        def test_loss(z, x):
            z = truncated_newton(test, x, test.inner_start)[0]
            return 0.5 * np.sum((z - truth[n:].ravel())**2) / N_TEST

        return BilevelProblem(
            inner, outer, inner.inner_start, inner.outer_start,
            scores={"test_loss": test_loss})
