"""Problems and solvers, made as benchopt makes them."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from benchopt.benchmark import Benchmark
from benchopt.utils.dynamic_modules import _load_class_from_module
from benchopt.utils.run_context import RunContext
from numba import njit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # For scripts; pytest has it there already.

from benchmark_utils.methods.sampling import draw, make_sampler  # noqa: E402
from benchmark_utils.problems.loading import problem_of  # noqa: E402
from benchmark_utils.problems.problem import BilevelProblem  # noqa: E402

COMPILED = ROOT / "__cache__" / "numba"
BENCHMARK = Benchmark(ROOT)
OBJECTIVE = BENCHMARK.get_benchmark_objective()
# benchopt leaves the templates out; they are tested as shipped.
SOLVERS = {solver.name: solver for solver in [
    *BENCHMARK.get_solvers(), _load_class_from_module(
        ROOT, ROOT / "solvers" / "template_solver.py", "Solver")]}
DATASETS = {dataset.name: dataset for dataset in [
    *BENCHMARK.get_datasets(), _load_class_from_module(
        ROOT, ROOT / "datasets" / "template_dataset.py", "Dataset")]}


def from_python(kernel):
    """Let Python call a kernel that is made for calls from compiled code."""
    return njit(lambda *arguments: kernel(*arguments))


class InOrder(BilevelProblem):
    """A problem whose batches are consecutive samples, in their order.

    Tests know what is in a batch then. ``tests/test_problem.py`` compares
    with the permutation of a real run.
    """

    def orders(self, seed):
        return (np.arange(self.inner.n_samples),
                np.arange(self.outer.n_samples))

    def batches(self, batch_size, seed=0):
        return super().batches(batch_size, seed)


def make_problem(name, /, seed=0, in_order=True, **parameters):
    """Problem of a dataset, its samples in their order or permuted."""
    problem = problem_of(DATASETS[name].get_instance(**parameters), seed)
    if in_order:
        problem.__class__ = InOrder
    return problem


def make_solver(name, problem, seed=0, repetition=0, **parameters):
    """Solver set on a problem, ready for ``run_solver``."""
    solver = SOLVERS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", "dataset", solver, repetition=repetition,
        base_seed=seed)
    set_solver(solver, problem)
    return solver


class Skipped(Exception):
    """A solver does not run on a problem, for the reason given."""


def set_solver(solver, problem):
    """Set a solver on a problem; if it skips that, raise ``Skipped``."""
    skip, reason = solver.skip(problem=problem)
    if skip:
        raise Skipped(reason)
    solver.set_objective(problem=problem)


def run_solver(solver, n_iterations):
    """Run for this many iterations, in steps of ``eval_freq``.

    Returns the result of ``get_result`` at the end. The number of iterations
    must be a multiple of ``eval_freq``.
    """
    eval_freq = getattr(solver, "eval_freq", 1)
    assert n_iterations % eval_freq == 0
    n_calls = 0

    def callback():
        nonlocal n_calls
        n_calls += 1
        return n_calls <= n_iterations // eval_freq

    solver.run(callback)
    return solver.get_result()


# What a run needs, without history, outputs and caches.
PARTS = ["objective.py", "config.yml", "references.yml", "test_config.py",
         "datasets", "solvers", "benchmark_utils", "plots"]


def copy_suite(target):
    """A copy of the suite that tests may edit."""
    ignore = shutil.ignore_patterns("__pycache__")
    target.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target / part, ignore=ignore)
        else:
            shutil.copy(ROOT / part, target / part)
    return target


def run(command, cwd=ROOT, timeout=900, **environment):
    """Run a command with this Python; return what it prints."""
    # A copy of the suite need not compile what this one has compiled. Both
    # streams are one text: without buffers, in the order of printing.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(COMPILED),
                   "PYTHONUNBUFFERED": "1", **environment}
    # benchopt starts the pytest that it finds there.
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    return done.returncode, done.stdout


def listen(context):
    """A tab that gathers in `errors` what fails on its page."""
    tab = context.new_page()
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda message: tab.errors.append(message.text)
           if message.type == "error" else None)
    return tab


def batches_of(solver, n_iterations):
    """Pairs of batches that a solver will draw, from its seed alone."""
    rng = np.random.default_rng(solver._seed)
    inner = make_sampler(solver.G.n_batches, rng)
    outer = make_sampler(solver.F.n_batches, rng)
    return [(draw(inner), draw(outer)) for _ in range(n_iterations)]


def memory_tables(solver):
    """Arrays in which SABA remembers."""
    return [*solver.inner_memory.tables, *solver.outer_memory.tables]
