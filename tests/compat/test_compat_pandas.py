import io
import warnings
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from focaltab._compat.pandas import exact_floats, text_as_objects, to_moments

ENDS = ["2024-02-03T04:05:06", "9999-12-31", None, "0001-01-01T00:00:00"]
EXPECTED = np.array(ENDS, dtype="datetime64[us]")


def plain(moments):
    assert str(moments.dt.tz) == "UTC"
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def test_text_is_read_also_beyond_the_nanoseconds_of_64_bits():
    column = pd.Series(ENDS, index=[3, 3, 1, 0], name="until", dtype=object)
    found = to_moments(column, format="ISO8601")
    np.testing.assert_array_equal(plain(found), EXPECTED)
    assert found.index.tolist() == [3, 3, 1, 0] and found.name == "until"
    assert to_moments(column[:0], format="ISO8601").empty


def test_pythons_dates_are_read_also_with_zones():
    summer = timezone(timedelta(hours=2))
    dates = [datetime(9999, 12, 31, tzinfo=UTC), datetime(2024, 5, 1, 1, tzinfo=summer), None]
    found = to_moments(pd.Series(dates, dtype=object))
    expected = np.array(["9999-12-31", "2024-04-30T23", "NaT"], dtype="datetime64[us]")
    np.testing.assert_array_equal(plain(found), expected)


@pytest.mark.parametrize("values", [["2024-01-01", "soon"], ["9999-12-31", "soon"]])
def test_what_is_no_date_is_refused(values):
    with pytest.raises(ValueError):
        to_moments(pd.Series(values), format="ISO8601")


def test_floats_are_read_as_they_were_written():
    values = np.random.default_rng(0).lognormal(3.0, 1.0, 1000)
    written = pd.DataFrame({"a": values}).to_csv(index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = pd.read_csv(io.StringIO(written), **exact_floats())
    np.testing.assert_array_equal(read["a"], values)


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")
def test_text_becomes_pythons_own():
    with text_as_objects():
        column = pd.DataFrame({"a": ["x", "y"]})["a"]
    assert column.dtype == object
