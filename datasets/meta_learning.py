import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.differentiable import Differentiable, jnp
from benchmark_utils.problems import handwritten
from benchmark_utils.problems.dataset import BilevelDataset
from benchmark_utils.problems.problem import BilevelProblem

N_QUERY, N_TEST_TASKS, NOISE = 15, 100, 0.1
# Of training tasks, and of test tasks. There are 1083 images of the first.
CLASSES = np.arange(6), np.arange(6, 10)
MAX_TASKS = {"sinusoids": 10**5, "digits": 1083}


def squared_error(z, x, task, X, Y):
    """Half the mean squared error of the head of a task, on its samples."""
    units, scale = jnp.tanh(X @ x.T), (len(x) + 1) ** 0.5
    errors = units @ z[task, :-1] / scale + z[task, -1] / scale - Y
    return 0.5 * (errors**2).sum() / len(X)


class Dataset(BilevelDataset):
    """Meta-learning: a representation on which tasks are learned from little.

    L. Franceschi, P. Frasconi, S. Salzo, R. Grazzi, M. Pontil, "Bilevel
    programming for hyperparameter optimization and meta-learning", ICML 2018,
    section 3.2; K. Ji, J. Yang, Y. Liang, "Bilevel optimization: convergence
    analysis and enhanced design", ICML 2021. x is weights and biases of a
    hidden layer of tanh units, divided by the root of their number, z a linear
    head for each task on them. G is half the sum over tasks of the squared
    error of a head on its few support samples, with a ridge penalty; F is the
    average on query samples of the same tasks: a sample is a task. Classes are
    regressed on, as in L. Bertinetto, J. Henriques, P. Torr, A. Vedaldi,
    "Meta-learning with differentiable closed-form solvers", ICLR 2019.

    Parameters
    ----------
    data : {"sinusoids", "digits"}
        Sines of random amplitude, in [0.1, 1], and phase, on [-5, 5], and
        noise of variance 0.01: after C. Finn, P. Abbeel, S. Levine,
        "Model-agnostic meta-learning", ICML 2017. Or 3 random classes of
        scikit-learn's digits, of 0 to 5; test tasks have them of 6 to 9.
    n_tasks, n_hidden : int
        At least 2 tasks, of digits not more than images; hidden units.
    n_shots : int
        Support samples of a task, or of each class; query samples are 15.
    ridge : float, > 0
        C in the penalty C/2 |z_t|^2 of a task t.
    way : {"traced", "callback"}
        How the losses are computed: see ``Differentiable``.
    """

    name = "meta_learning"
    requirements = ["scikit-learn", "pip::jax"]

    parameters = {
        "data": ["sinusoids"],
        "n_tasks": [100],
        "n_shots": [10],
        "n_hidden": [6],
        "ridge": [1e-3],
        "way": ["traced"],
    }

    test_config = {"n_tasks": 20, "n_shots": 3, "n_hidden": 3}
    test_parameters = {"data": ["sinusoids", "digits"]}

    def get_problem(self):
        checks.one_of(*MAX_TASKS)("data", self.data)
        checks.int_between(2, MAX_TASKS[self.data])("n_tasks", self.n_tasks)
        checks.int_between(1, 1000)("n_shots", self.n_shots)
        checks.int_between(1, 1000)("n_hidden", self.n_hidden)
        checks.positive("ridge", self.ridge)
        draw = sinusoids if self.data == "sinusoids" else digits
        T, m, C = self.n_tasks, self.n_hidden, self.ridge
        rng = self.random_generator()
        X, Y, *query = draw(rng, T, self.n_shots)
        test = draw(rng, N_TEST_TASKS, self.n_shots, test=True)
        z = np.zeros((T, m + 1, Y.shape[-1]))
        bound = np.sqrt(6.0 / (X.shape[-1] + m))
        x = rng.uniform(-bound, bound, size=(m, X.shape[-1]))
        inner = Differentiable(
            lambda *task: 0.5 * T * squared_error(*task), (range(T), X, Y),
            z, x, penalty=lambda z, x: 0.25 * C * (z * z).sum(),
            way=self.way, name="support samples")
        outer = Differentiable(squared_error, (range(T), *query), z, x,
                               way=self.way, name="query samples")
        name = "test_loss" if draw is sinusoids else "test_error"
        return BilevelProblem(
            inner, outer, inner.inner_start, inner.outer_start, scores={
                name: lambda z, x: score(x.reshape(m, -1), C, *test)})


def sinusoids(rng, n_tasks, n_shots, test=False):
    """Support samples and targets of tasks, and query samples and targets."""
    t = rng.uniform(-5, 5, size=(n_tasks, n_shots + N_QUERY, 1))
    amplitude, phase = rng.uniform(
        [[0.1], [0.0]], [[1.0], [np.pi]], size=(2, n_tasks))[..., None, None]
    Y = amplitude * np.sin(t + phase) + NOISE * rng.standard_normal(t.shape)
    X = np.concatenate([t, np.ones_like(t)], axis=2)
    return X[:, :n_shots], Y[:, :n_shots], X[:, n_shots:], Y[:, n_shots:]


def digits(rng, n_tasks, n_shots, test=False):
    """The same of images, with 3 classes a task."""
    return handwritten.tasks(
        rng, n_tasks, n_shots, N_QUERY // 3, CLASSES[int(test)], 3)


def score(x, ridge, X, Y, X_query, Y_query):
    """Of heads that are fitted on test tasks: share of errors, or loss."""
    units, query = (np.concatenate(
        [np.tanh(A @ x.T), np.ones((*A.shape[:2], 1))], axis=2)
        / np.sqrt(len(x) + 1) for A in (X, X_query))
    across = units.swapaxes(1, 2) / units.shape[1]
    heads = np.linalg.solve(
        across @ units + ridge * np.eye(len(x) + 1), across @ Y)
    if Y.shape[2] == 1:
        return 0.5 * np.mean((query @ heads - Y_query)**2)
    return np.mean((query @ heads).argmax(2) != Y_query.argmax(2))
