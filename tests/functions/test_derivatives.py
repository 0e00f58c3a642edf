"""The check of derivatives: problems pass it, planted mistakes do not."""
import numpy as np
import pytest
from harness import make_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_utils.compiling.compiled import jit
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import batch_size_of
from benchmark_utils.functions.derivatives import (
    RoundingWarning,
    check_function,
    check_problem,
)
from benchmark_utils.functions.logistic import (
    LogisticRegression,
    SparseLogisticRegression,
)
from benchmark_utils.functions.quadratic import Quadratic


@pytest.fixture(autouse=True, scope="module")
def compiled():
    """Calls from Python are compiled at the first, by the name of the oracle:
    before a test gives it to another.
    """
    rng = np.random.default_rng(0)
    check(SparseLogisticRegression(
        rng.standard_normal((41, 5)), np.resize([-1.0, 1.0], 41),
        "exponential"))


@pytest.fixture
def function(rng):
    y = np.resize([-1.0, 1.0], 41)
    return LogisticRegression(rng.standard_normal((41, 5)), y, "exponential")


def check(function, batch_size=8):
    rng = np.random.default_rng(1)
    check_function(function, rng.standard_normal(5), rng.standard_normal(5),
                   batch_size, rng)


def test_the_function_itself_passes(function):
    for batch_size in (1, 8, 41, "full"):
        check(function, batch_size)


@pytest.mark.parametrize("method", ["grad_z", "grad_x", "cross"])
def test_a_wrong_numpy_method_is_named(function, method, monkeypatch):
    right = getattr(function, method)

    def wrong(*arguments):
        out = right(*arguments)
        out[2] *= 1.001
        return out

    monkeypatch.setattr(function, method, wrong)
    with pytest.raises(AssertionError, match=f"NumPy: {method}"):
        check(function)


@jit
def touch(f, batch, out):
    """A mistake on the short last batch only."""
    if batch_size_of(f, batch) == 1:
        out[3] += 1e-3


@pytest.mark.parametrize("oracle", ["grad_z", "grad_x", "hvp", "cross"])
def test_a_wrong_kernel_is_named(function, oracle, monkeypatch):
    right = getattr(oracles, oracle)

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        touch(f, batch, arguments[-1])

    monkeypatch.setattr(oracles, oracle, wrong)
    with pytest.raises(AssertionError, match=rf"batch 5 of 6.*{oracle}"):
        check(function)


@pytest.mark.parametrize("oracle, named", [
    ("directions_by_sample", "cross of directions_by_sample"),
    ("gradients_by_sample", "grad_x of gradients_by_sample"),
    ("add_samples", "average of add_samples")])
def test_wrong_weights_of_samples_are_named(oracle, named, rng, monkeypatch):
    sparse = SparseLogisticRegression(
        rng.standard_normal((41, 5)), np.resize([-1.0, 1.0], 41),
        "exponential")
    check(sparse)
    right = getattr(oracles, oracle)

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        touch(f, batch, arguments[-1])

    monkeypatch.setattr(oracles, oracle, wrong)
    with pytest.raises(AssertionError, match=rf"batch 5 of 6.*{named}"):
        check(sparse)


def test_wrong_counts_are_named(function, monkeypatch):
    right = oracles.hvp

    def wrong(f, batch, *arguments):
        right(f, batch, *arguments)
        f.oracle_calls[0] += 1

    monkeypatch.setattr(oracles, "hvp", wrong)
    with pytest.raises(AssertionError, match="hvp counts"):
        check(function)


def test_an_output_left_as_it_was_is_named(function, monkeypatch):
    monkeypatch.setattr(oracles, "cross", lambda *arguments: None)
    with pytest.raises(AssertionError, match="cross.*nan"):
        check(function)


# Nothing but rounding is an excuse, in whatever units.

class InUnits(Quadratic):
    """A quadratic in units of its own, plus a constant, with a mistake.

    A function of its value and derivatives alone: NumPy methods and kernels
    are wrong in the same way, so that only differences tell.
    """

    def __init__(self, rng, n, p, d, scale, offset=0.0):
        A, B = (a @ a.transpose(0, 2, 1) for a in (
            rng.standard_normal((n, p, p)), rng.standard_normal((n, d, d))))
        C, a, b = (rng.standard_normal(shape) for shape in (
            (n, d, p), (n, p), (n, d)))
        super().__init__(*(scale * array for array in (A, B, C, a, b)))
        self.offset = offset

    def value(self, z, x):
        return super().value(z, x) + self.offset


def check_in_units(function, monkeypatch, rng, size="full"):
    """With the constant in the kernel too."""
    with monkeypatch.context() as patch:
        right = oracles.value
        patch.setattr(oracles, "value", lambda *arguments: (
            right(*arguments) + function.offset))
        check_function(
            function, rng.standard_normal(function.inner_dim),
            rng.standard_normal(function.outer_dim), size, rng)


SCALES = [1e-10, 1e-5, 1.0, 1e4, 1e10]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e7])
@pytest.mark.filterwarnings("error")
def test_right_derivatives_pass_in_all_units(scale, offset, monkeypatch):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n, p, d = rng.integers(1, 9, size=3)
        function = InUnits(rng, n, p, d, scale, offset * scale)
        check_in_units(function, monkeypatch, rng, int(rng.integers(1, n + 1)))


def dropped(function, key, out, z, x, v):
    """A derivative without one of its terms."""
    terms = {
        "grad_z": lambda: function.mean_a, "grad_x": lambda: function.mean_b,
        "hvp": lambda: np.diag(function.mean_A) * v,
        "cross": lambda: function.mean_C[:, 0] * v[0]}
    return out - terms[key]()


MISTAKES = {
    "sign": lambda function, key, out, *point: -out,
    "factor 2": lambda function, key, out, *point: 2.0 * out,
    "0.1 %": lambda function, key, out, *point: 1.001 * out,
    "zero": lambda function, key, out, *point: 0.0 * out,
    "a term": dropped,
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("offset", [0.0, 1e7])
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("key", ["grad_z", "grad_x", "hvp", "cross"])
def test_mistakes_are_seen_in_all_units(key, mistake, offset, scale,
                                        monkeypatch):
    rng = np.random.default_rng(5)
    function = InUnits(rng, 7, 4, 3, scale, offset * scale)
    if key == "hvp":
        # It would be made from the Hessian, of which a mistake is seen first.
        function.hvp = lambda z, x, v: function.mean_A @ v
    right, kernel = getattr(function, key), getattr(oracles, key)

    def wrong(z, x, v=None):
        out = right(z, x) if v is None else right(z, x, v)
        return MISTAKES[mistake](function, key, out, z, x, v)

    def wrong_kernel(f, batch, z, x, *more):
        kernel(f, batch, z, x, *more)
        more[-1][:] = MISTAKES[mistake](
            function, key, more[-1], z, x, more[0])

    monkeypatch.setattr(function, key, wrong)
    monkeypatch.setattr(oracles, key, wrong_kernel)
    with pytest.raises(AssertionError, match=f"NumPy: {key}: the slope"):
        check_in_units(function, monkeypatch, rng)


def test_what_rounding_hides_is_said(monkeypatch):
    """A constant that is 1e17 times as large as all that varies."""
    rng = np.random.default_rng(5)
    function = InUnits(rng, 7, 4, 3, 1e-10, offset=1e7)
    with pytest.warns(RoundingWarning, match="grad_[zx] is not checked"):
        check_in_units(function, monkeypatch, rng)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([-1.0, 2.0, 1.001]),
       st.sampled_from(["grad_z", "cross"]))
def test_mistakes_in_a_logistic_loss(seed, factor, key):
    rng = np.random.default_rng(seed)
    n, p = rng.integers(2, 60), rng.integers(1, 8)
    function = LogisticRegression(
        rng.standard_normal((n, p)), np.resize([-1, 1], n), "exponential")
    z, x = rng.standard_normal(p), rng.standard_normal(p)
    check_function(function, z, x, "full", rng)
    right = getattr(function, key)
    setattr(function, key, lambda *arguments: factor * right(*arguments))
    with pytest.raises(AssertionError, match=f"NumPy: {key}"):
        check_function(function, z, x, "full", rng)


@pytest.mark.parametrize("project, named", [
    (lambda x: 0.5 * x, "moves a feasible point"),
    (lambda x: np.clip(x, -1.0, 1.0)[::-1], "project"),
    (lambda x: np.where(np.abs(x) > 5.0, 0.0, x), "nearest point"),
    (lambda x: x if np.max(np.abs(x)) < 5.0 else x / np.max(np.abs(x)),
     "nearest point"),
])
def test_what_is_no_projection_is_named(project, named, monkeypatch):
    problem = make_problem("quadratic", n_inner=9, n_outer=9)
    function = problem.inner
    monkeypatch.setattr(function, "project", project)

    def kernel(f, x):
        x[:] = project(x.copy())

    monkeypatch.setattr(oracles, "project", kernel)
    with pytest.raises(AssertionError, match=named):
        check_problem(problem)


@pytest.mark.parametrize("project", [
    lambda x: np.clip(x, -0.1, 0.3), lambda x: np.maximum(x, 0.0),
    lambda x: x / max(1.0, np.linalg.norm(x)),
    lambda x: x - x.mean() + 1.0])
@pytest.mark.filterwarnings("error")
def test_projections_pass_whatever_the_set(project, monkeypatch):
    problem = make_problem("quadratic", n_inner=9, n_outer=9)
    problem.outer_start = project(problem.outer_start)

    def kernel(f, x):
        x[:] = project(x.copy())

    monkeypatch.setattr(oracles, "project", kernel)
    for function in (problem.inner, problem.outer):
        monkeypatch.setattr(function, "project", project)
    check_problem(problem)
