"""Text that holds numbers or dates in a spelling that is not read: it would be taken for names."""

from __future__ import annotations

import re

import pandas as pd

# Of the different values, so many must be of one spelling.
_NEARLY_ALL = 0.9
_SIGN = "[+\\-\u2212]?"
_PLAIN = r"\d+(?:[.,]\d+)?"
_GROUPED = r"\d{1,3}(?:[,.'\u2019 \u00a0\u202f]\d{3})+(?:[.,]\d+)?"
_AMOUNT = f"(?:{_GROUPED}|{_PLAIN})"
# Of other three letters, as those of flights and parts, none are known to be money.
_CURRENCY = (
    "(?:[$\u20ac\u00a3\u00a5\u20b9]|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK"
    "|NZD|PLN|RUB|SEK|SGD|TRY|USD|ZAR)"
)
_NUMBERS = [
    re.compile(pattern)
    for pattern in (
        rf"{_SIGN}{_AMOUNT} ?[%\u2030]",
        rf"{_SIGN}{_CURRENCY} ?{_SIGN}{_AMOUNT}",
        rf"{_SIGN}{_AMOUNT} ?{_CURRENCY}",
        rf"\({_CURRENCY}? ?\d[\d.,']*[.,]\d+\)",
        rf"{_AMOUNT}-",
        rf"\u2212 ?{_AMOUNT}",
        rf"{_SIGN}{_GROUPED}",
    )
]
_NUMBER = re.compile(rf"[+-]?{_PLAIN}(?:[eE][+-]?\d+)?")
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_PARTED_DATE = re.compile(rf"{_DAY}([/.-]){_DAY}\1(?:\d{{4}}|\d\d)(?:[ T].*)?")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T].*)?")


def is_number_text(value: object) -> bool:
    """Whether text is a number, with a decimal point or comma."""
    return isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is not None


def other_spelling(column: pd.Series) -> str | None:
    """What a column of text holds in a spelling that is not read, with an example.

    Parameters
    ----------
    column : Series
        Of text; missing values are passed over.

    Returns
    -------
    str or None
        Such as "numbers, written as '12.5%'"; None for names.
    """
    values = [value for value in column.dropna().unique() if isinstance(value, str)]
    if not values:
        return None
    texts = [value.strip() for value in values]
    for what, spellings, plain in (
        ("numbers", _NUMBERS, _NUMBER),
        ("dates", [_PARTED_DATE], _ISO_DATE),
    ):
        strange = [text for text in texts if any(s.fullmatch(text) for s in spellings)]
        usual = sum(plain.fullmatch(text) is not None for text in texts)
        if strange and len(strange) + usual >= _NEARLY_ALL * len(texts):
            return f"{what}, written as {strange[0]!r}"
    return _dates_but_for_a_few(column, texts)


def _dates_but_for_a_few(column: pd.Series, texts: list[str]) -> str | None:
    if sum(_ISO_DATE.fullmatch(text) is not None for text in texts) < _NEARLY_ALL * len(texts):
        return None
    moments = pd.to_datetime(pd.Series(texts), utc=True, format="ISO8601", errors="coerce")
    unread = moments.isna().to_numpy()
    if not unread.any() or unread.mean() > 1.0 - _NEARLY_ALL:
        return None
    value = texts[int(unread.argmax())]
    row = int((column.astype(str).str.strip() == value).to_numpy().argmax())
    return f"dates, but for {value!r} in row {row}"
