"""The report: what it says, that it stands alone, and that it works in a real browser."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from focaltab.cli import app
from focaltab.metrics import average_precision, precision_at_k, recall_at_k
from focaltab.report import write_report
from focaltab.workflow import UserError

TARGET = "is <b>bad</b> & worse"
BROWSER = shutil.which("chromium")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder as the command line leaves it, with a target that needs escaping."""
    path = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(4000, 3)), columns=["a", "b", "c"])
    table[TARGET] = np.where(table["a"] + rng.normal(size=4000) > 2.5, "yes", "no")
    table.to_csv(path / "data.csv", index=False)
    result = invoke("train", path / "data.csv", "--target", TARGET, "--out", path / "model",
                    "--n-estimators", 20)  # fmt: skip
    assert result.exit_code == 0, result.output
    return path / "model"


def test_train_writes_it_and_it_stands_alone(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith("data:")
    assert "<b>bad</b>" not in page and "&lt;b&gt;bad&lt;/b&gt; &amp; worse" in page
    images = re.findall(r'<img alt="([^"]*)"', page)
    assert len(images) >= 5 and all(len(alt) > 40 for alt in images)


def test_figures_are_those_of_the_held_out_rows(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    rows = pd.read_csv(folder / "predictions.csv")
    y, p = rows[TARGET] == "yes", rows["probability"]
    figures = json.loads((folder / "metrics.json").read_text())
    verdict = re.search(r'<p class="verdict">(.*?)</p>', page).group(1)
    assert f"average precision {average_precision(y, p):.3f} [" in verdict
    gap = figures["difference"]
    assert ("within the noise" in verdict) == (gap["low"] <= 0 <= gap["high"])
    data = json.loads(re.search(r'id="thresholds">(.*?)</script>', page).group(1))
    for i in (0, len(data["alerts"]) // 2, -1):
        k = data["alerts"][i]
        assert data["hits"][i] / k == pytest.approx(precision_at_k(y, p, k=k))
        assert data["hits"][i] / data["positives"] == pytest.approx(recall_at_k(y, p, k=k))
        assert (p >= data["threshold"][i]).sum() == k
    assert f"<td>{rows.loc[p.idxmax(), 'row']}</td>" in page


def test_the_command_repeats_the_training(folder, tmp_path):
    page = (folder / "report.html").read_text(encoding="utf-8")
    command = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL).group(1)
    words = shlex.split(command.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
                        .replace("&#x27;", "'").replace("&quot;", '"'))  # fmt: skip
    words[words.index("NEW_FOLDER")] = str(tmp_path / "again")
    result = invoke(*words[1:])
    assert result.exit_code == 0, result.output
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "again" / "predictions.csv"), pd.read_csv(folder / "predictions.csv")
    )


def test_the_command_line_writes_it_and_overwrites_only_when_asked(folder, tmp_path):
    result = invoke("report", folder)
    assert result.exit_code == 2 and "exists already" in result.output
    assert invoke("report", folder, "--overwrite").exit_code == 0
    assert invoke("report", folder, "--out", tmp_path / "page.html").exit_code == 0
    first, second = (folder / "report.html").read_bytes(), (tmp_path / "page.html").read_bytes()
    assert first == second
    assert not list(tmp_path.glob(".*part"))


def test_without_matplotlib_it_says_how_to_get_plots(folder, tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None; from focaltab.report import write_report; "
        f"write_report({str(folder)!r}, {str(tmp_path / 'page.html')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "focaltab[plots]" in page and "<img" not in page and 'id="slider"' in page


@pytest.mark.parametrize("damage", ["folder", "schema.json", "metrics.json", "predictions.csv"])
def test_a_broken_folder_is_named(folder, tmp_path, damage):
    if damage == "folder":
        (tmp_path / "model").mkdir()
    else:
        shutil.copytree(folder, tmp_path / "model")
        (tmp_path / "model" / damage).write_text("{}")
    with pytest.raises(UserError, match="is no model folder"):
        write_report(tmp_path / "model", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(scope="module")
def browser(folder, tmp_path_factory):
    if BROWSER is None:
        pytest.skip("Chromium is not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                 "disable-background-networking", "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.get((folder / "report.html").as_uri())
    yield driver
    driver.quit()


def cells(browser, row):
    return [c.text for c in browser.find_elements("css selector", f"#{row} td")]


def set_value(browser, control, value):
    browser.execute_script(
        "const c = document.getElementById(arguments[0]); c.value = arguments[1];"
        "c.dispatchEvent(new Event('input'));",
        control,
        value,
    )


def test_it_opens_with_no_console_message(browser):
    assert browser.get_log("browser") == []


def test_the_slider_changes_the_table(browser):
    data = json.loads(browser.find_element("id", "thresholds").get_attribute("textContent"))
    for i in (0, len(data["alerts"]) - 1):
        set_value(browser, "slider", i)
        _, threshold, alerts, precision, recall, *_ = cells(browser, "chosen")
        assert float(threshold) == pytest.approx(data["threshold"][i], rel=0.01)
        assert int(alerts.replace(",", "")) == data["alerts"][i]
        hits = data["hits"][i]
        assert float(precision.rstrip("%")) == pytest.approx(
            100 * hits / data["alerts"][i], abs=0.06
        )
        assert float(recall.rstrip("%")) == pytest.approx(100 * hits / data["positives"], abs=0.06)


def test_costs_move_the_cheapest_threshold(browser):
    data = json.loads(browser.find_element("id", "thresholds").get_attribute("textContent"))
    alerts, hits = np.array(data["alerts"]), np.array(data["hits"])
    chosen = []
    for missed in (2, 20, 200):
        set_value(browser, "missed-cost", missed)
        cost = alerts + missed * (data["positives"] - hits)
        row = cells(browser, "cheapest")
        assert int(row[2].replace(",", "")) == alerts[cost.argmin()]
        assert float(row[5].replace(",", "")) == pytest.approx(cost.min(), abs=0.6)
        chosen.append(alerts[cost.argmin()])
    assert chosen == sorted(chosen) and chosen[0] < chosen[-1]
    set_value(browser, "missed-cost", 20)


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_runs_over_the_page(browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    images = browser.find_elements("tag name", "img")
    assert all(50 < image.size["width"] <= width for image in images)
    assert browser.get_log("browser") == []
