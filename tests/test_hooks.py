"""test_config.py: what `benchopt test .` skips, and what it does not."""
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from harness import DATASETS, ROOT

SPEC = spec_from_file_location("hooks", ROOT / "test_config.py")
HOOKS = module_from_spec(SPEC)
SPEC.loader.exec_module(HOOKS)


def without_data(prepare):
    """A dataset that cannot have its data."""
    def get_problem(self):
        raise OSError("there is none")

    members = {"get_problem": get_problem, "test_config": None}
    if prepare:
        members["prepare"] = lambda self: None
    return type("Mine", (DATASETS["template"],), members)


def test_a_dataset_that_downloads_is_skipped():
    with pytest.raises(pytest.skip.Exception, match="there is none"):
        HOOKS.check_test_dataset_get_data(without_data(prepare=True))


def test_a_dataset_that_makes_its_data_fails():
    with pytest.raises(pytest.fail.Exception, match="there is none"):
        HOOKS.check_test_dataset_get_data(without_data(prepare=False))
    for name in ("quadratic", "simulated_logistic", "digits"):
        HOOKS.check_test_dataset_get_data(DATASETS[name])


def unreachable(*_, **__):
    raise OSError("name resolution failed")


@pytest.mark.parametrize("which, network, reason", [
    (None, unreachable, "there is no 'no-conda'"),
    ("/bin/conda", unreachable, "name resolution failed"),
    ("/bin/conda", lambda *_, **__: open("/dev/null"), None)])
def test_why_there_is_no_environment(monkeypatch, which, network, reason):
    monkeypatch.setenv("BENCHOPT_CONDA_CMD", "no-conda")
    monkeypatch.setattr(HOOKS.shutil, "which", lambda _: which)
    monkeypatch.setattr(HOOKS, "urlopen", network)
    said = HOOKS.why_no_environment()
    assert said is reason is None or reason in said
