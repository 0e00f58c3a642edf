"""Logistic regression on sparse data, which stays sparse."""

import numpy as np
from scipy import sparse
from scipy.special import expit

from benchmark_utils.functions.batches import in_order, resolve_batch_size
from benchmark_utils.functions.logistic.dense import LogisticRegression
from benchmark_utils.functions.logistic.sparse_kernels import (
    SparseLogisticBatches,
)
from benchmark_utils.functions.oracles import bind


class SparseLogisticRegression(LogisticRegression):
    """``LogisticRegression`` on a sparse matrix: same function, same methods.

    An oracle costs O(non-zeros of the batch + p): the penalty is dense.

    Parameters
    ----------
    X : sparse matrix or array, shape (n_samples, n_features)
    y, reg_parametrization, name, penalty
        As in ``LogisticRegression``, as are the errors raised.

    Attributes
    ----------
    X : CSR array of float64, shape (n_samples, n_features)
        Made anew each time that it is asked for.
    y : array of float64, shape (n_samples,)
        Values -1 and 1.
    """

    def _signed(self, X, y):
        rows = sparse.csr_array(X, dtype=float, copy=True)
        rows.sum_duplicates()
        rows.data *= np.repeat(y, np.diff(rows.indptr))
        return rows

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z; the Hessian is dense."""
        residual = expit(-(self.rows @ z))
        weight = residual * (1.0 - residual) / self.n_samples
        hessian = (self.rows.T @ (self.rows * weight[:, None])).toarray()
        hessian[np.diag_indices_from(hessian)] += self._penalty(x)[0]
        return self.grad_z(z, x), hessian

    def batches(self, batch_size, order=None):
        """Cut into mini-batches for the compiled oracles.

        Parameters
        ----------
        batch_size : int or "full"
        order : array of int, shape (n_samples,), optional
            Samples in the order in which they fill the batches; as they are
            stored without it.

        Returns
        -------
        Function
        """
        batch_size = resolve_batch_size(batch_size, self.n_samples)
        rows = in_order(self.rows, order)
        return bind(SparseLogisticBatches(
            rows.data, rows.indices, rows.indptr,
            self.n_samples, batch_size, -(-self.n_samples // batch_size),
            self.penalty_code, np.zeros(self.inner_dim),
            np.zeros(1, np.int64)))
