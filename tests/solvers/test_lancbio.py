"""LancBiO and SubBiO: the formulas, their cost, convergence."""
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver
from numpy.testing import assert_allclose

from benchmark_utils.reference import metrics

SUBSPACES = ["LancBiO", "SubBiO"]


def krylov_adjoint(memory):
    """The adjoint variable by LancBiO, in plain NumPy."""
    state = {"Q": []}

    def adjoint(H, f1, v):
        if len(state["Q"]) == memory or not state["Q"]:
            residual = -f1 - H @ v
            state.update(
                v_bar=v, H_v_bar=H @ v, Q=[], T=np.zeros((memory, memory)),
                q=residual / np.linalg.norm(residual), last=0.0, beta=0.0)
        Q, T, q = state["Q"], state["T"], state["q"]
        k = len(Q)
        u = H @ q - state["beta"] * state["last"]
        Q.append(q)
        T[k, k] = q @ u
        if k > 0:
            T[k, k - 1] = T[k - 1, k] = state["beta"]
        basis, small = np.array(Q), T[:k + 1, :k + 1]
        s = np.linalg.solve(small, basis @ (-f1 - state["H_v_bar"]))
        u = u - T[k, k] * q
        beta = np.linalg.norm(u)
        state.update(last=q, beta=beta, q=u / beta)
        return state["v_bar"] + s @ basis

    return adjoint


def planar_adjoint(step_size):
    """The adjoint variable by SubBiO, in plain NumPy."""
    def adjoint(H, f1, v):
        W = np.column_stack([f1, v - step_size * H @ v])
        if not v.any():
            W = W[:, :1]
        return -W @ np.linalg.solve(W.T @ H @ W, W.T @ f1)

    return adjoint


@pytest.mark.parametrize("subspace", SUBSPACES)
@pytest.mark.parametrize("name", ["quadratic", "logistic", "constrained"])
def test_iterations_match_the_formula(request, name, subspace):
    if name == "constrained":
        problem = make_problem(
            "simulated_logistic", n_train=200, n_validation=150,
            n_features=6, reg_parametrization="linear")
    else:
        problem = request.getfixturevalue(name)
    gamma = 0.2 if name == "quadratic" else 2.0
    solver = make_solver(
        "LancBiO", problem, step_size=0.4, outer_ratio=0.4 / gamma,
        n_inner_steps=3, subspace=subspace, first_memory=3, memory=3,
        eval_freq=1)
    result = run_solver(solver, 8)

    adjoint = (krylov_adjoint(3) if subspace == "LancBiO"
               else planar_adjoint(0.4))
    G, F = problem.inner, problem.outer
    z, x = problem.inner_start, problem.outer_start
    v = np.zeros_like(z)
    for _ in range(8):
        for _ in range(3):
            z = z - 0.4 * G.grad_z(z, x)
        v = adjoint(G.hessian(z, x), F.grad_z(z, x), v)
        x = G.project(x - gamma * (G.cross(z, x, v) + F.grad_x(z, x)))
    assert_allclose(result["inner_var"], z, rtol=1e-8)
    assert_allclose(result["outer_var"], x, rtol=1e-8, atol=1e-12)
    assert name != "constrained" or np.any(x == 0.0)


@pytest.mark.parametrize("subspace, products", [
    # Eight, and one more for each restart, at 0, 3 and 6; 3 an iteration.
    ("LancBiO", 8 + 3), ("SubBiO", 3 * 8)])
def test_oracle_calls_by_hand(quadratic, subspace, products):
    solver = make_solver("LancBiO", quadratic, n_inner_steps=2, first_memory=3,
                         memory=3, subspace=subspace, step_size=0.5,
                         eval_freq=1)
    result = run_solver(solver, 8)
    inner, outer = products + 8 * (2 + 1), 8 * 2
    assert result["oracle_calls"] == 24 * inner + 32 * outer


@pytest.mark.parametrize("subspace, memory", [
    ("LancBiO", 1), ("LancBiO", 2), ("LancBiO", 4), ("LancBiO", 1000),
    ("SubBiO", 1)])
def test_reaches_the_minimiser(quadratic, subspace, memory):
    solver = make_solver("LancBiO", quadratic, n_inner_steps=5, memory=memory,
                         subspace=subspace, outer_ratio=2.0, eval_freq=100)
    result = run_solver(solver, 1000)
    judged = metrics(quadratic, result["inner_var"], result["outer_var"])
    assert abs(judged["value_gap"]) < 1e-12
    assert judged["inner_distance"] < 1e-7


def test_with_z_and_x_at_rest_it_is_conjugate_gradient(logistic):
    """v itself, of the solver: m iterations are m steps from v = 0."""
    solver = make_solver(
        "LancBiO", logistic, step_size=1e-300, outer_ratio=1.0,
        n_inner_steps=1, first_memory=6, memory=6, eval_freq=1)
    run_solver(solver, 6)
    H = logistic.inner.hessian(logistic.inner_start, logistic.outer_start)
    f1 = logistic.outer.grad_z(logistic.inner_start, logistic.outer_start)
    assert_allclose(solver.v, -np.linalg.solve(H, f1), rtol=1e-8)


def test_space_grows_every_50_iterations(logistic):
    solver = make_solver("LancBiO", logistic, step_size=0.1, outer_ratio=1.0,
                         memory=5, eval_freq=25)
    sizes = []

    def callback():
        if solver.t:
            sizes.append(solver.space[5][1])
        return len(sizes) < 10

    solver.run(callback)
    assert sizes == [1, 2, 2, 3, 3, 4, 4, 5, 5, 5]


@pytest.mark.parametrize("bad", [
    {"subspace": "Lanczos"}, {"memory": 0}, {"memory": 2.5},
    {"first_memory": 0},
    {"n_inner_steps": 0}])
def test_bad_parameters_are_named(quadratic, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_solver("LancBiO", quadratic, **bad)
