"""Files of the user's: what is damaged, misspelt or missing is named."""
import joblib
import numpy as np
import pytest
import yaml
from benchopt import config
from benchopt.utils.run_context import RunContext
from harness import BENCHMARK, DATASETS

from benchmark_utils import checks
from benchmark_utils.problems.dataset import data_path


def reason(name, **parameters):
    dataset = DATASETS[name].get_instance(**parameters)
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    return dataset.get_data()["reason"]


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Write a config.yml; the suite then reads that one."""
    def write(**settings):
        (tmp_path / "config.yml").write_text(yaml.safe_dump(settings))

    monkeypatch.setattr(
        BENCHMARK, "get_config_file", lambda: tmp_path / "config.yml")
    # benchopt asks the benchmark that was made last.
    monkeypatch.setattr("benchopt.benchmark._RUNNING_BENCHMARK", BENCHMARK)
    monkeypatch.setattr(config, "_CONFIG_CHECK_STATE",
                        {"global": True, "bench": True})
    checks.warn_once.cache_clear()
    write()
    return write


def test_what_the_config_names(configure, tmp_path):
    file = tmp_path / "copy.npz"
    file.touch()
    configure(data_paths={"mnist": str(file)})
    assert data_path("mnist") == file
    # Relative to the folder of all data.
    configure(data_paths={"mnist": "copy.npz"}, data_home=str(tmp_path))
    assert data_path("mnist") == file
    assert data_path("ijcnn1") == tmp_path / "ijcnn1"
    for settings in ({}, {"data_paths": None}, {"data_paths": {}}):
        configure(**settings)
        assert data_path("mnist") == (
            BENCHMARK.benchmark_dir / "data" / "mnist").resolve()


@pytest.mark.parametrize("name", ["ijcnn1", "mnist"])
@pytest.mark.parametrize("path", ["/no/such/place", "", None, 3, ["a"]])
def test_a_path_that_is_missing(configure, name, path):
    configure(data_paths={name: path})
    assert f"data_paths: {name}: {path!r} of config.yml is not" in reason(name)


@pytest.mark.parametrize("name, typo", [
    ("ijcnn1", "ijcnn"), ("ijcnn1", "ijccn1"), ("ijcnn1", "IJCNN1"),
    ("mnist", "MNIST"), ("mnist", "minst"), ("mnist", "mnist.npz")])
def test_a_key_that_is_misspelt(configure, tmp_path, name, typo):
    configure(data_paths={typo: str(tmp_path)})
    assert f"data_paths: {typo!r} of config.yml is not valid: {name!r}" in (
        reason(name))


def test_a_key_of_nothing_is_said_once(configure, tmp_path, caplog):
    configure(data_paths={
        "weather": str(tmp_path), "covtype": "/a/b", "ijcnn1": "/c/d"})
    for _ in range(2):
        data_path("mnist")
    assert [record.getMessage() for record in caplog.records] == [
        f"data_paths: {name!r} of config.yml is the name of no dataset that "
        "asks for a path" for name in ("covtype", "weather")]


@pytest.mark.parametrize("key, other", [
    ("ijcnn1", "mnist"), ("mnist", "ijcnn1")])
def test_a_key_of_another_dataset(configure, tmp_path, caplog, key, other):
    configure(data_paths={other: str(tmp_path)})
    data_path(key)
    assert not caplog.records


@pytest.mark.parametrize("settings, message", [
    ({"data_paths": ["mnist"]}, "data_paths=['mnist'] of config.yml"),
    ({"data_paths": "mnist: a"}, "data_paths='mnist: a' of config.yml"),
    ({"data_home": "/no/such/home"}, "there is no folder /no/such/home"),
])
def test_settings_of_another_form(configure, settings, message):
    configure(**settings)
    assert message in reason("mnist")


def test_a_path_of_another_kind(configure, tmp_path):
    """A file for a folder, and a folder for a file."""
    file = tmp_path / "file"
    file.touch()
    configure(data_paths={"ijcnn1": str(file), "mnist": str(tmp_path)})
    assert f"Not a directory: '{file}" in reason("ijcnn1")
    assert f"{tmp_path} is damaged" in reason("mnist", download=True)


@pytest.fixture
def covtype_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    folder = tmp_path / "covertype"
    folder.mkdir()
    return folder


def test_covtype_is_not_there(covtype_home):
    said = reason("covtype")
    assert f"not in {covtype_home}" in said and "download=True" in said


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("damage", [
    b"", b"\xa3 nothing that is known", "cut short"])
def test_covtype_with_a_damaged_copy(covtype_home, damage, download):
    for part in ("samples_py3", "targets_py3"):
        file = covtype_home / part
        joblib.dump(np.arange(5000.0), file, compress=9)
        file.write_bytes(file.read_bytes()[:300] if damage == "cut short"
                         else damage)
    said = reason("covtype", download=download)
    assert f"the copy in {covtype_home} is damaged" in said
    assert len(list(covtype_home.iterdir())) == 2


def test_covtype_whose_files_do_not_fit(covtype_home):
    joblib.dump(np.ones((9, 54)), covtype_home / "samples_py3", compress=9)
    joblib.dump(np.ones(8, int), covtype_home / "targets_py3", compress=9)
    assert "shapes (9, 54) and (8,)" in reason("covtype")
