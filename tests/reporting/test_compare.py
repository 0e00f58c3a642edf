"""What a comparison writes, from tables made by hand."""
import pytest
from handmade import OBJECTIVE, SABA, SHORT, A, table

from benchmark_utils.reporting import conditions
from benchmark_utils.reporting.compare import Comparison


def test_says_how_many_repetitions_diverged(tmp_path):
    df = table({**{(A, k): SHORT for k in range(10) if k not in (2, 5)},
                **{(SABA, k): SHORT for k in range(10)}})
    comparison = Comparison(df, "d[n=1]", OBJECTIVE, tmp_path, {})
    assert comparison.notes() == ["Repetitions that diverged: 2 of 10 of "
                                  "SOBA."]


def conditioned(tmp_path, load, tuned_on):
    df = table({(name, k): SHORT for k in range(2) for name in (A, SABA)})
    df = df.assign(**{"system-cpus": 2, "system-processor": "AMD, EPYC",
                      conditions.LOAD: load})
    df[conditions.TUNED_ON] = [tuned_on.get(name.split("[")[0])
                               for name in df["solver_name"]]
    return Comparison(df, "d[n=1]", OBJECTIVE, tmp_path, {}).notes()


@pytest.mark.parametrize("load", [2.0, 2.4, None])
def test_of_a_machine_of_its_own_nothing_is_said(tmp_path, load):
    own = dict.fromkeys(("SOBA", "SABA"), "AMD EPYC with 2 CPUs")
    assert conditioned(tmp_path, load, own) == []
    assert conditioned(tmp_path, load, {}) == []


def test_a_loaded_machine_and_another_one_are_named(tmp_path):
    loaded, other = conditioned(
        tmp_path, 7.25, {"SABA": "AMD EPYC with 8 CPUs",
                         "SOBA": "AMD EPYC with 2 CPUs"})
    assert loaded.startswith("The machine was loaded: 7.2 on 2 cores")
    assert other == ("Parameters chosen on another machine "
                     "(AMD EPYC with 8 CPUs): SABA.")
