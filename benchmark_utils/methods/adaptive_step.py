"""Gradient descent on h with errors of known size: the step of HOAG."""
import numpy as np

# Tolerance at iteration t = 0, 1, ..., divided by the first.
DECREASES = {
    "exponential": lambda t: 0.9**t,
    "quadratic": lambda t: (t + 1.0) ** -2,
    "cubic": lambda t: (t + 1.0) ** -3,
}
_GROW, _SHRINK = 2.0, 0.95
# Growth of F, relative to its size, from which on a step is taken back.
_TOO_MUCH = 0.2


class AdaptiveStep:
    """Step size 1 / L of a descent whose values and gradients are inexact.

    F. Pedregosa, "Hyperparameter optimization with approximate gradient",
    ICML 2016, where L is to be found by comparing the decrease of F(z, x),
    which is h up to M eps, with what theory predicts of a step D:

        F <= F_last - L / 2 |D|^2 + M (eps + eps_last) + C eps_last |D|

    Where this holds L shrinks by 5 %, where it does not but F has not grown
    L stays, where F has grown L doubles. A step is kept in all three cases,
    unless F has grown by 20 % or has overflowed.

    The constants M and C are not known in practice. |v| stands for both,
    which is M to first order, eps being a bound of gradients and residuals
    rather than of distances.

    Attributes
    ----------
    L : float or None
        None until the start is known.
    """

    def __init__(self):
        self.L = self.last = None

    def keeps(self, F, p, eps, v, length):
        """Whether a step is to be kept; updates L.

        Parameters
        ----------
        F : float
            F(z, x) at the end of the step; inf where it has overflowed.
        p : array of float64, shape (d,)
            Inexact gradient of h there.
        eps : float
            Tolerance of z and v there.
        v : array of float64, shape (p,)
        length : float
            Of the step; the first call is for the start, and has none.

        Returns
        -------
        bool
        """
        if self.last is None:
            self.L = np.linalg.norm(p) or 1.0  # The first step has length 1.
        elif self._decreases(F, eps, np.linalg.norm(v), length):
            self.L *= _SHRINK
        elif not self.last[0] >= F:
            self.L *= _GROW
            if not F - self.last[0] < _TOO_MUCH * abs(self.last[0]):
                return False
        self.last = F, eps
        return True

    def _decreases(self, F, eps, M, length):
        F_last, eps_last = self.last
        with np.errstate(over="ignore", invalid="ignore"):
            return F <= (F_last - 0.5 * self.L * length**2
                         + M * (eps + eps_last) + M * eps_last * length)
