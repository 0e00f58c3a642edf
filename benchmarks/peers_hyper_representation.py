"""A step of SOBA on hyper_representation, here and in JAX.

    pip install jax
    python benchmarks/peers_hyper_representation.py [--rounds 50]

Both in float64, on one and the same problem and batches, from the same start;
JAX on one thread, its loop compiled and waited for. Before they are timed, in
turn, both must be at the same point. Printed are the medians of microseconds
a step, and the median and the quartiles of the ratio of two times that were
taken one after the other.
"""
import argparse
import os
import sys
import time
from pathlib import Path

# Before JAX is imported. More threads gain nothing on products of this size,
# and wait for each other beside other work.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness import make_problem, make_solver  # noqa: E402

STEPS = {"step_size": 0.1, "outer_ratio": 1.0}
BATCH_SIZE = 64


def batches_in_jax(f):
    """Whole batches of consecutive samples: features and targets."""
    n = f.n_samples // BATCH_SIZE * BATCH_SIZE
    return (jnp.asarray(f.X[:n].reshape(-1, BATCH_SIZE, f.X.shape[1])),
            jnp.asarray(f.targets[:n].reshape(-1, BATCH_SIZE, f.n_outputs)))


def soba_in_jax(problem):
    """As a user of JAX writes it: derivatives are JAX's, the loop too.

    Parameters
    ----------
    problem : BilevelProblem
        Of two ``HyperRepresentation`` with tanh and several classes.

    Returns
    -------
    function
        (z, v, x, t), inner batches, outer batches -> (z, v, x, t), where
        batches are arrays of int, one a step.
    """
    G, F = problem.inner, problem.outer
    inner, outer = batches_in_jax(G), batches_in_jax(F)

    def loss(f, batches, k, z, x):
        X, targets = batches[0][k], batches[1][k]
        hidden = jnp.tanh(X @ x.reshape(f.n_hidden, -1).T)
        head = z.reshape(f.n_outputs, -1)
        scores = hidden @ head[:, :-1].T + head[:, -1]
        own = jnp.sum(targets * scores, axis=1)
        return (jnp.mean(jax.nn.logsumexp(scores, axis=1) - own)
                + f.ridge * z @ z / 2 + f.decay * x @ x / 2)

    def step(state, batch):
        (z, v, x, t), (i, j) = state, batch
        # D_z, then H v and C v, in one pass backwards.
        D_z, pull = jax.vjp(
            lambda z, x: jax.grad(loss, 3)(G, inner, i, z, x), z, x)
        Hv, Cv = pull(v)
        f1, f2 = jax.grad(loss, (3, 4))(F, outer, j, z, x)
        rho = STEPS["step_size"] / jnp.sqrt(t + 1.0)
        return (z - rho * D_z, v - rho * (Hv + f1),
                x - rho / STEPS["outer_ratio"] * (Cv + f2), t + 1), None

    @jax.jit
    def run(state, inner_batches, outer_batches):
        return jax.lax.scan(step, state, (inner_batches, outer_batches))[0]

    return lambda *arguments: jax.block_until_ready(run(*arguments))


def prepared(n_steps, n_hidden=16):
    """Functions that do ``n_steps`` of SOBA, here and in JAX.

    Raises
    ------
    AssertionError
        If the two are not at the same point after their first steps.
    """
    jax.config.update("jax_enable_x64", True)
    # As many samples as fill whole batches.
    problem = make_problem("hyper_representation", n_hidden=n_hidden,
                           n_train=576, n_validation=576)
    solver = make_solver("SOBA", problem, batch_size=BATCH_SIZE, **STEPS)
    solver.warm_up()
    solver._reset()
    solver.start()
    orders = [sampler.order.copy() for sampler in (
        solver.inner_batches, solver.outer_batches)]
    run, position = soba_in_jax(problem), 0

    # One epoch in the order of both, which they draw once more.
    for sampler in (solver.inner_batches, solver.outer_batches):
        sampler.position[0] = 0
    solver.advance(orders[0].size)
    z = jnp.asarray(problem.inner_start)
    state = (z, jnp.zeros_like(z), jnp.asarray(problem.outer_start), 0)
    state = run(state, *map(jnp.asarray, orders))
    for here, there in zip((solver.z, solver.v, solver.x), state,
                           strict=False):
        np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-12)

    rng = np.random.default_rng(0)
    drawn = [jnp.asarray(rng.integers(orders[0].size, size=n_steps))
             for _ in range(2)]

    def in_jax():
        nonlocal state
        state = run(state, *drawn)

    def here():
        nonlocal position
        solver.t = orders[0].size + position
        solver.advance(n_steps)
        position += n_steps

    in_jax()
    return here, in_jax


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    here, in_jax = prepared(options.steps)
    times = np.array([(seconds(here), seconds(in_jax))
                      for _ in range(options.rounds)])
    ours, theirs = np.median(times, axis=0) / options.steps * 1e6
    ratio = np.percentile(times[:, 0] / times[:, 1], [25, 50, 75])
    print(f"here {ours:.1f} us, JAX {theirs:.1f} us a step; ratio "
          f"{ratio[1]:.2f} ({ratio[0]:.2f} to {ratio[2]:.2f}); fastest "
          + " and ".join(f"{t / options.steps * 1e6:.1f}"
                         for t in times.min(axis=0)))


if __name__ == "__main__":
    main()
