"""Losses in PyTorch: the numbers of JAX, and what is particular to it."""
import random

import numpy as np
import pytest
from harness import InOrder, make_solver, run_solver

torch = pytest.importorskip("torch")
from benchmark_utils.functions import oracles  # noqa: E402
from benchmark_utils.functions.derivatives import (  # noqa: E402
    check_function,
    check_problem,
)
from benchmark_utils.functions.differentiable import (  # noqa: E402
    Differentiable,
    torch_losses,
)
from benchmark_utils.problems.digest import digest  # noqa: E402
from benchmark_utils.problems.problem import BilevelProblem  # noqa: E402

A, Y, ZERO = np.ones((6, 3)), np.ones(6), np.zeros(3)


def logistic_loss(z, x, a, y):
    return -torch.nn.functional.logsigmoid(y * (a @ z))


def exponential_penalty(z, x):
    return torch.sum(torch.exp(x) * z**2) / 2


def logistic_data(n, p=5):
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, p))
    return X, np.where(X[:, 0] + rng.standard_normal(n) > 0, 1.0, -1.0)


def logistic_problem(library, p=5):
    """The same in both libraries, with short last batches of G and of F."""
    loss, penalty = logistic_loss, exponential_penalty
    if library == "jax":
        jnp = pytest.importorskip("jax.numpy")

        def loss(z, x, a, y):
            return jnp.logaddexp(0.0, -y * (a @ z))

        def penalty(z, x):
            return jnp.sum(jnp.exp(x) * z**2) / 2

    z, x = np.zeros(p), np.zeros(p)
    options = {"way": "callback", "library": library}
    return InOrder(
        Differentiable(loss, logistic_data(203, p), z, x, penalty, **options),
        Differentiable(loss, logistic_data(150, p), z, x, **options), z, x)


def networks():
    """One in which z and x are trees and labels are indices, in both."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    def in_jax(z, x, a, y, i):
        hidden = jnp.tanh(x["layer"] @ a)
        scores = z["head"] @ jnp.append(hidden, 1.0) + z["bias"]
        weight = jax.nn.sigmoid(x["weights"][i])
        return weight * (jax.nn.logsumexp(scores) - scores[y])

    def in_torch(z, x, a, y, i):
        hidden = torch.tanh(x["layer"] @ a)
        scores = z["head"] @ torch.cat([hidden, torch.ones(1)]) + z["bias"]
        weight = torch.sigmoid(x["weights"][i])
        return weight * (torch.logsumexp(scores, 0) - scores[y])

    rng = np.random.default_rng(1)
    n = 23
    data = (rng.standard_normal((n, 4)), rng.integers(3, size=n),
            np.arange(n))
    # Sorted, as JAX has them.
    z = {"bias": np.zeros(3), "head": rng.standard_normal((3, 3))}
    x = {"layer": rng.standard_normal((2, 4)), "weights": np.zeros(n)}
    return [Differentiable(
        loss, data, z, x, lambda z, x: (z["head"]**2).sum() / 2,
        way="callback", library=library)
        for loss, library in ((in_jax, "jax"), (in_torch, "torch"))]


@pytest.mark.parametrize("make", [
    lambda: [logistic_problem(name).inner for name in ("jax", "torch")],
    networks])
def test_numbers_are_those_of_jax(make, rng):
    expected, found = make()
    np.testing.assert_array_equal(found.inner_start, expected.inner_start)
    assert found.way == "callback" and found.uses_inner and found.uses_outer
    p, d = found.inner_dim, found.outer_dim
    z, v, x = (rng.standard_normal(n) for n in (p, p, d))
    for name, arguments in {
            "value": (z, x), "grad_z": (z, x), "grad_x": (z, x),
            "hvp": (z, x, v), "cross": (z, x, v), "hessian_diagonal": (z, x),
            "grad_hessian": (z, x)}.items():
        ours, theirs = (
            getattr(f, name)(*arguments) for f in (found, expected))
        if name != "grad_hessian":
            ours, theirs = [ours], [theirs]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(
                one, other, rtol=0, atol=1e-12 * np.abs(other).max())
    np.testing.assert_array_equal(
        found.hessian_operator(z, x)(v), found.hvp(z, x, v))


def test_derivatives(rng):
    check_problem(logistic_problem("torch"))
    _, f = networks()
    check_function(f, f.inner_start, f.outer_start, 9, rng)


def test_a_run_ends_where_that_of_jax_does():
    results = [
        run_solver(make_solver("SOBA", logistic_problem(name), batch_size=32,
                               eval_freq=250, step_size=0.05), 1000)
        for name in ("jax", "torch")]
    assert results[0]["oracle_calls"] == results[1]["oracle_calls"]
    for key in ("inner_var", "outer_var"):
        expected, found = (result[key] for result in results)
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_what_a_loss_raises_ends_the_run():
    """A matrix that is not positive definite any more, where z has gone."""
    def loss(z, x, a):
        matrix = torch.diag(z + a * a + 0.5)
        return torch.linalg.cholesky(matrix).sum() + x @ z

    X = logistic_data(30, 3)[0]
    f = Differentiable(loss, (X,), np.full(3, 0.1), ZERO, library="torch")
    g = Differentiable(loss, (X,), np.full(3, 0.1), ZERO, library="torch")
    problem = InOrder(f, g, f.inner_start, f.outer_start)
    solver = make_solver("SOBA", problem, batch_size=8, eval_freq=10,
                         step_size=0.5)
    with pytest.raises(torch.linalg.LinAlgError, match="positive-definite"):
        run_solver(solver, 1000)


@pytest.mark.parametrize("project, feasible", [
    ("nonnegative", lambda x: np.maximum(x, 0)),
    ("unit_interval", lambda x: np.clip(x, 0, 1)),
    (lambda x: x / torch.linalg.norm(x).clamp(min=1.0),
     lambda x: x / max(1, np.linalg.norm(x)))])
def test_projection(project, feasible):
    f = Differentiable(logistic_loss, logistic_data(20), np.zeros(5),
                       np.zeros(5), project=project, library="torch")
    x = np.array([-1.0, 0.3, 2.0, 0.5, -0.1])
    out = x.copy()
    oracles.project(f.batches(8), out)
    np.testing.assert_allclose(out, feasible(x), rtol=1e-14)
    np.testing.assert_allclose(f.project(x), feasible(x), rtol=1e-14)


def test_parameters_of_a_network(rng):
    """As they are: of single precision, and with a gradient of their own."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))

    def loss(z, x, a, y):
        output = torch.func.functional_call(net, z, (a,))[0]
        return torch.exp(x[0]) * (output - y)**2

    X, y = logistic_data(25, 4)
    f = Differentiable(loss, (torch.tensor(X), y),
                       dict(net.named_parameters()), np.zeros(1),
                       library="torch")
    assert f.inner_dim == 19
    check_function(f, f.inner_start, f.outer_start, 10, rng)
    assert all(p.grad is None and p.dtype == torch.float32
               for p in net.parameters())


def test_digest_is_that_of_the_numbers():
    """Results are kept by it, whatever holds a tensor."""
    def made(seed):
        torch.manual_seed(seed)
        net = torch.nn.Linear(5, 1)

        def loss(z, x, a, y):
            output = torch.func.functional_call(net, {"weight": z[None]}, a)
            return (output[0] - y)**2 + x @ z

        f = Differentiable(loss, logistic_data(9), net.weight[0], np.ones(5),
                           library="torch")
        return digest(BilevelProblem(f, f, f.inner_start, f.outer_start))

    assert made(0) == made(0) != made(1)


def test_settings_of_torch_are_neither_needed_nor_changed():
    before = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(2)
    try:
        f = Differentiable(
            lambda z, x, a: (z @ a - torch.tensor(0.1))**2 + x @ z,
            (np.eye(3),), ZERO, ZERO, library="torch")
        assert f.value(ZERO, ZERO) == pytest.approx(0.01, rel=1e-15)
        assert torch.get_num_threads() == 2
        assert torch.get_default_dtype() == before[1] == torch.float32
    finally:
        torch.set_num_threads(before[0])


# What a loss may not be.

def make(loss=lambda z, x, a, y: (a @ z - y) ** 2 + x @ z, data=(A, Y),
         z=ZERO, x=ZERO, **options):
    return Differentiable(loss, data, z, x, name="training", library="torch",
                          **options)


def test_the_one_that_is_right():
    f = make()
    assert f.uses_inner and f.uses_outer
    f = make(lambda z, x, a, y: torch.sum(x))
    assert f.uses_outer and not f.uses_inner


def printing(z, x, a, y):
    print("here")
    return z @ x


def raising(z, x, a, y):
    raise KeyError("which")


def changing(z, x):
    z[:2].mul_(0.0)
    return z @ x


@pytest.mark.parametrize("loss, said", [
    (lambda z, x, a, y: a * z, r"returns float64\[3\], and not one real"),
    (lambda z, x, a, y: (z @ x, z @ z), "and not one real number"),
    (lambda z, x, a, y: None, "NoneType"),
    (lambda z, x, a, y: torch.argmax(z), "returns int64"),
    (lambda z, x, a, y: z @ x * random.random(), "traced twice, it is not"),
    (lambda z, x, a, y: z @ x + torch.tensor(random.random()),
     "traced twice, it is not"),
    (lambda z, x, a, y: z @ x * torch.rand(()), "random"),
    (lambda z, x, a, y: torch.log(z @ x - 1), "is nan at the start, of samp"),
    (lambda z, x, a, y: torch.sqrt(z @ x), "derivative in z that is NaN"),
    (lambda z, x, a, y: a[:2] @ z, r"line \d+ of .*torch_losses.py: Runtime"),
    (lambda z, x, a: z @ x, "TypeError"),
    (lambda z, x, a, y: z @ x if z[0] > 0 else x @ x, "use torch.where"),
    (lambda z, x, a, y: z @ x if y > 0 else x @ x, "use torch.where"),
    (lambda z, x, a, y: z @ a.mul_(2.0), "it changes its arguments"),
    (printing, "loss 'printing' of training is not valid: it prints 'here'"),
    (raising, r"line \d+ of .*torch_losses.py: KeyError: 'which'")])
def test_losses(loss, said):
    with pytest.raises(ValueError, match=said):
        make(loss)


@pytest.mark.parametrize("options, said", [
    ({"data": (A, Y[:5])}, r"data\[1\] of training has 5 rows, and data\[0\]"),
    ({"data": (A, Y * np.nan)}, r"data\[1\] of training has NaN"),
    ({"z": np.zeros(2)}, "loss '.*' of training is not valid"),
    ({"z": "zero"}, "z of training"),
    ({"z": np.full(3, np.inf)}, "z of training has NaN or infinite"),
    ({"x": {}}, "x of training of 0 entries"),
    ({"penalty": lambda z, x: z}, "penalty '.*' of training is not valid"),
    ({"penalty": lambda z, x: None}, "returns NoneType, and not one real"),
    ({"penalty": lambda z, x: z @ x * torch.rand(())}, "random numbers"),
    ({"penalty": changing}, "more than compute .it changes its arg"),
    ({"project": "box"}, "project='box'"),
    ({"project": lambda x: x[:2]}, "project '.*' of training"),
    ({"way": "traced"}, "way='traced' is not valid with library='torch'")])
def test_data_and_options(options, said):
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_an_old_torch(monkeypatch):
    monkeypatch.setattr(torch_losses, "version", lambda: "2.0.1+cpu")
    with pytest.raises(ValueError, match="PyTorch 2.0.1.* is too old: pip in"):
        make()
