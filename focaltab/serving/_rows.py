"""JSON rows, each value checked against its column before the model sees any."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    create_model,
)

from focaltab.pipeline._kinds import as_written
from focaltab.serving._json import Doubled
from focaltab.serving._refusal import MOST_TOLD, Refusal, Told, shown
from focaltab.workflow._model_columns import Column, Columns

_ISO = (
    r"^\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$"
)
_MATCHES_ISO = re.compile(_ISO, re.ASCII)
_ANY = StrictStr | StrictInt | StrictFloat | StrictBool | None
_Number = Annotated[float | None, Field(allow_inf_nan=False)]
# What nanoseconds since 1970 reach in 64 bits: the models count from there.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
_EXPECTED = {
    "number": "a number or null",
    "date": "an ISO date or time from 1678 to 2261, such as 2024-05-31T12:00:00Z, or null",
    "name": "text or null",
    "unread": "text, a number, true, false or null",
}


@dataclass
class Rows:
    """Rows that a model can be given.

    Attributes
    ----------
    values : list of tuple
        A value for each column: float, datetime in UTC or text; None where missing.
    unseen : list of (int, int)
        Row and column of names that were not among those of training.
    """

    values: list[tuple[Any, ...]]
    unseen: list[tuple[int, int]] = field(default_factory=list)


class RowReader:
    """Checks rows by a schema that is made from the model's columns.

    Parameters
    ----------
    columns : Columns
    max_rows : int
    """

    def __init__(self, columns: Columns, max_rows: int) -> None:
        self._columns = columns
        self._max_rows = max_rows
        self._places = {column.name: k for k, column in enumerate(columns.of)}
        self._required = {column.name for column in columns.of if column.kind != "unread"}
        self._checked = [k for k, c in enumerate(columns.of) if c.kind != "number"]
        # Of a model that cannot do without a value; found when it is first tried.
        self.allows_missing = True
        self._row: Any
        if columns.named:
            # Numbered: a column may be called as an attribute of every pydantic model is.
            fields: dict[str, Any] = {f"c{k}": _field(c) for k, c in enumerate(columns.of)}
            self._row = create_model("Row", __config__=_CONFIG, **fields)
            self._adapter: TypeAdapter[Any] = TypeAdapter(self._row)
        else:
            n = len(columns.of)
            self._adapter = TypeAdapter(
                Annotated[list[_Number], Field(min_length=n, max_length=n)],
                config=ConfigDict(strict=True),
            )

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """JSON schemas of a row, and of a body that refers to it as the component ``Row``."""
        row = self._adapter.json_schema()
        row["title"] = "Row"
        row["description"] = (
            "A value for each column of the model; null where it is missing."
            if self._columns.named
            else "A number for each column of the model, in order; null where it is missing."
        )
        one = {"$ref": "#/components/schemas/Row"}
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": self._max_rows}
        return row, {"anyOf": [one, many], "description": "One row, or a list of rows."}

    def read(self, content: Any) -> Rows:
        """The rows of a body.

        Raises
        ------
        Refusal
            413 for too many rows; 422 names the rows and columns that are not as they should be.
        """
        given = self._listed(content)
        values: list[tuple[Any, ...]] = []
        told: list[Told] = []
        unseen: list[tuple[int, int]] = []
        for k, row in enumerate(given):
            found = self._one(k, row, told, unseen)
            if len(told) >= MOST_TOLD:
                break
            values.append(found)
        if told:
            raise Refusal(422, told[:MOST_TOLD])
        return Rows(values, unseen)

    def _listed(self, content: Any) -> list[Any]:
        if isinstance(content, dict):
            given: list[Any] = [content]
        elif isinstance(content, list):
            several = self._columns.named or not content or isinstance(content[0], list)
            given = content if several else [content]
        else:
            raise Refusal.of(422, f"The body must be {self._expected_row} or a list of such.")
        if not given:
            raise Refusal.of(422, "The list holds no rows.")
        if len(given) > self._max_rows:
            raise Refusal.of(
                413, f"{len(given):,} rows are more than the {self._max_rows:,} of one request."
            )
        return given

    @property
    def _expected_row(self) -> str:
        if self._columns.named:
            return "an object with a value for each column"
        return f"a list of {len(self._columns.of)} numbers"

    def _one(
        self, k: int, row: Any, told: list[Told], unseen: list[tuple[int, int]]
    ) -> tuple[Any, ...]:
        n_told, n_unseen = len(told), len(unseen)
        if self._columns.named:
            if not isinstance(row, dict):
                told.append(Told(row=k, field=None, message=f"must be {self._expected_row}."))
                return ()
            self._check_names(k, row, told)
            if len(told) > n_told:
                return ()
        try:
            found = self._adapter.validate_python(row)
        except ValidationError as error:
            self._tell(k, error, told)
            return ()
        values = list(found.__dict__.values()) if self._columns.named else found
        for place in self._checked:
            values[place] = self._text(k, place, values[place], told, unseen)
        if not self.allows_missing:
            strange = {place for _, place in unseen[n_unseen:]}
            self._tell_missing(k, values, strange, told)
        return tuple(values)

    def _tell_missing(self, k: int, values: list[Any], strange: set[int], told: list[Told]) -> None:
        for place, (column, value) in enumerate(zip(self._columns.of, values, strict=True)):
            if column.kind == "unread" or (value is not None and place not in strange):
                continue
            what = "is null" if value is None else "is an unseen category"
            message = f"{what}, but the model takes no missing values."
            told.append(Told(row=k, field=column.name, message=message))

    def _check_names(self, k: int, row: dict[str, Any], told: list[Told]) -> None:
        if isinstance(row, Doubled):
            told.append(Told(row=k, field=shown(row.name), message="stands more than once."))
        if not row.keys() <= self._places.keys():
            strange = [name for name in row if name not in self._places]
            message = "is none of the model's columns: leave it out."
            told += [Told(row=k, field=shown(n), message=message) for n in strange[:MOST_TOLD]]
        if not row.keys() >= self._required:
            absent = [n for n in self._places if n in self._required and n not in row]
            message = "is missing: send null if its value is not known."
            told += [Told(row=k, field=n, message=message) for n in absent[:MOST_TOLD]]

    def _tell(self, k: int, error: ValidationError, told: list[Told]) -> None:
        seen: set[Any] = set()
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            if not one["loc"]:
                told.append(Told(row=k, field=None, message=f"must be {self._expected_row}."))
                return
            where = one["loc"][0]
            if where in seen:  # one for each type that the column takes
                continue
            seen.add(where)
            place = int(where) if isinstance(where, int) else self._places[str(where)]
            column = self._columns.of[place]
            told.append(Told(row=k, field=column.name, message=_message(column, one["type"])))

    def _text(
        self, k: int, place: int, value: Any, told: list[Told], unseen: list[tuple[int, int]]
    ) -> Any:
        column = self._columns.of[place]
        if value is None:
            return None
        if isinstance(value, str) and not _is_unicode(value):
            message = _message(column, "string_unicode")
            told.append(Told(row=k, field=column.name, message=message))
            return None
        if column.kind == "unread":
            return None
        if column.kind == "date":
            moment = _moment(value)
            if moment is None:
                message = _message(column, "")
                told.append(Told(row=k, field=column.name, message=message))
            return moment
        text = value if isinstance(value, str) else as_written(value)
        if column.knows is not None and not column.knows(text):
            unseen.append((k, place))
        return text


_CONFIG = ConfigDict(extra="forbid", strict=True)


def _field(column: Column) -> Any:
    if column.kind == "number":
        return _Number, Field(alias=column.name, title=column.name)
    if column.kind == "date":
        return (
            Annotated[str, Field(json_schema_extra={"pattern": _ISO})] | None,
            Field(
                alias=column.name,
                title=column.name,
                description="ISO date or time from 1678 to 2261, in UTC unless it says otherwise.",
            ),
        )
    if column.kind == "name":
        kinds = str | int | _Finite | None if column.takes_numbers else str | None
        return kinds, Field(alias=column.name, title=column.name)
    description = "Left out in training: not read."
    return _ANY, Field(None, alias=column.name, title=column.name, description=description)


_Finite = Annotated[float, Field(allow_inf_nan=False)]


def _message(column: Column, kind: str) -> str:
    if kind == "finite_number":
        return "must be finite: a number in a float's range, or null."
    if kind == "string_unicode":
        return "must be text of whole Unicode characters."
    expected = _EXPECTED[column.kind]
    if column.kind == "name" and column.takes_numbers:
        expected = "text, a number or null"
    return f"must be {expected}."


def _is_unicode(text: str) -> bool:
    """Whether text is more than JSON's escapes: a lone surrogate is no character."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _moment(text: str) -> datetime | None:
    """A time in UTC without a zone, or None for what is no time."""
    if not _MATCHES_ISO.match(text) or text.endswith("\n"):
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None
