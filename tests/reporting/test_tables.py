"""Runs in results tables are told apart by all that tells them apart."""
import pandas as pd
import pytest
from handmade import OBJECTIVE, A, B, problem, table

from benchmark_utils.reporting import tables

CURVE = [(0, 9), (1, 4)]


def saved(folder, *parts):
    """Files of results tables."""
    files = [folder / f"{k}.parquet" for k in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        part.to_parquet(file)
    return files


def test_seeds_are_repetitions_of_their_own(tmp_path):
    # The same two repetitions from two seeds: four runs, not two of twice
    # the points.
    first = table({(A, 0): [(0, 9), (1, 1)], (A, 1): [(0, 9), (1, 2)]})
    second = table({(A, 0): [(0, 9), (1, 6)], (A, 1): [(0, 9), (1, 8)]},
                   seed=1, run_date="2026-01-02")
    runs = problem(tables.read(saved(tmp_path, first, second)))
    configuration, = runs.configurations
    assert len(configuration.curves) == configuration.n_asked == 4
    assert configuration.score()[0] == 4.0


def test_repetitions_asked_for_are_those_of_the_own_table(tmp_path):
    few = table({(A, 0): CURVE, (A, 1): CURVE})
    many = table({(B, k): CURVE for k in range(9)} | {
        ("SABA[step_size=1.0]", 9): CURVE}, run_date="2026-01-02")
    runs = problem(tables.read(saved(tmp_path, few, many)))
    assert {c.name: c.n_asked for c in runs.configurations} == {
        A: 2, B: 10, "SABA[step_size=1.0]": 10}
    # What a command has stored holds.
    many["n_repetitions_asked"] = 12
    runs = problem(tables.read(saved(tmp_path, few, many)))
    assert {c.n_asked for c in runs.configurations} == {2, 12}


def test_runs_that_benchopt_kept_count_once(tmp_path):
    first = table({(A, 0): CURVE, (A, 1): CURVE})
    # The next run finds two of ten, and eight diverge.
    second = table({(A, 0): CURVE, (A, 1): CURVE, (B, 9): CURVE},
                   run_date="2026-01-02")
    runs = problem(tables.read(saved(tmp_path, first, second)))
    assert {c.name: (len(c.curves), c.n_asked)
            for c in runs.configurations} == {A: (2, 10), B: (1, 10)}


def test_two_different_runs_of_a_repetition_are_refused(tmp_path):
    first = table({(A, 0): CURVE})
    second = table({(A, 0): [(0, 9), (1.5, 4), (2, 1)]},
                   run_date="2026-01-02")
    with pytest.raises(ValueError, match="two different runs of SOBA.*"
                       "seed 0, repetition 0: leave out"):
        tables.read(saved(tmp_path, first, second))
    # A plot does not fail: the later holds, with none of the earlier points.
    both = pd.concat([first, second], ignore_index=True)
    assert tables.prepared(both)["time"].tolist() == [0, 1.5, 2]


def test_two_files_of_one_name_are_two_methods():
    df = pd.concat([
        table({(A, 0): [(0, 9), (1, 4)]}),
        table({(A, 0): [(0, 9), (1, 3)]}, file_solver="solvers/soba2.py")])
    assert {c.method: c.score()[0] for c in problem(df).configurations} == {
        "SOBA": 4.0, "SOBA (soba2.py)": 3.0}
    assert [c.parameters for c in problem(df).configurations] == [
        {"step_size": 0.1}] * 2


def test_several_objectives_are_not_one():
    df = pd.concat([
        table({(A, 0): CURVE}),
        table({(A, 0): CURVE}).assign(objective_name="o[max_seconds=5]")])
    with pytest.raises(ValueError, match="several objectives.*seconds=5.*"
                       "--objective"):
        tables.find_objective(df)
    assert tables.find_objective(df, "o[max_seconds=2.0]") == OBJECTIVE
    assert tables.find_objective(df, "*[max_seconds=5]") == "o[max_seconds=5]"


def test_a_dataset_is_found_as_it_is_typed():
    names = ["simulated[density=1,n_train=200,noise=1e-1]",
             "simulated[density=1,n_train=400,noise=1e-1]",
             "libsvm[name=news20-binary]", "digits"]
    df = pd.concat([
        table({(A, 0): CURVE}, dataset=name).assign(
            p_dataset_n_train=200 + 200 * (k == 1), p_dataset_noise=0.1,
            p_dataset_density=1.0,
            p_dataset_name="news20.binary" if k == 2 else None)
        for k, name in enumerate(names)])
    for typed, name in {
            names[0]: names[0], "simulated[n_train=400]": names[1],
            "Simulated[n_train=2e2,noise=0.1]": names[0],
            "simulated[noise=[0.1,0.2],n_train=400]": names[1],
            "libsvm": names[2], "libsvm[name=news20.binary]": names[2],
            "digits": names[3], "dig*": names[3]}.items():
        assert tables.find_dataset(df, typed) == name, typed
    for typed in ("simulated", "simulated[noise=0.1]"):
        with pytest.raises(ValueError, match="of which it fits"):
            tables.find_dataset(df, typed)
    for typed in ("mnist", "simulated[n_train=300]", "simulated[other=1]"):
        with pytest.raises(ValueError, match="is not valid: one of"):
            tables.find_dataset(df, typed)


def test_what_is_written_is_the_same_dataset():
    df = table({(A, 0): CURVE}, dataset="libsvm[name=news20-binary,ridge=1e-3]"
               ).assign(p_dataset_name="news20.binary", p_dataset_ridge=1e-3)
    parameters = tables.dataset_parameters(df, df["dataset_name"][0])
    assert parameters == {"name": "news20.binary", "ridge": 1e-3}
    assert tables.as_typed("libsvm", parameters) == (
        "libsvm[name=news20.binary,ridge=0.001]")
    # What benchopt would not read back is written as a dictionary.
    assert tables.as_typed("d", {"path": "a b.npz"}) == {
        "d": {"path": ["a b.npz"]}}


def test_parameters_are_read_from_a_name():
    assert tables.parameters_of(
        "A[box=(-1.0, 2.0),kind=cubic,prob=None,step_size=0.1]") == {
            "box": (-1.0, 2.0), "kind": "cubic", "prob": None,
            "step_size": 0.1}
    assert tables.parameters_of("A[box=[-5, 5]]") == {"box": [-5, 5]}
    assert tables.parameters_of("A") == {}


def test_solvers_of_three_files_of_one_name_have_three_names():
    files = ["solvers/soba.py", "x/soba.py", "y/soba.py", "z/mine.py"]
    df = pd.concat([table({(A, 0): CURVE}, file_solver=file)
                    for file in files], ignore_index=True)
    names = tables.prepared(df, strict=True)["solver_name"].map(
        tables.method_of).unique()
    assert list(names) == ["SOBA", "SOBA (x/soba.py)", "SOBA (y/soba.py)",
                           "SOBA (z/mine.py)"]


@pytest.mark.parametrize("column, values, reason", [
    ("p_dataset_path", ("a/b", "a-b"), "two datasets are called d.*a/b and"),
    ("p_obj_kind", ("None", "x"), "two objectives are called o.*None and x"),
    ("p_solver_kind", ("1,b", "1"), "two solvers are called SOBA.*1,b and 1"),
    ("file_dataset", ("s/d.py", "s/e.py"), "two datasets are called d"),
    # The same, from two tables; and the same file, in two copies.
    ("p_dataset_path", ("0.1", 0.1), None), ("p_dataset_n", (1, 1.0), None),
    ("file_dataset", ("s/d.py", "/t/s/d.py"), None)])
def test_two_things_of_one_name_are_refused(column, values, reason):
    df = pd.concat([
        table({(A, k): CURVE}).assign(**{column: pd.Series(
            [value] * len(CURVE), dtype=object)})
        for k, value in enumerate(values)], ignore_index=True)
    if reason is None:
        tables.prepared(df, strict=True)
        return
    with pytest.raises(ValueError, match=reason):
        tables.prepared(df, strict=True)


def test_what_is_no_results_table_is_named(tmp_path):
    (tmp_path / "text.parquet").write_text("no table")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    for name, reason in {"text.parquet": "not valid", "none.parquet":
                         "not valid", "other.parquet": "solver_name"}.items():
        with pytest.raises(ValueError, match=f"{name}.*{reason}"):
            tables.read([tmp_path / name])
