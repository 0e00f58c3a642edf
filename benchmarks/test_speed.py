"""Speed of steps, passes, evaluations and compilation.

    pip install -r requirements-bench.txt
    pytest benchmarks/ --benchmark-only [--batch-size 8] [--large]

IJCNN1 is used where it can be had, else simulated data of its shape. Every
ratio is the median over rounds in which both times were taken in turn.
"""
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import note
from harness import ROOT, SOLVERS, make_problem, make_solver

from benchmark_utils.compiling.compiled import jit, kernel
from benchmark_utils.functions.batches import FULL
from benchmark_utils.functions.oracles import directions
from benchmark_utils.methods.sampling import draw
from benchmark_utils.reference import metrics, solve_inner

N_STEPS = 2000
# Steps per call where an iteration is longer than a mini-batch step.
LONG = {"VRBO": 1, "BOME": 1, "PZOBO": 1, "ITD": 1, "AID-GD": 1,
        "F2SA": 100, "StocBiO": 100, "AmIGO": 100, "BSA": 100}
# Blocks of G and of F whose samples an iteration with the default parameters
# must read, each counted once, however often and at however many points it
# is used. grad_x and cross of the logistic loss need no sample.
BLOCKS = {
    "SOBA": (1, 1), "SABA": (1, 1), "MA-SOBA": (1, 1), "Template": (1, 1),
    "SRBA": (1, 1), "SPABA": (1, 1),
    "FSLA": (2, 1),
    "F2SA": (6, 3),  # 3 steps on w, 3 on y
    "AmIGO": (20, 1), "StocBiO": (20, 1),  # 10 steps on z, 10 products
    "BSA": (14.5, 1), "TTSA": (5.5, 1),  # 4.5 products on average
    "SUSTAIN": (5.5, 1), "MRBO": (11, 1),
    "VRBO": (110, 10),  # 10 inner steps, each as one of MRBO
}
STOCHASTIC = sorted(
    name for name, solver in SOLVERS.items()
    if "batch_size" in solver.parameters)


def any_problem():
    """IJCNN1, or simulated data of its shape."""
    try:
        return make_problem("ijcnn1", in_order=False)
    except OSError:
        return make_problem(
            "simulated_logistic", in_order=False, n_train=49_990,
            n_validation=91_701, n_features=22)


@pytest.fixture(scope="session")
def problem():
    return any_problem()


@kernel
def read_batch(f, batch):
    """Sum of the numbers in all chunks of a batch: just reads them."""
    total = 0.0
    first = batch * f.chunks_per_batch
    last = min(first + f.chunks_per_batch, f.rows.shape[0])
    for chunk in range(first, last):
        for k in range(f.rows.shape[1]):
            for c in range(f.rows.shape[2]):
                total += f.rows[chunk, k, c]
    return total


@jit
def read_blocks(G, F, inner_batches, outer_batches, n_inner, n_outer):
    """Sum of the numbers in n_inner batches of G and n_outer of F.

    No fewer of G than of F, which are spread evenly among them.
    """
    total = 0.0
    n_read = 0
    for k in range(1, n_inner + 1):
        total += read_batch(G, draw(inner_batches))
        if k * n_outer >= (n_read + 1) * n_inner:
            total += read_batch(F, draw(outer_batches))
            n_read += 1
    return total


def plain_read(name, solver, n):
    """Read the blocks of n iterations of a solver; their number for one."""
    n_inner, n_outer = BLOCKS[name]

    def read():
        read_blocks(solver.G, solver.F, solver.inner_batches,
                    solver.outer_batches, round(n * n_inner),
                    round(n * n_outer))

    return n_inner + n_outer, read


def prepared(name, problem, batch_size, **parameters):
    """A solver in its first iterations, and a function that does n more."""
    if "batch_size" in SOLVERS[name].parameters:
        parameters["batch_size"] = batch_size
    solver = make_solver(name, problem, **parameters)
    solver.warm_up()
    solver._reset()
    solver.start()

    def advance(n):
        solver.advance(n)
        solver.t += n

    return solver, advance


def calls_of(solver, advance, n):
    before = solver.G.oracle_calls[0] + solver.F.oracle_calls[0]
    advance(n)
    return solver.G.oracle_calls[0] + solver.F.oracle_calls[0] - before


@pytest.mark.parametrize("name, limit", [("SOBA", 2.5), ("SABA", 3.5)])
def test_step_against_plain_read(name, limit, problem, batch_size, compare):
    solver, advance = prepared(name, problem, batch_size)
    _, read = plain_read(name, solver, N_STEPS)
    compare(f"{name} step / read of its blocks", lambda: advance(N_STEPS),
            read, per=N_STEPS, limit=limit)


@pytest.mark.parametrize("name", [n for n in STOCHASTIC if n != "SOBA"])
def test_step_against_soba(name, problem, batch_size, compare):
    parameters = {}
    if name in ("SRBA", "VRBO"):
        # No refresh while timed, but for the first, before the rounds.
        parameters["period_frac"] = 1e6
    if name == "SPABA":
        parameters["prob"] = 1e-12
    solver, advance = prepared(name, problem, batch_size, **parameters)
    soba, advance_soba = prepared("SOBA", problem, batch_size)
    n = LONG.get(name, N_STEPS)
    advance(1)
    per_step = calls_of(solver, advance, n) / n
    soba_step = calls_of(soba, advance_soba, N_STEPS) / N_STEPS
    n_soba = max(1, round(n * per_step / soba_step))
    n_blocks, read = plain_read(name, solver, n)
    # As many oracle calls on both sides: the ratio of times is then the
    # cost of an oracle call relative to one of SOBA, which makes five calls
    # of two blocks. Where others make one call of each block, the floor of
    # that ratio, which is the plain read, may be above the target.
    compare(f"{name}, {per_step / soba_step:.2f} x the calls of SOBA",
            lambda: advance(n), lambda: advance_soba(n_soba), per=n,
            limit=1.2, n_blocks=n_blocks, read=read)


@jit
def read_all(rows, n):
    total = 0.0
    for _ in range(n):
        for b in range(rows.shape[0]):
            for k in range(rows.shape[1]):
                for c in range(rows.shape[2]):
                    total += rows[b, k, c]
    return total


def test_full_direction_against_plain_pass(problem, compare):
    G, _ = problem.batches(64)
    z, x = problem.inner_start, problem.outer_start
    out = [np.empty_like(z) for _ in range(3)]
    compare("directions on all samples / plain pass",
            lambda: directions(G, FULL, z, x, z, *out),
            lambda: read_all(G.rows, 1), unit=1e-3, limit=2.5)


def test_evaluation(problem, measure):
    z, _ = solve_inner(problem.inner, problem.outer_start,
                       problem.inner_start)
    z = z + 1e-2 * np.random.default_rng(0).standard_normal(z.size)
    measure("all metrics, warm", lambda: metrics(
        problem, z, problem.outer_start), limit=0.04)


def test_samples_a_second(problem, benchmark):
    """SOBA for several batch sizes; noted per sample of one level."""
    times = {}
    for size in (1, 8, 64, 512):
        _, advance = prepared("SOBA", problem, size)
        n = max(50, 64 * N_STEPS // max(64, size))
        advance(n)
        runs = []
        for _ in range(7):
            start = time.perf_counter()
            advance(n)
            runs.append(time.perf_counter() - start)
        times[size] = np.median(runs) / n
        note(f"SOBA step, batch {size}: "
             f"{size / times[size] / 1e6:.1f} M samples/s", times[size],
             1e-6)
    benchmark.pedantic(lambda: None, rounds=1)


WARM_UP = """
import sys, time, json
sys.path.insert(0, "tests")
from harness import SOLVERS, make_problem, make_solver
problem = make_problem("simulated_logistic", in_order=False, n_train=500,
                       n_validation=500, n_features=22)
times = {}
for name in sys.argv[1:]:
    solver = make_solver(name, problem)
    start = time.perf_counter()
    solver.warm_up()
    times[name] = time.perf_counter() - start
print(json.dumps(times))
"""


@pytest.mark.parametrize("name", sorted(
    name for name, solver in SOLVERS.items() if solver.is_installed()))
def test_warm_up(name, tmp_path, benchmark):
    """Cold and from the cache, each in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    times = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", WARM_UP, name], cwd=ROOT,
            env=environment, capture_output=True, text=True, check=True)
        times.append(json.loads(done.stdout.splitlines()[-1])[name])
    note(f"{name} warm-up, cold", times[0], 1.0, 5.0)
    note(f"{name} warm-up, from cache", times[1], 1.0, 0.6)
    benchmark.pedantic(lambda: None, rounds=1)


STEPS = """
import sys, time
sys.path.insert(0, "tests")
sys.path.insert(0, "benchmarks")
from test_speed import N_STEPS, any_problem, prepared
solver, advance = prepared(sys.argv[1], any_problem(), int(sys.argv[2]))
advance(N_STEPS)
print("ready", flush=True)
while sys.stdin.readline():
    start = time.perf_counter()
    advance(30 * N_STEPS)
    print((time.perf_counter() - start) / (30 * N_STEPS), flush=True)
"""


@pytest.mark.parametrize("name", ["SOBA", "SABA"])
def test_two_processes_side_by_side(name, batch_size, benchmark):
    """A step with a second process at work, over one alone (``-j 2``)."""
    runs = [subprocess.Popen(
        [sys.executable, "-c", STEPS, name, str(batch_size)], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    ratios = []
    for _ in range(7):
        times = []
        for at_work in (runs[:1], runs):
            for run in at_work:
                run.stdin.write("\n")
                run.stdin.flush()
            times.append([float(run.stdout.readline()) for run in at_work])
        ratios.append(times[1][0] / times[0][0])
    for run in runs:
        run.communicate()
    note(f"{name} step, two processes at work / one: "
         f"{np.median(ratios):.2f}", times[0][0], 1e-6)
    benchmark.pedantic(lambda: None, rounds=1)


def test_large(request, batch_size, compare):
    """A step must not cost more on 10 million samples, misses aside."""
    if not request.config.getoption("--large"):
        pytest.skip("--large is not given")
    steps = []
    for n in (10_000_000, 50_000):
        problem = make_problem(
            "simulated_logistic", n_train=n, n_validation=n, n_features=22)
        steps.append(prepared("SOBA", problem, batch_size)[1])
        # The functions keep a second copy of the data, for the metrics.
        del problem.inner.rows, problem.outer.rows
    compare("SOBA step, 10^7 samples / 5 10^4", lambda: steps[0](N_STEPS),
            lambda: steps[1](N_STEPS), per=N_STEPS, limit=2.0)
