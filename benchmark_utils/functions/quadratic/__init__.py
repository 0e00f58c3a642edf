"""Quadratic functions: ``function`` in NumPy, ``kernels`` for solvers."""
from benchmark_utils.functions.quadratic.function import (
    Quadratic,
    minimise_quadratic,
)

__all__ = ["Quadratic", "minimise_quadratic"]
