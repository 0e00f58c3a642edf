import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmark_utils import checks
from benchmark_utils.functions.differentiable import Differentiable, jax, jnp
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.classifier import cross_entropy, share_of_errors
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.images import (
    has_all_classes,
    principal_components,
)
from benchmark_utils.problems.multiclass import corrupt
from benchmark_utils.problems.problem import BilevelProblem

N_CLASSES, N_FOLDS = 10, 3


def network(tanh, x, inputs):
    """What goes into its sigmoid, in NumPy or JAX; x has a row a unit."""
    return tanh(inputs @ x[:, :-1].T) @ x[:, -1]


def weighted(z, x, inputs, *sample):
    """The loss of a training image, times its weight from 0 to 1."""
    weight = jax.nn.sigmoid(network(jnp.tanh, x, inputs))
    return weight * cross_entropy(z, x, *sample)


class Dataset(BilevelDataset):
    """A network that weighs samples by their loss: cleaning that generalises.

    J. Shu et al., "Meta-Weight-Net: learning an explicit mapping for sample
    weighting", NeurIPS 2019. There its input is the loss at the current z;
    here, that of a model fitted on other folds: G is convex in z.

    x is the network, one hidden layer of tanh units and a sigmoid; z a
    multinomial logistic regression on weighted images with wrong labels and a
    ridge penalty; F its loss on images whose labels are right: main components
    of scikit-learn's digits. ``test_auc`` is the area under the ROC curve of
    the weights of test images, as a detector of labels that are right.

    Parameters
    ----------
    inputs : {"loss", "image"}
        Of the network: the loss of a sample, or that with image and label.
    ratio : float, in [0, 1)
        Probability that a training label is drawn anew, from all classes.
    n_train, n_validation, n_hidden, n_components : int
        Images, of which the rest is the test set; units of the network; and
        features of an image.
    ridge : float, > 0
        C in the penalty C/2 |z|^2.
    way : {"traced", "callback"}
        How the losses are computed: see ``Differentiable``.
    """

    name = "loss_weighting"
    requirements = ["scikit-learn", "pip::jax"]

    parameters = {
        "inputs": ["loss"],
        "ratio": [0.5],
        "n_train": [500],
        "n_validation": [200],
        "n_hidden": [10],
        "n_components": [20],
        "ridge": [0.01],
        "way": ["traced"],
    }

    test_config = {"n_train": 90, "n_validation": 50, "n_hidden": 3,
                   "n_components": 4}
    test_parameters = {"inputs": ["loss", "image"]}

    def get_problem(self):
        checks.one_of("loss", "image")("inputs", self.inputs)
        checks.in_unit_interval("ratio", self.ratio)
        checks.int_between(1, 1000)("n_hidden", self.n_hidden)
        checks.positive("ridge", self.ridge)
        rng, C, m = self.random_generator(), self.ridge, self.n_hidden
        parts = handwritten.digits(self.n_train, self.n_validation, rng)
        right = [y for _, y in parts]
        X, X_validation, X_test = principal_components(
            self.n_components, *(X for X, _ in parts))
        y, y_test = (corrupt(right[k], self.ratio, N_CLASSES, rng)
                     for k in (0, 2))
        has_all_classes(f"n_train={self.n_train}", y, N_CLASSES, N_FOLDS)
        inputs, test_inputs = self._inputs(X, y, X_test, y_test)
        n_in, z = inputs.shape[1], np.zeros((N_CLASSES, X.shape[1]))
        x = rng.uniform(-1, 1, size=(m, n_in + 1)) * np.sqrt(6 / (n_in + m))
        inner = Differentiable(
            weighted, (inputs, X, y), z, x, way=self.way,
            penalty=lambda z, x: 0.5 * C * (z * z).sum(), name="training")
        outer = Differentiable(cross_entropy, (X_validation, right[1]), z, x,
                               way=self.way, name="validation")
        scores = {"test_error": share_of_errors(X_test, right[2], N_CLASSES)}
        kept = y_test == right[2]
        if 0 < kept.mean() < 1:
            scores["test_auc"] = lambda z, x: roc_auc_score(
                kept, network(np.tanh, x.reshape(m, -1), test_inputs))
        return BilevelProblem(
            inner, outer, inner.inner_start, inner.outer_start, scores=scores)

    def _inputs(self, X, y, X_test, y_test):
        """Inputs of the network, of training images and of test images."""
        model = LogisticRegression(C=1 / (self.ridge * len(y)), max_iter=1000)
        guesses = [cross_val_predict(
            model, X, y, method="predict_log_proba", cv=StratifiedKFold(
                N_FOLDS)), model.fit(X, y).predict_log_proba(X_test)]
        inputs = []
        for guess, A, label in zip(
                guesses, (X, X_test), (y, y_test), strict=True):
            loss = -guess[np.arange(len(A)), label][:, None]
            more = [A[:, :-1], np.eye(N_CLASSES)[label]]
            inputs.append(np.hstack([loss - 2.0, np.ones_like(loss), *(
                more if self.inputs == "image" else [])]))
        return inputs
