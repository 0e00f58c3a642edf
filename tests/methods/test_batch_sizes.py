"""Fewer samples than a batch has: all of them, and one line says so."""
import numpy as np
import pytest
from harness import make_problem, make_solver, run_solver

from benchmark_utils import checks
from benchmark_utils.functions.batches import resolve_batch_size


@pytest.fixture(autouse=True)
def nothing_said():
    checks.warn_once.cache_clear()


def small_problem(n_inner, n_outer):
    return make_problem("quadratic", n_inner=n_inner, n_outer=n_outer,
                        inner_dim=3, outer_dim=2)


@pytest.mark.parametrize("batch_size, n, expected", [
    (8, 20, 8), (20, 20, 20), (64, 20, 20), (10**8, 20, 20), ("full", 20, 20)])
def test_number_of_samples_in_a_batch(batch_size, n, expected):
    assert resolve_batch_size(batch_size, n) == expected


@pytest.mark.parametrize("sizes, said", [
    ((40, 100), "the 40 inner samples: all"),
    ((100, 40), "the 40 outer samples: all"),
    ((40, 50), "the 40 inner samples and the 50 outer samples: all")])
def test_the_default_batch_on_few_samples(sizes, said, caplog):
    problem = small_problem(*sizes)
    for repetition in range(3):
        solver = make_solver("SOBA", problem, repetition=repetition,
                             eval_freq=4)
        assert np.all(np.isfinite(run_solver(solver, 8)["outer_var"]))
    record, = caplog.records
    assert record.getMessage().startswith(f"batch_size=64 is more than {said}")
    assert (solver.G.batch_size, solver.F.batch_size) == (
        min(64, sizes[0]), min(64, sizes[1]))


def test_nothing_is_said_where_there_are_enough(caplog):
    make_solver("SOBA", small_problem(64, 70))
    make_solver("SOBA", small_problem(4, 5), batch_size="full")
    assert not caplog.records


def test_one_sample():
    solver = make_solver("SABA", small_problem(1, 1), eval_freq=4)
    assert np.all(np.isfinite(run_solver(solver, 8)["outer_var"]))
