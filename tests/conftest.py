"""Fixtures: small problems, a finished run, a browser."""
import shutil

import numpy as np
import pytest
from harness import copy_suite, listen, make_problem, run


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items):
    """Tests of one long run stay in one process, which does it once."""
    for item in items:
        if "finished_run" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("finished run"))


@pytest.fixture
def quadratic():
    """A small, well-conditioned quadratic problem with coupled levels."""
    return make_problem(
        "quadratic", n_inner=24, n_outer=32, inner_dim=4, outer_dim=3,
        conditioning=3.0, coupling=0.5, noise=0.5)


@pytest.fixture
def logistic():
    """A small logistic problem whose last batches of 32 are short."""
    return make_problem(
        "simulated_logistic", n_train=200, n_validation=150, n_features=6)


@pytest.fixture
def sparse_logistic():
    """A small logistic problem on sparse data, with empty rows."""
    return make_problem(
        "simulated_logistic", n_train=60, n_validation=50, n_features=6,
        density=0.5)


@pytest.fixture
def cleaning():
    """Small images with wrong labels: one weight a training sample."""
    return make_problem("digits", n_train=50, n_validation=60)


@pytest.fixture
def hyper_representation():
    """Few hidden units on small images: F depends on x also directly."""
    return make_problem(
        "hyper_representation", n_hidden=3, n_train=50, n_validation=60)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A real run of all solvers, without IJCNN1's data and network."""
    folder = tmp_path_factory.mktemp("run")
    suite = copy_suite(folder / "suite")
    code, text = run(
        ["-m", "benchopt", "run", ".", "--no-display", "-n", "12", "-o",
         "*[max_seconds=0.5]", "-d", "ijcnn1", "-d", "simulated_logistic",
         "-d", "quadratic"],
        suite, LIBSVMDATA_HOME=str(folder / "empty"),
        http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    return suite, code, text


@pytest.fixture(scope="session")
def browser():
    """Chromium: one a process, as playwright's loop cannot be started twice.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, (
        "chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-extensions",
                  "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """A tab of a window as on a desk."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield listen(context)
    context.close()
