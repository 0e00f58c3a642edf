"""Steps of SOBA and SABA beside the same in JAX, in float64 and float32.

    pip install -r requirements-bench.txt
    pytest benchmarks/test_peers.py --benchmark-only

JAX is set up as a user finds it, on all cores. Data that cannot be had is
skipped: see datasets/mnist.py and datasets/covtype.py for local copies.
"""
import numpy as np
import pytest
from harness import make_problem, make_solver

jax = pytest.importorskip("jax")
from peers import InJax  # noqa: E402

from benchmark_utils.functions.differentiable import (  # noqa: E402
    Differentiable,
)
from benchmark_utils.problems.problem import BilevelProblem  # noqa: E402

# Of datasets: parameters, and steps that are timed at once. Windows of ten
# milliseconds: in shorter ones most of the time is the other's trace, its
# threads that still wait and the caches that it has filled.
PROBLEMS = {
    "ijcnn1": ({}, 5000),
    "digits": ({}, 1000),
    "mnist": ({}, 200),
    "covtype": ({}, 2000),
    "simulated_multinomial": ({
        "n_train": 5000, "n_validation": 5000, "n_features": 2000,
        "n_classes": 10, "density": 0.01}, 100),
}
# SABA in JAX copies its tables at each step where they are large.
SLOW = {("SABA", "mnist"): 10, ("SABA", "covtype"): 100,
        ("SABA", "simulated_multinomial"): 10}
# Ratios that are aimed at with batches of 64.
LIMITS = {
    ("SOBA", "mnist", "float64"): 0.4, ("SOBA", "mnist", "float32"): 0.6,
    ("SOBA", "digits", "float32"): 0.45, ("SOBA", "covtype", "float32"): 0.3,
}
STEP_SIZE = 0.05
ROUNDS = 31


@pytest.fixture(scope="module")
def problem_of():
    """Problems by name, each made once."""
    problems = {}

    def get(name):
        if name not in problems:
            try:
                problems[name] = make_problem(
                    name, in_order=False, **PROBLEMS[name][0])
            except OSError as error:
                problems[name] = error
        if isinstance(problems[name], OSError):
            pytest.skip(str(problems[name]))
        return problems[name]

    return get


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dataset", PROBLEMS)
@pytest.mark.parametrize("method", ["SOBA", "SABA"])
def test_step_against_jax(method, dataset, dtype, problem_of, batch_size,
                          compare):
    solver = make_solver(method, problem_of(dataset), batch_size=batch_size,
                         step_size=STEP_SIZE)
    solver.warm_up()
    solver._reset()
    peer = InJax(solver, dtype)
    solver.start()

    def advance(n):
        solver.advance(n)
        solver.t += n

    # SABA of linear models computes the penalty, and does not remember it.
    advance(20)
    peer(peer.draws(20))
    if method == "SOBA" or dataset == "ijcnn1":
        tolerance = 1e-7 if dtype == "float64" else 1e-3
        for here, there in zip((solver.z, solver.v, solver.x), peer.point(),
                               strict=True):
            np.testing.assert_allclose(
                here, there, rtol=tolerance,
                atol=tolerance * np.max(np.abs(here)))
    n = PROBLEMS[dataset][1] // SLOW.get((method, dataset), 1)
    pairs = iter([peer.draws(n) for _ in range(ROUNDS + 2)])
    compare(f"{method} on {dataset} / JAX {dtype}", lambda: advance(n),
            lambda: peer(next(pairs)), per=n, rounds=ROUNDS,
            limit=LIMITS.get((method, dataset, dtype))
            if batch_size == 64 else None)


def _logistic(way):
    def loss(z, x, a, y):
        return jax.numpy.logaddexp(0.0, -y * (a @ z))

    def penalty(z, x):
        return jax.numpy.sum(jax.numpy.exp(x) * z**2) / 2

    f = make_problem("simulated_logistic", n_train=20_000,
                     n_validation=20_000, n_features=22, in_order=False)
    start = f.inner_start, f.outer_start
    return BilevelProblem(
        Differentiable(loss, (f.inner.X, f.inner.y), *start, penalty,
                       way=way),
        Differentiable(loss, (f.outer.X, f.outer.y), *start, way=way), *start)


def _hyper_representation(way):
    problem = make_problem("hyper_representation", in_order=False)
    start = problem.inner_start, problem.outer_start
    m, K = problem.inner.n_hidden, problem.inner.n_outputs

    def loss(z, x, a, y):
        hidden = jax.numpy.tanh(x.reshape(m, -1) @ a)
        scores = z.reshape(K, -1) @ jax.numpy.append(hidden, 1.0)
        return jax.nn.logsumexp(scores) - scores[y]

    def made(f):
        return Differentiable(
            loss, (f.X, f.y), *start,
            lambda z, x: (f.ridge * z @ z + f.decay * x @ x) / 2, way=way)

    return BilevelProblem(made(problem.inner), made(problem.outer), *start)


# Problems from losses, steps that are timed at once, and what is aimed at.
LOSSES = {
    "logistic": (_logistic, 2000, 0.6),
    "hyper_representation": (_hyper_representation, 400, 1.0),
    **{name: (lambda way, name=name: make_problem(
        name, in_order=False, way=way), n, 1.0)
       for name, n in {
           "distillation": 400, "meta_learning": 400, "coreset": 1000,
           "loss_weighting": 1000, "denoising": 50}.items()},
}


@pytest.mark.parametrize("way", ["traced", "callback"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_against_jax(name, way, batch_size, compare):
    """The same loss in both, once in loops and once in ``lax.scan``."""
    make, n, limit = LOSSES[name]
    solver = make_solver("SOBA", make(way), batch_size=batch_size,
                         step_size=STEP_SIZE)
    solver.warm_up()
    solver._reset()
    peer = InJax(solver, "float64")
    solver.start()

    def advance(n):
        solver.advance(n)
        solver.t += n

    advance(20)
    peer(peer.draws(20))
    for here, there in zip((solver.z, solver.v, solver.x), peer.point(),
                           strict=True):
        np.testing.assert_allclose(
            here, there, rtol=1e-9, atol=1e-9 * np.max(np.abs(here)))
    pairs = iter([peer.draws(n) for _ in range(ROUNDS + 2)])
    compare(f"SOBA on losses of {name}, {way} / JAX", lambda: advance(n),
            lambda: peer(next(pairs)), per=n, rounds=ROUNDS,
            limit=limit if way == "traced" and batch_size == 64 else None)


def test_saba_against_soba_on_mnist(problem_of, batch_size, compare):
    n, steps = PROBLEMS["mnist"][1], {}
    for method in ("SABA", "SOBA"):
        solver = make_solver(
            method, problem_of("mnist"), batch_size=batch_size,
            step_size=STEP_SIZE)
        solver.warm_up()
        solver._reset()
        solver.start()
        steps[method] = solver
    compare("SABA on mnist / SOBA", lambda: steps["SABA"].advance(n),
            lambda: steps["SOBA"].advance(n), per=n, limit=1.2,
            rounds=ROUNDS)


