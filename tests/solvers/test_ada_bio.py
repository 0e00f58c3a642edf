"""Ada-BiO: the formulas, what it does without noise and with it."""
import numpy as np
import pytest
from harness import make_solver, run_solver
from numpy.linalg import norm
from numpy_neumann import biased_fixed_point, sum_series, truncated_inverse
from numpy_single_loop import (
    TRANSCRIBED,
    assert_iterates,
    batch_samples,
    get_problem,
    numpy_block,
    numpy_directions,
    numpy_start,
    replay,
)

from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics

ADJOINTS = ["neumann", "linear"]
NOISES = ["independent", "successive"]


def transcription(solver, n_iterations):
    """z, x and the number of oracle calls, in plain NumPy."""
    problem, b, K = solver.problem, solver.batch_size, solver.n_neumann_steps
    G, F = problem.inner, problem.outer
    rho, alpha = solver.step_size, solver.alpha
    _, inner_batches, outer_batches = replay(solver)
    z, v, x = numpy_start(problem)
    S = U = calls = 0
    d = E_old = None

    def inner(n_derivatives=1):
        nonlocal calls
        i = draw(inner_batches)
        calls += n_derivatives * batch_samples(G, b, i)
        return numpy_block(G, b, i)

    def outer(n_derivatives):
        nonlocal calls
        j = draw(outer_batches)
        calls += n_derivatives * batch_samples(F, b, j)
        return numpy_block(F, b, j)

    def hypergradient():
        F_j, factors = outer(2), [inner() for _ in range(K)]
        v = sum_series([factor.hessian(z, x) for factor in factors],
                       F_j.grad_z(z, x), 0.2)
        return F_j.grad_x(z, x) + inner().cross(z, x, v)

    for _ in range(solver.n_warm_up_steps):
        z = z - 0.2 * inner().grad_z(z, x)
    for t in range(1, n_iterations + 1):
        D_v, other = 0.0, None
        if solver.adjoint == "linear":
            g, D_v, E = numpy_directions(inner(3), outer(2), z, v, x)
            if solver.noise == "independent":
                other = inner().cross(z, x, v) + outer(1).grad_x(z, x)
        else:
            g, E = inner().grad_z(z, x), hypergradient()
            if solver.noise == "independent":
                other = hypergradient()
        if other is None:
            other = E if E_old is None else E_old
        S, U, E_old = S + norm(E - other)**2, U + norm(g)**2, E
        theta = alpha / np.sqrt(alpha**2 + S)
        d = E if d is None else (1 - theta) * d + theta * E
        gamma = rho / solver.outer_ratio * np.sqrt(
            alpha / np.sqrt(alpha**2 + S + U) / t)
        step = rho / np.sqrt(solver.gamma_0**2 + U)
        z, v = z - step * g, v - step * D_v
        if d.any():  # Where F does not depend on x, it is 0 until v is not.
            x = G.project(x - gamma * d / norm(d))
    return z, x, calls


@pytest.mark.parametrize("name, batch_size", TRANSCRIBED)
@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("noise", NOISES)
def test_iterations_match_the_formula(request, name, batch_size, adjoint,
                                      noise):
    problem = get_problem(request, name)
    outer_ratio = 0.05 if name == "constrained" else 1.0
    solver = make_solver(
        "Ada-BiO", problem, step_size=0.4, outer_ratio=outer_ratio,
        alpha=0.3, gamma_0=0.2, adjoint=adjoint, noise=noise,
        n_warm_up_steps=2, n_neumann_steps=3, neumann_step_size=0.2,
        batch_size=batch_size, eval_freq=1)
    z, x, calls = transcription(solver, 10)
    result = run_solver(solver, 10)
    assert_iterates(result, z, x)
    assert result["oracle_calls"] == calls
    assert name != "constrained" or np.any(x == 0.0)


@pytest.mark.parametrize("adjoint, noise, a_step", [
    ("neumann", "independent", 2 * 10 + 7), ("neumann", "successive", 14),
    ("linear", "independent", 7), ("linear", "successive", 5)])
def test_oracle_calls_by_hand(quadratic, adjoint, noise, a_step):
    solver = make_solver("Ada-BiO", quadratic, batch_size=8, adjoint=adjoint,
                         noise=noise, n_warm_up_steps=3, eval_freq=5)
    assert run_solver(solver, 5)["oracle_calls"] == 8 * (3 + 5 * a_step)


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_lengths_of_steps_and_weights_that_never_grow(quadratic, adjoint):
    solver = make_solver("Ada-BiO", quadratic, alpha=0.5, outer_ratio=1.0,
                         adjoint=adjoint, batch_size=8, eval_freq=1)
    points, sums = [], []

    def callback():
        points.append(solver.x.copy())
        sums.append(solver.sums.copy())
        return len(points) <= 60

    solver.run(callback)
    sums = np.array(sums)
    assert np.all(np.diff(sums, axis=0) >= 0)
    theta = 0.5 / np.sqrt(sums[1:].sum(1))
    lengths = norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(
        lengths, 0.5 * np.sqrt(theta / np.arange(1, 61)))
    # 2 gamma sqrt(t): the ball of the docstring.
    assert norm(points[-1] - points[0]) <= 2 * 0.5 * np.sqrt(60)


def test_without_noise_d_is_the_hypergradient(quadratic):
    """S = 0, theta = 1, and |grad h| falls like T^(-1/2)."""
    K = 60
    _, x_star, slope = biased_fixed_point(
        quadratic, truncated_inverse(quadratic, 0.5, K + 1))
    solver = make_solver(
        "Ada-BiO", quadratic, outer_ratio=0.1, n_neumann_steps=K,
        neumann_step_size=0.5, batch_size="full", eval_freq=1)
    scaled = []

    def callback():
        if solver.t > 0:
            assert solver.sums[0] == 1.0  # alpha^2
            np.testing.assert_array_equal(solver.d, solver.E)
            scaled.append(
                norm(slope @ (solver.x - x_star)) * np.sqrt(solver.t))
        return solver.t < 6400

    solver.run(callback)
    early, late = np.mean(scaled[1500:1700]), np.mean(scaled[-200:])
    # x steps over its goal and back, by half a step or so.
    step = 5.0 / np.sqrt(np.sqrt(solver.sums.sum()))
    assert late < step * norm(slope, 2)
    assert 0.7 < early / late < 1.4


def test_with_noise_the_weight_of_the_new_estimate_falls_like_its_root(
        quadratic):
    thetas = []
    solver = make_solver("Ada-BiO", quadratic, batch_size=4, eval_freq=1600)
    for n in (1600, 6400):
        run_solver(solver, n)
        thetas.append(1.0 / np.sqrt(solver.sums[0]))
    assert thetas[0] / thetas[1] == pytest.approx(2.0, rel=0.2)


def test_where_x_stays_z_makes_the_steps_of_adagrad(quadratic):
    solver = make_solver("Ada-BiO", quadratic, outer_ratio=1e300,
                         batch_size="full", n_warm_up_steps=0, eval_freq=1)
    result = run_solver(solver, 20)
    z, x, U = quadratic.inner_start, quadratic.outer_start, 0.1**2
    for _ in range(20):
        g = quadratic.inner.grad_z(z, x)
        U += g @ g
        z = z - 0.5 / np.sqrt(U) * g
    assert_iterates(result, z, x)


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_ends_within_a_step_of_the_minimiser(quadratic, adjoint):
    solver = make_solver(
        "Ada-BiO", quadratic, outer_ratio=0.1, adjoint=adjoint,
        n_neumann_steps=60, neumann_step_size=0.5, batch_size="full",
        eval_freq=1000)
    result = run_solver(solver, 20_000)
    step = 5.0 * np.sqrt(1 / np.sqrt(solver.sums.sum()) / 20_000)
    distance = norm(result["outer_var"] - quadratic.minimum[0])
    assert distance < 3 * step < 0.05 * norm(
        quadratic.outer_start - quadratic.minimum[0])
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert judged["inner_distance"] < 3 * step


def test_flat_h_moves_nothing(quadratic):
    for name in "ABCab":
        setattr(quadratic.outer, name, 0.0 * getattr(quadratic.outer, name))
    solver = make_solver("Ada-BiO", quadratic, batch_size=8, eval_freq=5)
    result = run_solver(solver, 5)
    assert np.array_equal(result["outer_var"], quadratic.outer_start)
    assert np.all(np.isfinite(result["inner_var"]))


@pytest.mark.parametrize("bad", [
    {"alpha": 0.0}, {"gamma_0": 0.0}, {"gamma_0": np.inf}, {"noise": "none"},
    {"adjoint": "cg"}, {"n_warm_up_steps": -1}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("Ada-BiO", quadratic, batch_size=8, **bad)
