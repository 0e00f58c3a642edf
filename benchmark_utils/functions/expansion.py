"""A function of z near a point, for the metrics."""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Expansion(NamedTuple):
    """What a function offers at a point (z, x), from one read of the samples.

    Kinds of function whose z may have thousands of entries return it from
    ``expand(z, x)``. Others need not: the metrics then call their methods.

    Attributes
    ----------
    value : float
    gradient : array of float64, shape (p,)
        In z.
    product : function
        v -> Hessian in z times v, in double precision.
    rough_product : function
        The same in single precision, at half the cost.
    diagonal : function
        Without an argument: the diagonal of the Hessian, or what is near it.
    preconditioner : function or None
        Without an argument: makes the function b -> M^-1 b, for a symmetric
        positive definite M that is near the Hessian. None where the diagonal
        will do.
    """

    value: float
    gradient: np.ndarray
    product: Callable
    rough_product: Callable
    diagonal: Callable
    preconditioner: Callable | None


class Coarse(NamedTuple):
    """A function of fewer variables, whose minimiser is near.

    Attributes
    ----------
    function : function
        With a method ``expand``.
    restrict, prolong : function
        From z to its variables, and back.
    """

    function: object
    restrict: Callable
    prolong: Callable
