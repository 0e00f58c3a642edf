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


