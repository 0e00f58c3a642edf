"""Calls of kernels that most oracles share, and that are compiled once."""
from numba import types

from benchmark_utils.compiling.apart import apart

_INT, _VECTOR = types.int64, types.Array(types.float64, 1, "C")
#: Their names, and their arguments after the batches, given as a tuple.
APART = {
    "set_point": (_INT, _VECTOR, _VECTOR, _INT),
    "prepare": (_INT, _VECTOR, types.float64, _INT),
    "combine": (_INT, _INT, _INT),
    "set_derivatives": (_INT, _INT, *[_VECTOR] * 4, types.float64, _VECTOR),
    "add_averages": (_INT, types.float64, *[_VECTOR] * 4),
    "set_penalty_cross": (_VECTOR, _VECTOR, types.float64, _VECTOR),
    **{f"add_{what}_{n}": (_INT, _INT, _INT)
       for what in ("scores", "combinations") for n in (1, 2, 3)},
}

(call_set_point, call_prepare, call_combine, call_set_derivatives,
 call_add_averages, call_set_penalty_cross,
 call_add_scores_1, call_add_scores_2, call_add_scores_3,
 call_add_combinations_1, call_add_combinations_2,
 call_add_combinations_3) = (
    apart(position, *arguments)
    for position, arguments in enumerate(APART.values()))
