"""Step sizes that a method finds by itself."""
import numpy as np

from benchmark_utils.compiling.compiled import kernel


def first_squares(*roots):
    """Sums of squares to start from, as an array: the squares of ``roots``.

    One may overflow: the steps are 0 then.
    """
    with np.errstate(over="ignore"):
        return np.array(roots, dtype=float)**2


@kernel
def cumulative_norm(squares, k, direction):
    """Add the square of a direction to a sum; return the root of the sum.

    One over the result is the step size of AdaGrad-Norm (Ward, Wu, Bottou,
    JMLR 2020): no step is longer than 1, and the sum of the squares of all
    steps grows like the logarithm of that of the directions.

    Parameters
    ----------
    squares : array of float64
        Sums of squared norms, of which number ``k`` is updated in place. The
        square of the inverse of the first step size is where it starts.
    k : int
    direction : array of float64, 1-D

    Returns
    -------
    float
        sqrt(squares[k]), after the update.
    """
    total = squares[k]
    for c in range(direction.size):
        total += direction[c] * direction[c]
    squares[k] = total
    return np.sqrt(total)


@kernel
def corrected(weight, t):
    """Sum of the weights of an average from 0, at iteration t = 0, 1, ...

    1 - (1 - weight)^(t + 1): what such an average has to be divided by (Kingma
    and Ba, ICLR 2015).
    """
    return 1.0 - (1.0 - weight) ** (t + 1.0)


@kernel
def adam_step(variable, step_size, m, sum_m, s, sum_s, epsilon):
    """Adam's step, in place: -step_size m^ / (sqrt(s^) + epsilon).

    Parameters
    ----------
    variable : array of float64, 1-D
    step_size : float
    m, s : array of float64
        Averages of the directions and of squares. An entry where both s and
        epsilon are 0 does not move.
    sum_m, sum_s : float
        m^ = m / sum_m and s^ = s / sum_s: see ``corrected``.
    epsilon : float
        0 or more.
    """
    for k in range(variable.size):
        divisor = np.sqrt(s[k] / sum_s) + epsilon
        if divisor != 0.0:  # NaN passes, so that divergence is seen.
            variable[k] -= step_size * (m[k] / sum_m) / divisor
