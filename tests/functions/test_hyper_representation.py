"""A head on a hidden layer: derivatives, and h with its gradient."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.differentiate import derivative

from benchmark_utils import reference
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.derivatives import check_function
from benchmark_utils.functions.hyper_representation import HyperRepresentation
from benchmark_utils.functions.hyper_representation.function import ACTIVATIONS
from benchmark_utils.problems.problem import BilevelProblem
from benchmark_utils.reference import implicit_gradient, metrics, solve_inner

# The losses: of so many classes, or the squared error.
KINDS = [(activation, n_classes) for activation in ACTIVATIONS
         for n_classes in (3, None)]


def random_function(rng, activation="tanh", n_classes=3, n=40, q=5, m=4,
                    ridge=0.0, decay=0.0):
    y = (rng.standard_normal(n) if n_classes is None
         else rng.integers(n_classes, size=n))
    return HyperRepresentation(rng.standard_normal((n, q)), y, m, n_classes,
                               activation, ridge, decay)


def random_problem(rng, activation="tanh", n_classes=3, **sizes):
    """x acts on F directly, by the hidden units and by a decay."""
    inner, outer = (
        random_function(rng, activation, n_classes, **penalty, **sizes)
        for penalty in ({"ridge": 0.1}, {"decay": 0.01}))
    return BilevelProblem(
        inner, outer, np.zeros(inner.inner_dim),
        rng.standard_normal(inner.outer_dim))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ACTIVATIONS), st.none() | st.integers(2, 7),
       st.integers(1, 150), st.integers(1, 9), st.integers(1, 9),
       st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32 - 1), st.data())
def test_derivatives(activation, n_classes, n, q, m, ridge, decay, seed,
                     data):
    rng = np.random.default_rng(seed)
    f = random_function(rng, activation, n_classes, n, q, m, ridge, decay)
    batch_size = data.draw(st.integers(max(1, n // 20), n) | st.just("full"))
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("batch_size", [1, 7, 63, 64, 65, 128, 130, 200])
def test_batches_larger_than_a_chunk(batch_size, rng):
    f = random_function(rng, n=517, ridge=0.1, decay=0.1)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), batch_size, rng)


@pytest.mark.parametrize("activation, n_classes", KINDS)
def test_one_hidden_unit_and_one_feature(activation, n_classes, rng):
    f = random_function(rng, activation, n_classes, q=1, m=1, ridge=0.1)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), 8, rng)


def test_classes_without_samples(rng):
    f = HyperRepresentation(
        rng.standard_normal((9, 2)), np.array([0, 2] * 4 + [0]), 3, 4,
        ridge=0.1)
    check_function(f, rng.standard_normal(f.inner_dim),
                   rng.standard_normal(f.outer_dim), 4, rng)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 5.0, 20.0, 1e3, 1e100])
@pytest.mark.parametrize("activation, n_classes", KINDS)
def test_extreme_weights(scale, activation, n_classes, rng):
    """Where tanh is saturated, and where it is linear to the last bit."""
    if activation == "linear":
        scale = min(scale, 1e3)
    f = random_function(rng, activation, n_classes)
    z, v = rng.standard_normal((2, f.inner_dim))
    x = scale * rng.standard_normal(f.outer_dim)
    G = f.batches(7)
    g, Hv = np.empty_like(z), np.empty_like(z)
    Cv, g2 = np.empty_like(x), np.empty_like(x)
    oracles.directions(G, FULL, z, x, v, g, Hv, Cv)
    oracles.grad_x(G, FULL, z, x, g2)
    for actual, expected in [
            (g, f.grad_z(z, x)), (Hv, f.hvp(z, x, v)),
            (Cv, f.cross(z, x, v)), (g2, f.grad_x(z, x)),
            (oracles.value(G, FULL, z, x), f.value(z, x))]:
        assert np.all(np.isfinite(expected))
        size = np.max(np.abs(expected))
        assert_allclose(actual, expected, rtol=1e-9, atol=1e-12 * size)


def test_derivatives_of_saturated_units(rng):
    """Half of the units are saturated on all samples, half on none."""
    f = random_function(rng, m=6, ridge=0.1, decay=0.1)
    x = rng.standard_normal((6, 6))
    x[::2, -1] += 30.0
    check_function(f, rng.standard_normal(f.inner_dim), x.ravel(), 7, rng)
    assert np.all(f._hidden(x.ravel())[:, [0, 2, 4]] == 1.0)


@pytest.mark.parametrize("scale", [50.0, 1e3, 1e5])
def test_extreme_scores(scale, rng):
    """Derivatives stay finite and right where exp overflows."""
    f = random_function(rng)
    z, v = scale * rng.standard_normal((2, f.inner_dim))
    x = rng.standard_normal(f.outer_dim)
    out = np.empty_like(x)
    oracles.cross(f.batches(7), FULL, z, x, v, out)
    expected = f.cross(z, x, v)
    assert np.all(np.isfinite(expected))
    assert_allclose(out, expected, rtol=1e-9,
                    atol=1e-12 * np.max(np.abs(expected)))


def test_nan_is_not_hidden(rng):
    f = random_function(rng)
    z, x = rng.standard_normal(f.inner_dim), rng.standard_normal(f.outer_dim)
    out = np.zeros(f.inner_dim)
    x[0] = np.nan
    oracles.grad_z(f.batches(7), FULL, z, x, out)
    assert np.all(np.isnan(out[::f.n_hidden + 1]))


@pytest.mark.parametrize("activation, n_classes", KINDS)
def test_gradient_of_h_against_central_differences(activation, n_classes,
                                                   rng):
    problem = random_problem(rng, activation, n_classes)
    x = problem.outer_start
    z, solve = solve_inner(problem.inner, x, problem.inner_start)
    gradient = implicit_gradient(problem, x, z, solve)
    for _ in range(5):
        along = rng.standard_normal(x.size)
        slope = derivative(
            np.vectorize(lambda t, along=along: metrics(
                problem, z, x + t * along)["value"]),
            0.0, initial_step=0.05).df
        assert_allclose(gradient @ along, slope, rtol=1e-6,
                        atol=1e-6 * np.linalg.norm(gradient))


@pytest.fixture
def jax():
    """JAX in float64."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


def h_in_jax(jax, problem):
    """h and its gradient, by the implicit function theorem of JAX.

    The loss is written anew, from the definition.
    """
    numpy = jax.numpy

    def value(f, z, x):
        units = numpy.asarray(f.X[:, :-1]) @ x.reshape(f.n_hidden, -1)[
            :, :-1].T + x.reshape(f.n_hidden, -1)[:, -1]
        if f.activation == "tanh":
            units = numpy.tanh(units)
        head = z.reshape(-1, f.n_hidden + 1)
        outputs = units @ head[:, :-1].T + head[:, -1]
        if f.squared:
            loss = numpy.mean((outputs[:, 0] - f.y) ** 2) / 2
        else:
            own = outputs[numpy.arange(len(f.y)), f.y]
            loss = numpy.mean(
                jax.nn.logsumexp(outputs, axis=1) - own)
        return loss + f.ridge * z @ z / 2 + f.decay * x @ x / 2

    def newton(gradient, z):
        return jax.lax.fori_loop(
            0, 30, lambda _, z: z - numpy.linalg.solve(
                jax.jacobian(gradient)(z), gradient(z)), z)

    def h(x):
        z = jax.lax.custom_root(
            lambda z: jax.grad(value, 1)(problem.inner, z, x),
            numpy.zeros(problem.inner_dim), newton,
            lambda product, b: numpy.linalg.solve(
                jax.jacobian(product)(b), b))
        return value(problem.outer, z, x)

    return jax.jit(jax.value_and_grad(h))


@pytest.mark.parametrize("activation, n_classes", KINDS)
def test_h_and_its_gradient_against_jax(activation, n_classes, rng, jax):
    problem = random_problem(rng, activation, n_classes)
    h = h_in_jax(jax, problem)
    for scale in (0.3, 1.0, 2.0):
        x = scale * problem.outer_start
        z, solve = solve_inner(problem.inner, x, problem.inner_start)
        value, gradient = h(x)
        assert_allclose(problem.outer.value(z, x), value, rtol=1e-10)
        assert_allclose(implicit_gradient(problem, x, z, solve), gradient,
                        rtol=1e-9, atol=1e-9 * np.linalg.norm(gradient))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regression_in_closed_form(activation, rng, jax):
    """The normal equations of the head, and h as a function of x alone."""
    problem = random_problem(rng, activation, None, m=3)
    G, F, numpy = problem.inner, problem.outer, jax.numpy

    def units(f, x):
        a = f.X @ x.reshape(3, -1).T
        a = numpy.tanh(a) if activation == "tanh" else a
        return numpy.column_stack([a, numpy.ones(f.n_samples)])

    def z_star(x):
        P = units(G, x)
        return numpy.linalg.solve(
            P.T @ P / G.n_samples + G.ridge * numpy.eye(4),
            P.T @ G.y / G.n_samples)

    def h(x):
        errors = units(F, x) @ z_star(x) - F.y
        return errors @ errors / (2 * F.n_samples) + F.decay * x @ x / 2

    x = problem.outer_start
    z, solve = solve_inner(G, x, problem.inner_start)
    value, gradient = jax.jit(jax.value_and_grad(h))(x)
    assert_allclose(z, z_star(x), rtol=1e-10, atol=1e-12)
    judged = metrics(problem, problem.inner_start, x)
    assert_allclose(judged["value"], value, rtol=1e-12)
    assert_allclose(judged["grad_norm"], numpy.linalg.norm(gradient),
                    rtol=1e-10)
    assert_allclose(implicit_gradient(problem, x, z, solve), gradient,
                    rtol=1e-9, atol=1e-9 * np.linalg.norm(gradient))


@pytest.mark.parametrize("activation, n_classes", KINDS)
def test_truncated_newton_gives_the_same_metrics(activation, n_classes, rng,
                                                 monkeypatch):
    problem = random_problem(rng, activation, n_classes)
    pair = (rng.standard_normal(problem.inner_dim), problem.outer_start)
    exact = metrics(problem, *pair)
    _, hessian = problem.inner.grad_hessian(*pair)
    assert_allclose(problem.inner.hessian_diagonal(*pair), np.diag(hessian),
                    rtol=1e-12)
    monkeypatch.setattr(reference, "MAX_EXACT_DIM", 0)
    truncated = metrics(problem, *pair)
    for name, value in exact.items():
        assert_allclose(truncated[name], value, rtol=1e-7)


@pytest.mark.filterwarnings("ignore:h.x. is not defined")
@pytest.mark.parametrize("activation, where, end", [
    ("tanh", 1e200, "result"), ("tanh", 1e300, "diverged"),
    ("linear", 1e200, "diverged"), ("tanh", np.inf, "diverged")])
def test_weights_that_overflow(activation, where, end, rng):
    """Of the decay at the latest; saturated units alone do no harm."""
    problem = random_problem(rng, activation)
    problem.outer.decay = 0.01 if where > 1e200 else 0.0
    judged = metrics(problem, problem.inner_start,
                     where * np.sign(problem.outer_start))
    if end == "result":
        assert np.all(np.isfinite(list(judged.values())))
    else:
        assert np.all(np.isnan(list(judged.values())))


@pytest.mark.parametrize("change, message", [
    ({"n_hidden": 0}, "n_hidden=0"), ({"n_hidden": 2.5}, "n_hidden=2.5"),
    ({"n_classes": 1}, "n_classes=1"),
    ({"activation": "relu"}, "activation='relu'.*'tanh', 'linear'"),
    ({"ridge": -1.0}, "ridge=-1.0"), ({"decay": np.nan}, "decay=nan"),
    ({"y": [0, 1, 3]}, r"training y=.*\[0, 1, 3\].*from 0 to 2"),
    ({"X": [[0.0], [np.inf], [1.0]]}, "training X=.*1 NaN or infinite"),
    ({"y": [0, 1]}, "training shapes"),
    ({"n_classes": None, "y": [0.0, np.nan, 1.0]}, "training y=.*NaN"),
    ({"n_classes": None, "y": ["a", "b", "c"]}, "training y=.*real numbers"),
])
def test_bad_input_is_named(change, message):
    given = {"X": np.eye(3), "y": [0, 1, 2], "n_hidden": 2, "n_classes": 3,
             "name": "training", **change}
    with pytest.raises(ValueError, match=message):
        HyperRepresentation(**given)
