"""The data of every kind of function is had in documented arrays."""
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT, make_problem
from scipy import sparse
from scipy.special import logsumexp

from benchmark_utils import functions
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)


@pytest.mark.parametrize("kind", [LogisticRegression,
                                  SparseLogisticRegression])
def test_arrays_of_logistic_functions(kind, rng):
    X = rng.standard_normal((20, 4)) * (rng.random((20, 4)) < 0.5)
    y = rng.integers(1, 3, size=20)
    f = kind(X, y, "exponential")
    z, x = rng.standard_normal((2, 4))
    assert sparse.issparse(f.X) == (kind is SparseLogisticRegression)
    np.testing.assert_array_equal(f.X @ np.eye(4), X)
    np.testing.assert_array_equal(f.y, 2.0 * y - 3.0)
    loss = np.logaddexp(0.0, -f.y * (f.X @ z)).mean()
    np.testing.assert_allclose(
        f.value(z, x), loss + 0.5 * np.exp(x) @ z**2, rtol=1e-13)


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_features_are_not_kept_twice(density):
    f = make_problem("simulated_logistic", n_train=100, n_validation=10,
                     n_features=9, density=density).inner
    f.X  # noqa: B018
    matrices = [value for value in vars(f).values()
                if sparse.issparse(value) or np.ndim(value) == 2]
    assert len(matrices) == 1
    before = f.rows.copy()
    X = f.X
    X *= 2.0
    assert abs(f.rows - before).max() == 0.0


def test_arrays_of_multinomial_functions(cleaning, rng):
    f = cleaning.outer
    z = rng.standard_normal(f.inner_dim)
    scores = f.X @ z.reshape(f.n_classes, -1).T
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(f.y)), f.y]
    np.testing.assert_allclose(
        f.value(z, cleaning.outer_start), losses.mean(), rtol=1e-13)


def test_arrays_of_quadratic_functions(quadratic, rng):
    f = quadratic.inner
    z, x = rng.standard_normal(f.inner_dim), rng.standard_normal(f.outer_dim)
    values = (0.5 * z @ f.A @ z + 0.5 * x @ f.B @ x + x @ f.C @ z + f.a @ z
              + f.b @ x)
    np.testing.assert_allclose(f.value(z, x), values.mean(), rtol=1e-12)


def test_every_kind_documents_its_arrays():
    kinds = []
    for file in Path(functions.__file__).parent.glob("*/[a-z]*.py"):
        module = importlib.import_module(
            f"benchmark_utils.functions.{file.parent.name}.{file.stem}")
        kinds += [kind for _, kind in inspect.getmembers(
            module, inspect.isclass) if hasattr(kind, "batches")
            and kind.__module__ == module.__name__]
    assert len(kinds) >= 4
    page = (ROOT / "docs" / "prototypes.md").read_text()
    for kind in kinds:
        assert "Attributes\n" in kind.__doc__, kind
        assert f"`{kind.__name__}`" in page, kind
