import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.problems.dataset import BilevelDataset, logistic_start
from benchmark_utils.problems.problem import BilevelProblem


# benchopt ignores files whose name begins with "template_": copy this one.
class Dataset(BilevelDataset):
    """What the problem is, where the data is from, and its size.

    Parameters
    ----------
    n_samples : int
        Of the training set and of the validation set.
    """

    # What users type after -d.
    name = "template"

    parameters = {"n_samples": [300]}

    # A smaller one for `benchopt test` and for
    # `pytest -n 0 tests/datasets/test_every_dataset.py -k template`, which
    # checks every derivative, the start, and what is kept of a run.
    test_config = {"n_samples": 60}

    def get_problem(self):
        # Whatever is raised here is the reason for which this dataset is
        # skipped, and the rest of the run goes on. Raise a ValueError or an
        # OSError that says what to do; any other error leaves its traceback
        # in the log. Downloads belong in a method `prepare`: see
        # datasets/ijcnn1.py.
        checks.positive_int("n_samples", self.n_samples)

        # Depends on benchopt's --seed alone: the same data and the same start
        # for every solver and repetition.
        rng = self.random_generator()
        X = rng.standard_normal((2 * self.n_samples, 4))
        y = np.where(X[:, 0] + rng.standard_normal(len(X)) > 0, 1, -1)

        # The inner function is regularised, the outer one is not. Other
        # kinds: benchmark_utils/functions/, or one of your own there, with the
        # same methods and kernels: benchmark_utils/functions/oracles.py.
        inner = LogisticRegression(
            X[::2], y[::2], "exponential", name="training")
        outer = LogisticRegression(X[1::2], y[1::2], name="validation")
        z, x = logistic_start(rng, 4, "exponential")
        return BilevelProblem(inner, outer, z, x)
