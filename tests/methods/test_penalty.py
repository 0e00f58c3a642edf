"""Steps of penalty methods, against NumPy on blocks, one of them short."""
import numpy as np
import pytest
from harness import from_python
from numpy_single_loop import numpy_block

from benchmark_utils.methods import penalty
from benchmark_utils.methods.sampling import Sampler

penalised_sgd = from_python(penalty.penalised_sgd)
penalty_direction = from_python(penalty.penalty_direction)


@pytest.fixture
def setting(quadratic, rng):
    """Problem, its batches of 10, y, w and x."""
    p, d = quadratic.inner_dim, quadratic.outer_dim
    return (quadratic, quadratic.batches(10),
            *map(rng.standard_normal, (p, p, d)))


def test_penalised_sgd(setting):
    problem, (G, F), y, _, x = setting
    order = np.array([2, 0, 1])
    samplers = [Sampler(np.random.default_rng(0), order, np.zeros(1, int))
                for _ in range(2)]
    result = y.copy()
    penalised_sgd(G, F, *samplers, result, x, -0.2, 0.3, 3,
                  (np.empty_like(y), np.empty_like(y)))
    for k in order:
        g = numpy_block(problem.inner, 10, k).grad_z(y, x)
        f1 = numpy_block(problem.outer, 10, k).grad_z(y, x)
        y = y + 0.2 * f1 - 0.3 * g
    np.testing.assert_allclose(result, y, rtol=1e-12)


def test_penalty_direction(setting):
    problem, (G, F), y, w, x = setting
    D_x = np.empty_like(x)
    penalty_direction(G, F, 0, 2, 3, y, w, x, 0.5, 4.0, D_x,
                      (np.empty_like(x), np.empty_like(x)))
    expected = 0.5 * numpy_block(problem.outer, 10, 3).grad_x(y, x) + 4.0 * (
        numpy_block(problem.inner, 10, 0).grad_x(y, x)
        - numpy_block(problem.inner, 10, 2).grad_x(w, x))
    np.testing.assert_allclose(D_x, expected, rtol=1e-12)
