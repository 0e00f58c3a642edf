"""Logistic regression with a ridge, on dense or sparse samples.

``dense`` and ``sparse`` are the function in NumPy, for the metrics, with its
derivatives; ``dense_kernels`` and ``sparse_kernels`` what solvers call.
"""
from benchmark_utils.functions.logistic.dense import (
    PENALTIES,
    REG_PARAMETRIZATIONS,
    LogisticRegression,
)
from benchmark_utils.functions.logistic.sparse import SparseLogisticRegression

__all__ = ["PENALTIES", "REG_PARAMETRIZATIONS", "LogisticRegression",
           "SparseLogisticRegression"]
