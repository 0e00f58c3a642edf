"""What a comparison writes, from tables made by hand."""
import subprocess
import sys
import time
from pathlib import Path

import pytest
from handmade import OBJECTIVE, SABA, SHORT, A, table
from harness import ROOT

from benchmark_utils.reporting import compare, conditions
from benchmark_utils.reporting.compare import Comparison

# Half a second of a core.
COUNT = ("import time\nwhile time.process_time() < 0.6: pass")


def test_says_how_many_repetitions_diverged(tmp_path):
    df = table({**{(A, k): SHORT for k in range(10) if k not in (2, 5)},
                **{(SABA, k): SHORT for k in range(10)}})
    comparison = Comparison(df, "d[n=1]", OBJECTIVE, tmp_path, {})
    assert comparison.notes() == ["Repetitions that diverged: 2 of 10 of "
                                  "SOBA."]


def conditioned(tmp_path, others, tuned_on, jobs=2):
    df = table({(name, k): SHORT for k in range(2) for name in (A, SABA)})
    df = df.assign(**{"system-cpus": 2, "system-processor": "AMD, EPYC",
                      conditions.OTHERS: others, "runs-jobs": jobs})
    df[conditions.TUNED_ON] = [tuned_on.get(name.split("[")[0])
                               for name in df["solver_name"]]
    return Comparison(df, "d[n=1]", OBJECTIVE, tmp_path, {}).notes()


@pytest.mark.parametrize("others, jobs", [
    (0.0, 2), (0.2, 2), (1.2, 1), (None, 2)])
def test_of_a_machine_of_its_own_nothing_is_said(tmp_path, others, jobs):
    own = dict.fromkeys(("SOBA", "SABA"), "AMD EPYC with 2 CPUs")
    assert conditioned(tmp_path, others, own, jobs) == []
    assert conditioned(tmp_path, others, {}, jobs) == []


def test_a_loaded_machine_and_another_one_are_named(tmp_path):
    loaded, other = conditioned(
        tmp_path, 1.3, {"SABA": "AMD EPYC with 8 CPUs",
                         "SOBA": "AMD EPYC with 2 CPUs"})
    assert loaded.startswith("Other programs used 1.3 of 2 cores, beside 2")
    assert other == ("Parameters chosen on another machine "
                     "(AMD EPYC with 8 CPUs): SABA.")


def test_what_children_use_is_not_what_others_use():
    others = conditions.Others()
    subprocess.run([sys.executable, "-c", COUNT], check=True)
    ours = others._now()[2] - others._start[2]
    # Whatever else the machine does: what is left has lost that.
    assert ours >= 0.5
    wall, busy, _ = (now - then for now, then in zip(
        others._now(), others._start, strict=True))
    assert others.cores() <= max(0.0, busy - ours + 0.1) / wall


def test_what_a_program_that_is_no_child_uses_is():
    """One that a child has left behind counts once it is nobody's."""
    others = conditions.Others()
    left = ("import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
            f"{COUNT!r}])")
    subprocess.run([sys.executable, "-c", left], check=True)
    before = others._now()[2]
    time.sleep(1.5)
    assert others._now()[2] == before
    assert others.cores() > 0.1


def test_a_record_names_files_of_the_suite_as_seen_from_it(tmp_path):
    assert compare._within(ROOT / "configs/a.yml") == Path("configs/a.yml")
    assert compare._within(tmp_path / "a.yml") == tmp_path / "a.yml"
