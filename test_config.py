"""Hooks of `benchopt test .`: what a machine may lack is skipped, and said."""
import shutil
import sys
import traceback
from urllib.request import urlopen

import pytest
from benchopt import BaseDataset
from benchopt.benchmark import get_running_benchmark
from benchopt.config import get_setting
from benchopt.utils.run_context import RunContext

CHANNEL = "https://conda.anaconda.org"


def take_part():
    """Make this file a plugin of pytest; objective.py calls it.

    benchopt itself reads this file in a fixture of each test. That is too
    late for environments, which are made before, and it never comes to it if
    another plugin has a fixture of the same name as one of benchopt's.
    objective.py is read while pytest is configured.
    """
    for frame, _ in traceback.walk_stack(None):
        config = frame.f_locals.get("config")
        if isinstance(config, pytest.Config):
            # pytest-benchmark, which does not bear another `benchmark`.
            if config.pluginmanager.has_plugin("benchmark"):
                config.pluginmanager.unregister(name="benchmark")
            config.pluginmanager.register(sys.modules[__name__])
            break


@pytest.fixture(scope="session")
def benchmark():
    """benchopt's fixture: of several, that of the last plugin counts."""
    return get_running_benchmark()


def pytest_collection_modifyitems(items):
    """pytest's hook: tests of installs are skipped where there can be none."""
    installs = [item for item in items if "requires_install" in item.keywords]
    reason = why_no_environment() if installs else None
    if reason:
        for item in installs:
            item.add_marker(pytest.mark.skip(reason=reason))


def why_no_environment():
    """Why no conda environment can be made here, or None."""
    conda = get_setting("conda_cmd")
    if shutil.which(conda) is None:
        return f"installs are tested by conda, and there is no {conda!r}"
    try:
        urlopen(CHANNEL, timeout=10).close()
    except OSError as error:
        return f"installs need the network: {CHANNEL} says {error}"
    return None


def check_test_dataset_get_data(dataset_class):
    """benchopt's hook: skip where data is to be had by a download alone.

    A dataset that makes its data has no excuse.
    """
    if not dataset_class.is_installed():
        return
    dataset = dataset_class.get_instance(**(dataset_class.test_config or {}))
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=0)
    data = dataset.get_data()
    if data["problem"] is None:
        downloads = dataset_class.prepare is not BaseDataset.prepare
        (pytest.skip if downloads else pytest.fail)(data["reason"])
