"""Training, validation and test sets that do not fit are named, with sizes."""
import numpy as np
import pytest
from harness import DATASETS

from benchmark_utils import checks
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.functions.multinomial import MultinomialLogistic
from benchmark_utils.problems import images
from benchmark_utils.problems.problem import BilevelProblem


def logistic(n_features):
    return LogisticRegression(np.eye(9)[:, :n_features], np.arange(9) < 3)


def test_a_test_set_of_another_number_of_features():
    with pytest.raises(ValueError, match="dimension 4 of the test .* has 3;"):
        BilevelProblem(logistic(3), logistic(3), np.zeros(3), np.zeros(3),
                       test=logistic(4))
    problem = BilevelProblem(
        logistic(3), logistic(3), np.zeros(3), np.zeros(3), test=logistic(3))
    assert problem.scores["test_error"](np.zeros(3), None) == 1.0


@pytest.mark.parametrize("score", [
    lambda z, x: z @ np.ones(4), lambda z, x: z, lambda z, x: {}["auc"]])
def test_a_score_that_cannot_be_computed(score):
    with pytest.raises(ValueError, match="the score 'mine' cannot be"):
        BilevelProblem(logistic(3), logistic(3), np.zeros(3), np.zeros(3),
                       scores={"mine": score})


@pytest.mark.parametrize("widths", [(5, 4, 5), (5, 5, 4), (4, 5, 5)])
def test_images_of_other_sizes(widths):
    parts = [(np.ones((6, width)), np.arange(6) % 2) for width in widths]
    sizes = ("{} in training, {} in validation, {} in test").format(*widths)
    with pytest.raises(ValueError, match=f"features .*: {sizes}"):
        images.cleaning_problem(*parts, 0.5, 0.1, 2,
                                np.random.default_rng(0))


def test_the_same_number_of_features_is_fine():
    checks.same_features(training=np.ones((3, 2)), test=np.ones((5, 2)))


@pytest.mark.parametrize("name", ["digits"])
def test_whose_test_set_it_is(name):
    dataset = DATASETS[name].get_instance(**DATASETS[name].test_config)
    dataset.random_generator = lambda: np.random.default_rng(0)
    problem = dataset.get_problem()
    assert isinstance(problem.test, MultinomialLogistic)
    assert list(problem.scores) == ["test_error", "weights_auc"]
