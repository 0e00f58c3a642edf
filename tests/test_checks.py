"""Checks of parameters: what each takes, and what its error says."""
import re

import numpy as np
import pytest

from benchmark_utils import checks

NO_NUMBERS = [True, np.bool_(False), "1", [1.0], 1j, np.ones(1)]
NOT_FINITE = [np.inf, -np.inf, np.nan, 10**400]
# A check, what it takes, what it does not, and what its error says.
CHECKS = {
    "positive": (checks.positive, [5e-324, 1, np.float32(0.5), np.int8(3)],
                 [0, -1.0, None], "a finite number > 0 is needed"),
    "positive or None": (checks.positive_or_none, [None, 1], [0, -1],
                         "None or a finite number > 0 is needed"),
    "at least": (checks.at_least(2), [2, 1e300], [1.9, None],
                 "a finite number >= 2 is needed"),
    "not negative": (checks.non_negative, [0, 0.0, 1], [-5e-324],
                     "a finite number >= 0 is needed"),
    "half open": (checks.half_open(0, 0.5), [0, 0.4], [0.5, -1, None],
                  "a number in [0, 0.5) is needed"),
    "unit interval": (checks.in_unit_interval, [0, 0.9], [1, -0.1],
                      "a number in [0, 1) is needed"),
    "between": (checks.between(1, 1e6), [1, 1e6], [0.9, 1e7, None],
                "a number from 1 to 1e+06 is needed"),
    "fraction": (checks.fraction, [5e-324, 1], [0, 1.1, None],
                 "a number in (0, 1] is needed"),
    "fraction or None": (checks.fraction_or_none, [None, 1], [0, 1.1],
                         "None or a number in (0, 1] is needed"),
    "integer": (checks.int_between(1, 10), [1, np.int8(10)],
                [0, 11, 1.0, None], "an integer between 1 and 10 is needed"),
    "one of": (checks.one_of("full", "zero"), ["full"], ["none", None, 0],
               "allowed are 'full', 'zero'"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_takes_what_is_allowed_and_names_the_rest(name):
    check, right, wrong, allowed = CHECKS[name]
    for value in right:
        assert check("theta", value) is None
    others = [] if name == "one of" else NOT_FINITE + NO_NUMBERS
    for value in wrong + others:
        with pytest.raises(ValueError, match=re.escape(
                f"theta={value!r} is not valid: {allowed}")):
            check("theta", value)


def test_every_check_of_a_parameter_is_here():
    named = {value for value in vars(checks).values()
             if getattr(value, "__qualname__", "").startswith("_check.")}
    seen = {check for check, *_ in CHECKS.values()}
    integers = {checks.positive_int, checks.number_of_classes,
                checks.n_steps, checks.n_steps_or_none, checks.n_pairs}
    assert named <= seen | integers
