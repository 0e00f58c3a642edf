"""SOBA and SABA agree between processors, to what rounding can do."""
import json

import numpy as np
import pytest
from harness import run
from trajectories import BATCH_SIZE, N_STEPS, PROBLEMS, trajectories


@pytest.fixture(scope="module")
def here():
    return trajectories()


@pytest.fixture(scope="module")
def amplifications(here):
    """By how much an error at the start has grown at the end."""
    small = 1e-7
    return {key: max(1.0, np.max(np.abs(end - here[key])) / small)
            for key, end in trajectories(small).items()}


def test_they_agree_with_a_processor_without_features(here, amplifications):
    """SSE2 alone, or NEON: other vectors, and nothing fused on x86.

    ``.ci/arithmetics`` compiles this process for others in turn.
    """
    code, text = run(["tests/trajectories.py"], NUMBA_CPU_NAME="generic",
                     NUMBA_CPU_FEATURES="")
    assert code == 0, text
    there = json.loads(text.splitlines()[-1])
    assert len(there) == len(here) == 2 * len(PROBLEMS)
    for key, end in here.items():
        # The rounding of a step, of sums over samples and entries, is an
        # error of the point, which then grows as one at the start does.
        rounding = N_STEPS * (BATCH_SIZE + end.size) * np.finfo(float).eps
        assert amplifications[key] < 100, key
        np.testing.assert_allclose(
            end, there[key], rtol=0, err_msg=key,
            atol=rounding * amplifications[key] * max(1, np.abs(end).max()))
