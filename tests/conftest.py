"""What tests of several folders share."""

import shutil
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def new_browser(tmp_path_factory):
    """Opens a headless browser for a while; without Chromium the test is skipped."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    from selenium import webdriver

    @contextmanager
    def opened():
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                     "disable-background-networking", "disable-component-update", "disable-sync",
                     f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()

    return opened
