import pytest

pytest.importorskip("matplotlib")

import numpy as np
import pandas as pd

from focaltab.monitoring import Reference, compare_rows
from focaltab.plots import DriftDisplay


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    names = [f"c{k}" for k in range(25)]
    before = pd.DataFrame(rng.normal(size=(3000, 25)), columns=names)
    now = pd.DataFrame(rng.normal(size=(800, 25)), columns=names)
    now["c7"] += 1.0
    return compare_rows(Reference.from_rows(before), now)


def test_the_most_changed_columns_are_drawn_beside_their_limits(report):
    shown = DriftDisplay.from_report(report)
    names = [label.get_text() for label in shown.ax_.get_yticklabels()]
    assert len(names) == 20 and names[0] == "c7"
    table = report.columns.set_index("column").loc[names]
    assert [bar.get_width() for bar in shown.bars_] == table["psi"].tolist()
    limits = [segment[0][0] for segment in shown.limits_.get_segments()]
    assert limits == table["psi_limit"].tolist()
    # Bars within chance are faint.
    assert [bar.get_alpha() is None for bar in shown.bars_] == table["beyond_chance"].tolist()


def test_it_draws_on_given_axes(report):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    shown = DriftDisplay.from_report(report, n_columns=3, ax=ax, height=0.2)
    assert shown.ax_ is ax and shown.figure_ is figure
    assert [bar.get_height() for bar in shown.bars_] == [0.2] * 3


@pytest.mark.parametrize(
    ("columns", "n_columns", "message"),
    [
        (pd.DataFrame({"column": ["a"]}), 20, "columns lacks"),
        (None, 0, "n_columns must be at least 1"),
        ("empty", 20, "no column to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused(report, columns, n_columns, message):
    given = report.columns if columns is None else columns
    given = report.columns.iloc[:0] if isinstance(columns, str) else given
    with pytest.raises(ValueError, match=message):
        DriftDisplay(given, n_columns=n_columns)


def test_names_are_no_formulas():
    rng = np.random.default_rng(0)
    before = pd.DataFrame({"a$_$b": rng.normal(size=500), "$x$": rng.normal(size=500)})
    shown = DriftDisplay.from_report(compare_rows(Reference.from_rows(before), before + 1.0))
    shown.figure_.canvas.draw()
