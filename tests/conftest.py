"""What tests of several folders share, and how a run is divided among workers."""

import os
import shutil
from contextlib import contextmanager

import pytest
from hypothesis import settings

# Two workers have a core each. LightGBM asks for a thread a core whatever OMP_NUM_THREADS says, and
# threads that share a core wait for one another in loops: some fits took a hundred times as long.
# OpenMP reads this when it is loaded, which no import above does.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_THREAD_LIMIT", "1")
# Plots are drawn into files, on a machine with a screen too.
os.environ.setdefault("MPLBACKEND", "Agg")

# Folders whose tests compare floats of which a processor's units decide the last digits.
NUMBERS = {
    "boosting",
    "calibration",
    "ensemble",
    "export",
    "losses",
    "metrics",
    "model_selection",
    "neural",
    "pipeline",
    "sampling",
    "serving",
}

# Chosen by `--hypothesis-profile`; the examples of either are the same on every run.
settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=150, deadline=None, derandomize=True)
settings.load_profile("quick")

# Folders whose tests share what is costly: a cluster, what shap compiles, models that are served.
ONE_WORKER = ("distributed", "explanation", "serving")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what tests need, and keep those that share fitted models on one worker.

    scikit-learn's checks share nothing; they fill what other tests leave of a worker's time.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        folder = item.path.parent.name
        if "new_browser" in fixtures:
            item.add_marker("browser")
        if folder == "distributed" and "client" in fixtures:
            item.add_marker("cluster")
        if folder in NUMBERS:
            item.add_marker("numbers")
        if "check" not in fixtures:
            group = folder if folder in ONE_WORKER else f"{folder}/{item.path.stem}"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def new_browser(tmp_path_factory):
    """Open a headless browser for a while; skips where none can be started."""
    webdriver = pytest.importorskip("selenium.webdriver")
    exceptions = pytest.importorskip("selenium.common.exceptions")
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")

    @contextmanager
    def opened():
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                     "disable-background-networking", "disable-component-update", "disable-sync",
                     f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        try:
            driver = webdriver.Chrome(options=options, service=service)
        except exceptions.WebDriverException as error:  # a driver of another version, no sandbox
            pytest.skip(f"Chromium does not start: {error.msg}")
        try:
            yield driver
        finally:
            driver.quit()

    return opened
