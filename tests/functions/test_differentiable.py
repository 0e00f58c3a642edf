"""Losses of the user's own: derivatives, agreement, errors and lifetimes."""
import gc
import os
import subprocess
import sys
import threading
import traceback
import weakref

import numpy as np
import pytest
from harness import InOrder, from_python, make_problem, make_solver, run_solver
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("jax")
# Modules that are patched are those of the imports here: benchopt loads them
# anew for each of its objects.
from benchmark_utils import reference  # noqa: E402
from benchmark_utils.functions import oracles  # noqa: E402
from benchmark_utils.functions.derivatives import check_function  # noqa: E402
from benchmark_utils.functions.differentiable import (  # noqa: E402
    Differentiable,
    function,
    jax,
    jnp,
)
from benchmark_utils.functions.differentiable.callback import (  # noqa: E402
    Callbacks,
)
from benchmark_utils.reference import solve_inner  # noqa: E402

WAYS = ["traced", "callback"]


def logistic_loss(z, x, a, y):
    return jnp.logaddexp(0.0, -y * (a @ z))


def exponential_penalty(z, x):
    return jnp.sum(jnp.exp(x) * z**2) / 2


def logistic_function(n=41, p=5, way="callback", **options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    y = np.where(X[:, 0] + rng.standard_normal(n) > 0, 1.0, -1.0)
    return Differentiable(
        logistic_loss, (X, y), np.zeros(p), np.zeros(p), exponential_penalty,
        way=way, **options)


def multinomial_twin(f, z, x, way):
    """The function of datasets ``digits``: weights of training samples."""
    def loss(z, x, a, y, i):
        scores = z.reshape(f.n_classes, -1) @ a
        weight = 1.0 if f.outer is None else jax.nn.sigmoid(x[i])
        return weight * (jax.nn.logsumexp(scores) - scores[y])

    return Differentiable(
        loss, (f.X, f.y, np.arange(f.n_samples)), z, x,
        lambda z, x: f.ridge / 2 * z @ z, way=way)


def logistic_twin(f, z, x, way):
    penalty = None
    if f.reg_parametrization == "exponential":
        penalty = exponential_penalty
    return Differentiable(logistic_loss, (f.X, f.y), z, x, penalty, way=way)


def quadratic_twin(f, z, x, way):
    def loss(z, x, A, B, C, a, b):
        return z @ (A @ z / 2 + a) + x @ (B @ x / 2 + C @ z + b)

    return Differentiable(loss, (f.A, f.B, f.C, f.a, f.b), z, x, way=way)


def hyper_representation_twin(f, z, x, way):
    """With z and x as trees: heads and layers have names."""
    def loss(z, x, a, y):
        hidden = jnp.tanh(x["layer"] @ a)
        scores = z["head"] @ jnp.append(hidden, 1.0)
        return jax.nn.logsumexp(scores) - scores[y]

    def penalty(z, x):
        return (f.ridge * jnp.sum(z["head"]**2)
                + f.decay * jnp.sum(x["layer"]**2)) / 2

    return Differentiable(
        loss, (f.X, f.y), {"head": z.reshape(f.n_outputs, -1)},
        {"layer": x.reshape(f.n_hidden, -1)}, penalty, way=way)


TWINS = {
    "simulated_logistic": (logistic_twin, {
        "n_train": 203, "n_validation": 150, "n_features": 6}),
    "quadratic": (quadratic_twin, {
        "n_inner": 70, "n_outer": 80, "inner_dim": 4, "outer_dim": 3,
        "conditioning": 3.0, "coupling": 0.5}),
    "digits": (multinomial_twin, {"n_train": 70, "n_validation": 90}),
    "hyper_representation": (hyper_representation_twin, {
        "n_hidden": 3, "n_train": 75, "n_validation": 90}),
}


def twins(name, way):
    """A problem as the suite has it, and as losses in JAX."""
    make, parameters = TWINS[name]
    problem = make_problem(name, **parameters)
    z, x = problem.inner_start, problem.outer_start
    return problem, InOrder(
        *(make(f, z, x, way) for f in (problem.inner, problem.outer)), z, x)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TWINS)
def test_iterates_are_those_of_the_written_kinds(name, way):
    """After 2000 steps, with short last batches of G and of F."""
    results = [
        run_solver(make_solver("SOBA", problem, batch_size=32, eval_freq=500,
                               step_size=0.05), 2000)
        for problem in twins(name, way)]
    assert results[0]["oracle_calls"] == results[1]["oracle_calls"]
    for key in ("inner_var", "outer_var"):
        written, derived = (result[key] for result in results)
        np.testing.assert_allclose(
            derived, written, rtol=0, atol=1e-12 * np.abs(written).max())


@pytest.mark.parametrize("name, way", [
    *((name, "traced") for name in TWINS), ("simulated_logistic", "callback")])
def test_derivatives(name, way, rng):
    _, problem = twins(name, way)
    z, x = problem.inner_start, problem.outer_start
    z = z + 0.1 * rng.standard_normal(z.size)
    for f in (problem.inner, problem.outer):
        check_function(f, z, x, 32, rng)


@settings(max_examples=3, deadline=None)
@given(n=st.integers(1, 20), p=st.integers(1, 5), size=st.integers(1, 25))
def test_derivatives_of_any_size(n, p, size):
    rng = np.random.default_rng(n)
    z, x = rng.standard_normal((2, p))
    check_function(logistic_function(n, p, "traced"), z, x, min(size, n), rng)


def test_hessian_is_formed_in_pieces(monkeypatch, rng):
    f = logistic_function()
    z, x = rng.standard_normal((2, 5))
    _, whole = f.grad_hessian(z, x)
    monkeypatch.setattr(function, "_PIECE", 1000)
    np.testing.assert_allclose(f.grad_hessian(z, x)[1], whole, rtol=1e-13)
    # Newton's method with products alone, and with the whole Hessian.
    expected, _ = solve_inner(f, x, z)
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 1)
    found, _ = solve_inner(f, x, z)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("project, feasible", [
    ("nonnegative", lambda x: np.maximum(x, 0)),
    ("unit_interval", lambda x: np.clip(x, 0, 1)),
    (lambda x: x / jnp.maximum(1.0, jnp.linalg.norm(x)),
     lambda x: x / max(1, np.linalg.norm(x)))])
def test_projection(project, feasible, way):
    f = logistic_function(way=way, project=project)
    x = np.array([-1.0, 0.3, 2.0, 0.5, -0.1])
    out = x.copy()
    oracles.project(f.batches(8), out)
    np.testing.assert_allclose(out, feasible(x), rtol=1e-14)
    np.testing.assert_allclose(f.project(x), feasible(x), rtol=1e-14)


# What callbacks do.

class Wrong(Exception):
    """Nothing that anything else raises."""


def raising(*arguments):
    raise Wrong("as the loss says")


def test_an_exception_ends_the_run_as_it_is(capfd):
    problem = twins("simulated_logistic", "callback")[1]
    solver = make_solver("SOBA", problem, batch_size=32, eval_freq=4)
    run_solver(solver, 4)
    problem.inner._called["directions"] = raising
    with pytest.raises(Wrong, match="as the loss says") as caught:
        run_solver(solver, 4)
    # Once: whoever catches it prints it, with the line that raised it.
    assert capfd.readouterr() == ("", "")
    assert "in raising" in "".join(traceback.format_tb(caught.tb))
    # Nothing is left of it.
    del problem.inner._called["directions"]
    problem.inner._called = None
    run_solver(make_solver("SOBA", problem, batch_size=32, eval_freq=4), 4)


def test_an_exception_in_a_thread():
    f = logistic_function()
    z, x, out = np.zeros((3, 5))
    B = f.batches(8)
    oracles.grad_z(B, 0, z, x, out)
    expected, found, errors = out.copy(), [], []

    def work():
        for _ in range(50):
            mine = np.zeros(5)
            oracles.grad_z(B, 0, z, x, mine)
            found.append(mine)
        f._called["grad_z"] = raising
        try:
            oracles.grad_z(B, 0, z, x, mine)
        except Wrong as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1
    np.testing.assert_array_equal(found, np.tile(expected, (50, 1)))


def test_callbacks_live_as_long_as_the_function(monkeypatch):
    made = []

    class Watched(Callbacks):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(weakref.ref(self))

    monkeypatch.setattr(function, "Callbacks", Watched)
    B = logistic_function().batches(8)
    gc.collect()
    z, x, out = np.zeros((3, 5))
    oracles.grad_z(B, 0, z, x, out)
    assert made[0]() is not None
    del B
    gc.collect()
    assert made[0]() is None


@pytest.mark.parametrize("way", WAYS)
def test_the_setting_of_jax_is_neither_needed_nor_changed(way):
    code = f"""
import numpy as np, jax
from benchmark_utils.functions import oracles
from benchmark_utils.functions.differentiable import Differentiable
import jax.numpy as jnp
f = Differentiable(lambda z, x, a: (z @ a - 1)**2 / 3 + x @ z,
                   (np.eye(3),), np.zeros(3), np.zeros(3), way={way!r})
out = np.zeros(3)
oracles.grad_z(f.batches(2), 1, np.full(3, 1 / 3), np.zeros(3), out)
assert out[2] == 2 * (2 / 3) * (1 / 3 - 1) / 3 or abs(
    out[2] - 2 * (2 / 3) * (1 / 3 - 1) / 3) < 1e-15, out
assert f.value(np.zeros(3), np.zeros(3)) == 1 / 3
assert jnp.zeros(1).dtype == np.float32
assert not jax.config.jax_enable_x64
"""
    done = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True,
        env={**os.environ, "JAX_ENABLE_X64": "0"})
    assert done.returncode == 0, done.stderr


def test_from_compiled_code_a_value():
    f = logistic_function()
    z, x = np.full((2, 5), 0.1)
    value = from_python(oracles.value)(f.batches("full"), -1, z, x)
    assert value == pytest.approx(f.value(z, x), rel=1e-14)
