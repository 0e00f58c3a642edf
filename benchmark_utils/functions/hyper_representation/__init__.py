"""A linear model on one hidden layer, which the outer variable is.

``function`` is the loss in NumPy, ``kernels`` are what solvers call,
``products`` those of samples with several vectors, in registers.
"""
from benchmark_utils.functions.hyper_representation.function import (
    ACTIVATIONS,
    HyperRepresentation,
)

__all__ = ["ACTIVATIONS", "HyperRepresentation"]
