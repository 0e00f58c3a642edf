"""BSA: steps on given blocks, its bias, and its random length."""
import numpy as np
from harness import make_solver, run_solver
from numpy_neumann import (
    Replay,
    biased_fixed_point,
    product_series,
    truncated_inverse,
)

from benchmark_utils.methods.sampling import draw_below


def test_iterations_match_the_formulas(quadratic):
    solver = make_solver("BSA", quadratic, step_size=0.3, outer_ratio=2.0,
                         batch_size=10, n_inner_steps=2, n_neumann_steps=5,
                         eval_freq=6)
    result = run_solver(solver, 6)

    blocks = Replay(solver)
    z, x = quadratic.inner_start, quadratic.outer_start
    calls, lengths = 0, set()
    for t in range(6):
        # A restart, and a loop that grows.
        z = quadratic.inner_start
        for s in range(int(np.ceil(2 * np.sqrt(t + 1)))):
            G_i = blocks.inner()
            calls += G_i.n_samples
            z = z - 0.3 * (s + 1) ** -0.5 * G_i.grad_z(z, x)
        F_j = blocks.outer()
        q = draw_below(blocks.rng, 5)
        factors = [blocks.inner() for _ in range(q)]
        G_i = blocks.inner()
        # The step size of the series does not decrease.
        v = product_series(
            [factor.mean_A for factor in factors], F_j.grad_z(z, x), 0.3, 5)
        E = F_j.grad_x(z, x) + G_i.cross(z, x, v)
        x = x - 0.15 * (t + 1) ** -0.5 * E
        calls += (2 * F_j.n_samples + G_i.n_samples
                  + sum(factor.n_samples for factor in factors))
        lengths.add(int(q))
    assert len(lengths) > 2
    np.testing.assert_allclose(result["inner_var"], z, rtol=1e-12)
    np.testing.assert_allclose(result["outer_var"], x, rtol=1e-12)
    assert result["oracle_calls"] == calls


def test_without_noise_reaches_the_biased_fixed_point(quadratic):
    """As near as the last inner loop, from the start of z, comes to z*."""
    fixed = biased_fixed_point(quadratic, truncated_inverse(quadratic, 1.0, 1))
    n = 3000
    # With K = 1 the length is 0, and nothing is random in full batch.
    result = run_solver(make_solver(
        "BSA", quadratic, step_size=1.0, outer_ratio=1.0, batch_size="full",
        n_inner_steps=3, n_neumann_steps=1, eval_freq=n), n)
    length = int(np.ceil(3 * np.sqrt(n)))
    smallest = np.linalg.eigvalsh(quadratic.inner.mean_A)[0]
    left = np.prod(1 - smallest * np.arange(1, length + 1) ** -0.5)
    distance = np.linalg.norm(quadratic.inner_start - fixed[0])
    assert left * distance < 1e-2
    for name, expected in zip(("inner_var", "outer_var"), fixed[:2],
                              strict=True):
        assert np.linalg.norm(result[name] - expected) < 10 * left * distance


def test_first_iteration_is_that_of_alset(quadratic):
    """With one inner step: the two differ from the second one on."""
    ends = {}
    for n in (1, 2):
        ends[n] = [run_solver(make_solver(
            name, quadratic, step_size=0.5, batch_size="full", eval_freq=1,
            outer_ratio=1.5, n_neumann_steps=1, n_inner_steps=1), n)
            for name in ("BSA", "ALSET")]
    for key in ("inner_var", "outer_var"):
        np.testing.assert_allclose(
            ends[1][0][key], ends[1][1][key], rtol=1e-12)
    assert not np.allclose(ends[2][0]["inner_var"], ends[2][1]["inner_var"])
