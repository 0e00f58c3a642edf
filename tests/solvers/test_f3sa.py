"""F3SA: the recursions, F2SA as its case without memory, and its bias."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy_fixed_points import penalised_minimiser
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    batch_samples,
    get_problem,
    numpy_block,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

STEPS = {"step_size": 0.5, "outer_ratio": 0.05, "lmbda0": 2.0,
         "eval_freq": 1}


def transcription(solver, n_iterations, eta):
    """w, y, x and the number of oracle calls; F2SA's if eta is None."""
    problem, b = solver.problem, solver.batch_size
    _, inner_batches, outer_batches = replay(solver)
    estimates, calls = {}, 0

    def estimate(name, which, now, last, weight):
        """STORM on the next block, of the gradient with this name."""
        nonlocal calls
        function, batches = {
            "G": (problem.inner, inner_batches),
            "F": (problem.outer, outer_batches)}[which]
        k = draw(batches)
        grad = getattr(numpy_block(function, b, k), name[:6])
        new = grad(*now)
        if weight < 1:
            new = new + (1 - weight) * (estimates[name] - grad(*last))
        estimates[name] = new
        calls += batch_samples(function, b, k) * (2 if weight < 1 else 1)
        return new

    w = y = problem.inner_start
    x = problem.outer_start
    w_old, y_old, x_old = w, y, x
    for t in range(n_iterations):
        lmbda = 2.0 * (t + 1) ** (1 / 5)
        rho = 0.5 * (t + 1) ** (-2 / 5)
        alpha = rho / (2 * lmbda)
        memory = t > 0 and eta is not None
        weight = min(1.0, eta * (t + 1) ** (-4 / 5)) if memory else 1.0

        g_w = estimate("grad_z w", "G", (w, x), (w_old, x_old), weight)
        g_y = estimate("grad_z y", "G", (y, x), (y_old, x_old), weight)
        f1 = estimate("grad_z f", "F", (y, x), (y_old, x_old), weight)
        w_old, y_old = w, y
        w, y = w - rho * g_w, y - alpha * (f1 + lmbda * g_y)
        g2_y = estimate("grad_x y", "G", (y, x), (y_old, x_old), weight)
        g2_w = estimate("grad_x w", "G", (w, x), (w_old, x_old), weight)
        f2 = estimate("grad_x f", "F", (y, x), (y_old, x_old), weight)
        x_old = x
        x = problem.inner.project(
            x - alpha / 0.05 * (f2 + lmbda * (g2_y - g2_w)))
    return w, y, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("eta", [0.5, 2.0])
def test_iterations_match_the_formula(request, name, batch_size, eta):
    problem = get_problem(request, name)
    solver = make_solver("F3SA", problem, batch_size=batch_size, eta=eta,
                         **STEPS)
    w, y, x, calls = transcription(solver, 10, eta)
    result = run_solver(solver, 10)
    assert_iterates(result, w, x)
    np.testing.assert_allclose(solver.y, y, rtol=1e-10)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


def test_without_memory_it_is_f2sa_with_one_inner_step(quadratic):
    solver = make_solver("F3SA", quadratic, batch_size=9, eta=1e6, **STEPS)
    w, _, x, calls = transcription(solver, 12, None)
    result = run_solver(solver, 12)
    assert_iterates(result, w, x)
    assert result["oracle_calls"] == calls


def test_first_iteration_is_that_of_f2sa(quadratic):
    solver = make_solver("F3SA", quadratic, batch_size=9, **STEPS)
    f2sa = make_solver("F2SA", quadratic, batch_size=9, n_inner_steps=1,
                       **STEPS)
    f2sa._seed = solver._seed
    ours, reference = run_solver(solver, 1), run_solver(f2sa, 1)
    assert_iterates(ours, reference["inner_var"], reference["outer_var"])
    np.testing.assert_allclose(solver.y, f2sa.y, rtol=1e-12)
    assert ours["oracle_calls"] == reference["oracle_calls"]


def test_full_batch_does_not_depend_on_eta(logistic):
    # Without noise each recursion telescopes to the gradient itself.
    ends = [run_solver(make_solver(
        "F3SA", logistic, batch_size="full", eta=eta, **STEPS), 20)
        for eta in (1e-6, 0.5, 1e6)]
    for end in ends[:2]:
        assert_iterates(end, ends[2]["inner_var"], ends[2]["outer_var"])


def test_oracle_calls_by_hand(quadratic):
    # In batches of 8: six gradients, at two points but for the first time.
    solver = make_solver("F3SA", quadratic, batch_size=8, eta=0.5,
                         eval_freq=1)
    assert run_solver(solver, 10)["oracle_calls"] == 8 * 6 * (1 + 2 * 9)


def test_momentum_lowers_the_noise(quadratic):
    # Error of the estimate of g(w), over the last 200 of 2000 iterations.
    errors = {}
    for eta in (0.5, 1e6):
        solver = make_solver(
            "F3SA", quadratic, batch_size=4, eta=eta, step_size=0.5,
            outer_ratio=0.2, lmbda0=2.0, eval_freq=10)
        squares = []

        def callback(solver=solver, squares=squares):
            if solver.t > 1800:
                w, _, x = solver.previous
                error = solver.h_z[0] - quadratic.inner.grad_z(w, x)
                squares.append(error @ error)
            return solver.t < 2000

        solver.run(callback)
        errors[eta] = np.sqrt(np.mean(squares))
    assert errors[0.5] < 0.2 * errors[1e6]


def test_full_batch_follows_the_penalised_minimiser(quadratic):
    n = 10_000
    solver = make_solver("F3SA", quadratic, step_size=1.0, outer_ratio=0.2,
                         batch_size="full", lmbda0=5.0, eval_freq=1000)
    result = run_solver(solver, n)
    y, x = penalised_minimiser(quadratic, 5.0 * n ** (1 / 5))
    # The bias of the multiplier is well above what the iterates lag behind.
    assert np.linalg.norm(x - quadratic.minimum[0]) > 2e-2
    np.testing.assert_allclose(result["outer_var"], x, atol=2e-3)
    np.testing.assert_allclose(solver.y, y, atol=2e-3)
    gap = metrics(
        quadratic, result["inner_var"], result["outer_var"])["value_gap"]
    floor = metrics(quadratic, y, x)["value_gap"]
    assert 0.5 * floor < gap < floor + 5e-5


@pytest.mark.parametrize("parameter, value", [
    ("lmbda0", 0.0), ("lmbda0", -1.0), ("lmbda0", "a"), ("eta", 0.0),
    ("eta", np.nan), ("eta", "a")])
def test_bad_parameters_are_named(quadratic, parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}="):
        make_solver("F3SA", quadratic, batch_size=8, **{parameter: value})
