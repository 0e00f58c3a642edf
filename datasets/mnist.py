from benchmark_utils import checks
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.images import cleaning_problem

N_TRAIN, N_VALIDATION = 20_000, 5_000
ASK = "mnist[download=True]"


class Dataset(BilevelDataset):
    """Data hyper-cleaning on MNIST.

    The problem of ``digits``, on Y. LeCun, C. Cortes, C. J. C. Burges, "The
    MNIST database of handwritten digits", 1998: 20 000 training and 5 000
    validation images of 28 x 28 pixels, drawn from MNIST's training set, and
    MNIST's own test set. The second experiment of M. Dagréou et al., NeurIPS
    2022.

    It is not downloaded unless asked for, and is skipped then. With p = 7 850
    the metrics come from a truncated Newton method, to a relative 1e-10 of
    the gradient of G, and an evaluation takes about a second.

    To use a local copy, point ``data_paths: mnist`` of the benchmark's
    ``config.yml`` to a file ``mnist.npz`` with the arrays ``X`` (70 000, 784)
    and ``y`` (70 000,), the test set last.

    Parameters
    ----------
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random
        among all classes.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    download : bool
        Whether scikit-learn may fetch the data from OpenML (15 MB), once, to
        ``$SCIKIT_LEARN_DATA``.
    """

    name = "mnist"
    requirements = ["scikit-learn"]

    parameters = {"ratio": [0.5], "ridge": [0.01], "download": [False]}

    # The download is the same whatever the parameters and the seed.
    prepare_cache_ignore = ("ratio", "ridge", "base_seed")

    def prepare(self):
        if self.download:
            handwritten.load_mnist(True, ASK)

    def get_problem(self):
        checks.one_of(True, False)("download", self.download)
        checks.in_unit_interval("ratio", self.ratio)
        checks.positive("ridge", self.ridge)
        rng = self.random_generator()
        parts = handwritten.mnist(
            N_TRAIN, N_VALIDATION, self.download, ASK, rng)
        return cleaning_problem(*parts, self.ratio, self.ridge, 10, rng)
