"""The report: what it says, that it stands alone, and that it works in a real browser."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from html import unescape

import pytest

pytest.importorskip("matplotlib")

import numpy as np
import pandas as pd
from command_line import invoke
from matplotlib import pyplot

from focaltab.metrics import average_precision, precision_at_k, recall_at_k
from focaltab.plots import CostDisplay
from focaltab.report import write_report
from focaltab.workflow import UserError

TARGET = "is <b>bad</b> & worse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder as the command line leaves it, with a target that needs escaping."""
    path = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(4000, 3)), columns=["a", "b", "<i>c"])
    table[TARGET] = np.where(table["a"] + rng.normal(size=4000) > 2.5, "yes", "no")
    table.to_csv(path / "data.csv", index=False)
    result = invoke("train", path / "data.csv", "--target", TARGET, "--out", path / "model",
                    "--n-estimators", 20, "--gamma", 2)  # fmt: skip
    assert result.exit_code == 0, result.output
    return path / "model"


def test_train_writes_it_and_it_stands_alone(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) >= 6 and all(a.startswith("data:") for a in addresses)
    assert not re.search(r"url\(|@import|https?://", page.split("<body>")[0])
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


def table_under(page, title):
    """Cells of the table that follows a heading, head first."""
    part = page.split(f"<h2>{title}</h2>")[1].split("</table>")[0]
    rows = re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    return [[unescape(c) for c in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows]


def test_the_figures_show_the_interval(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    figures = json.loads((folder / "metrics.json").read_text())
    head, first, *_ = table_under(page, "Held-out figures")
    assert head == ["", "focal gamma=2", "cross-entropy", "no skill"]
    expected = ["average precision"]
    for model in ("focal", "cross_entropy"):
        value, low, high = (figures[model]["average_precision" + e] for e in ("", "_low", "_high"))
        expected.append(f"{value:.4f} [{low:.4f}, {high:.4f}]")
    assert first == [*expected, f"{figures['focal']['prevalence']:.5f}"]
    assert f'<p class="verdict">{figures["verdict"]}</p>' in page


def test_the_highest_scored_rows_show_their_own_values(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    head, *shown = table_under(page, "Highest-scored rows")
    assert head == ["row", TARGET, "probability, focal gamma=2", "cross-entropy", "a", "b", "<i>c"]
    rows = pd.read_csv(folder / "predictions.csv").nlargest(20, "probability")
    data = pd.read_csv(folder.parent / "data.csv")
    assert [int(cells[0]) for cells in shown] == rows["row"].tolist()
    for cells, row in zip(shown, rows["row"], strict=True):
        assert cells[1] == data[TARGET][row]
        values = [float(cell) for cell in cells[4:]]
        assert values == pytest.approx(data.loc[row, ["a", "b", "<i>c"]].tolist(), rel=1e-5)
        assert max(map(len, cells[4:])) < 14


def test_the_facts_hold_the_held_out_positives_and_the_best_rounds(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    facts = dict(table_under(page, "Data and model")[1:])
    rows = pd.read_csv(folder / "predictions.csv")
    assert facts["positives held out"] == str((rows[TARGET] == "yes").sum())
    rounds = json.loads((folder / "metrics.json").read_text())["rounds"]
    told = f"{rounds['focal']} (focal gamma=2), {rounds['cross_entropy']} (cross-entropy) of at"
    assert facts["best round"] == f"{told} most 20"


def test_a_folder_without_the_highest_rows_own_values_still_has_a_report(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "old")
    (tmp_path / "old" / "top_rows.csv").unlink()
    page = write_report(tmp_path / "old").read_text(encoding="utf-8")
    head, *shown = table_under(page, "Highest-scored rows")
    assert len(head) == 4 and len(shown) == 20 and all(len(cells) == 4 for cells in shown)


@pytest.mark.slow
def test_a_wide_table_is_cut_and_says_so(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "wide")
    top = pd.read_csv(folder / "top_rows.csv")
    for k in range(40):
        top[f"more {k}"] = k
    top.to_csv(tmp_path / "wide" / "top_rows.csv", index=False)
    page = write_report(tmp_path / "wide").read_text(encoding="utf-8")
    assert len(table_under(page, "Highest-scored rows")[0]) == 4 + 30
    assert "13 more columns are in top_rows.csv" in page


def test_the_cheapest_threshold_is_that_of_all_and_of_the_cost_plot(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    rows = pd.read_csv(folder / "predictions.csv")
    y, p = (rows[TARGET] == "yes").to_numpy(), rows["probability"].to_numpy()
    data = json.loads(re.search(r'id="thresholds">(.*?)</script>', page).group(1))
    corners = data["corners"]
    assert (corners["threshold"][0], corners["alerts"][0]) == (None, 0)
    for missed in (0.3, 1.0, 1.7, 5.0, 20.0, 400.0):
        plot = CostDisplay.from_predictions(y, p, fp_cost=1.0, tp_cost=1.0, fn_cost=missed)
        pyplot.close(plot.figure_)
        cost = np.array(corners["alerts"]) + missed * (y.sum() - np.array(corners["hits"]))
        best = corners["threshold"][cost.argmin()]
        assert (np.inf if best is None else best) == plot.best_threshold
        assert cost.min() / y.size == pytest.approx(plot.best_cost)
    plot = CostDisplay.from_predictions(y, p, fp_cost=1.0, tp_cost=1.0, fn_cost=20.0)
    pyplot.close(plot.figure_)
    (row,) = [c for c in table_under(page, "Where to set the threshold") if c[0] == "cheapest"]
    assert row[1] == f"{plot.best_threshold:.3g}"
    assert row[5] == f"{plot.best_cost * y.size:,.0f}"


def test_every_rule_of_the_style_has_something_to_style(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    style, body = re.search(r"<style>(.*?)</style>(.*)", page, re.DOTALL).groups()
    for name in re.findall(r"\.([a-z][\w-]*)[^{}]*\{", style):
        assert f'class="{name}"' in body, name
    for name in re.findall(r"#([a-z][\w-]*)[^{};]*\{", style):
        assert re.search(f"id=['\"]{name}['\"]", body), name


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


def test_the_command_line_writes_it_anew_and_another_file_only_when_asked(folder, tmp_path):
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").write_text("stale")
    assert invoke("report", folder).exit_code == 0
    assert (folder / "report.html").read_bytes() == page
    other = tmp_path / "page.html"
    other.write_text("kept")
    result = invoke("report", folder, "--out", other)
    assert result.exit_code == 2 and "exists already" in result.output
    assert other.read_text() == "kept"
    assert invoke("report", folder, "--out", other, "--overwrite").exit_code == 0
    assert other.read_bytes() == page
    assert not list(tmp_path.glob(".*part"))


def test_only_an_ending_of_html_is_written(folder, tmp_path):
    for name in ("x.pdf", "x", "x.html.gz"):
        result = invoke("report", folder, "--out", tmp_path / name)
        assert result.exit_code == 2 and ".html or .htm" in result.output.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []
    assert invoke("report", folder, "--out", tmp_path / "x.HTM").exit_code == 0


@pytest.mark.slow
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
def browser(folder, new_browser):
    with new_browser() as driver:
        driver.get((folder / "report.html").as_uri())
        yield driver


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


def test_costs_move_the_cheapest_threshold(browser, folder):
    rows = pd.read_csv(folder / "predictions.csv")
    y, p = (rows[TARGET] == "yes").to_numpy(), rows["probability"].to_numpy()
    thresholds = np.append(np.inf, np.unique(p)[::-1])
    alerts = np.array([(p >= t).sum() for t in thresholds])
    hits = np.array([(p[y] >= t).sum() for t in thresholds])
    chosen = []
    for missed in (0.5, 2, 20, 200):
        set_value(browser, "missed-cost", missed)
        cost = alerts + missed * (y.sum() - hits)
        row = cells(browser, "cheapest")
        if missed < 1:
            assert row[1:5] == ["above all", "0", "none", "0.0%"]
        assert int(row[2].replace(",", "")) == alerts[cost.argmin()]
        assert float(row[5].replace(",", "")) == pytest.approx(cost.min(), abs=0.6)
        chosen.append(alerts[cost.argmin()])
    assert chosen == sorted(chosen) and chosen[0] < chosen[-1]
    set_value(browser, "missed-cost", 20)


def test_the_cheapest_row_stands_out(browser):
    def weight(row):
        return browser.find_element("css selector", f"#{row} td").value_of_css_property(
            "font-weight"
        )

    assert (weight("cheapest"), weight("chosen")) == ("600", "400")


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
