"""What a comparison writes, from tables made by hand."""
from handmade import OBJECTIVE, SABA, SHORT, A, table

from benchmark_utils.reporting.compare import Comparison


def test_says_how_many_repetitions_diverged(tmp_path):
    df = table({**{(A, k): SHORT for k in range(10) if k not in (2, 5)},
                **{(SABA, k): SHORT for k in range(10)}})
    comparison = Comparison(df, "d[n=1]", OBJECTIVE, tmp_path, {})
    assert comparison.notes() == ["Repetitions that diverged: 2 of 10 of "
                                  "SOBA."]
