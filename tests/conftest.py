"""Fixtures: small problems."""
import numpy as np
import pytest
from harness import (  # noqa: F401
    DATASETS,
    OBJECTIVE,
    ROOT,
    SOLVERS,
    make_problem,
    make_solver,
    run_solver,
    set_solver,
)


@pytest.fixture
def quadratic():
    """A small, well-conditioned quadratic problem with coupled levels."""
    return make_problem(
        "quadratic", n_inner=24, n_outer=32, inner_dim=4, outer_dim=3,
        conditioning=3.0, coupling=0.5, noise=0.5)


@pytest.fixture
def logistic():
    """A small logistic problem whose last batches of 32 are short."""
    return make_problem(
        "simulated_logistic", n_train=200, n_validation=150, n_features=6)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
