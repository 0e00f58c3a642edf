"""What is compiled behaves when it is called from the wrong side."""
import numpy as np
import pytest
from harness import run

from benchmark_utils.compiling.compiled import descend, jit, kernel


@jit
def twice(variable):
    descend(variable, -1.0, variable)


def test_a_kernel_that_returns_an_array_is_refused():
    """Its caller would free an array that is still in use."""
    @kernel
    def first_half(x):
        return x[:x.size // 2], 1.0

    @jit
    def sums(x):
        half, _ = first_half(x)
        return half.sum()

    with pytest.raises(Exception, match="first_half returns .*array"):
        sums(np.ones(4))


def test_a_kernel_refuses_a_call_from_python():
    with pytest.raises(TypeError, match="descend is called from compiled"):
        descend(np.zeros(2), 1.0, np.ones(2))
    variable = np.ones(2)
    twice(variable)
    np.testing.assert_array_equal(variable, [2.0, 2.0])


def test_compilation_cannot_be_switched_off(tmp_path):
    """One line says so, and the run is that of compiled code."""
    code, text = run(
        ["-m", "benchopt", "run", ".", "-s", "SOBA", "-n", "2", "--no-plot",
         "--no-cache", "-d", "quadratic[n_inner=64,n_outer=64]", "-j", "2",
         "--output", str(tmp_path / "table")], NUMBA_DISABLE_JIT="1")
    assert "Traceback" not in text and "done" in text, text
    assert "NUMBA_DISABLE_JIT=1 is passed over" in text
