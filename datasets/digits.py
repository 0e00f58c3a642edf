from benchmark_utils.problems import handwritten
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.images import cleaning_problem


class Dataset(BilevelDataset):
    """Data hyper-cleaning on the digits of scikit-learn.

    L. Franceschi, M. Donini, P. Frasconi, M. Pontil, "Forward and reverse
    gradient-based hyperparameter optimization", ICML 2017, on 1 797 images
    of 8 x 8 pixels that come with scikit-learn: E. Alpaydin, C. Kaynak,
    "Optical recognition of handwritten digits", UCI, 1998.

    One weight sigma(x_i) a training sample, of which many have wrong labels.
    A multinomial logistic regression is trained on the weighted samples, and
    validated on samples whose labels are right.

    Parameters
    ----------
    ratio : float, in [0, 1)
        Probability that a training label is replaced by one drawn at random
        among all classes.
    n_train, n_validation : int
        The images that are left, at least one, are the test set.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    """

    name = "digits"
    requirements = ["scikit-learn"]

    parameters = {
        "ratio": [0.5],
        "n_train": [600],
        "n_validation": [600],
        "ridge": [0.01],
    }

    test_config = {"n_train": 120, "n_validation": 100}

    def get_problem(self):
        rng = self.random_generator()
        parts = handwritten.digits(self.n_train, self.n_validation, rng)
        return cleaning_problem(*parts, self.ratio, self.ridge, 10, rng)
