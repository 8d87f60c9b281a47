"""Transformers as nodes of a graph, from one table to the next.

Those that tables mostly need are written here, in double and with text and missing values as
scikit-learn has them; what else works on numbers alone goes through skl2onnx.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from focaltab._compat.sklearn import input_positions
from focaltab.export._columns import (
    Block,
    Codes,
    Numbers,
    Raw,
    Table,
    encode_text,
    lookup,
    read_moment,
)
from focaltab.export._graph import Graph
from focaltab.pipeline._kinds import as_written, other_writings

Convert = Callable[[Graph, Any, Table], Table]

_NAN = float("nan")
_SECONDS = 86_400.0


def transformed(graph: Graph, step: Any, table: Table) -> Table:
    """What a fitted transformer makes of a table.

    Raises
    ------
    ValueError
        Names what has no form in ONNX.
    """
    if step is None or isinstance(step, str):
        if step in (None, "passthrough"):
            return table
        raise ValueError(f"a step {step!r}")
    for base in type(step).__mro__:
        convert = _BY_NAME.get(base.__name__)
        if convert is not None:
            return convert(graph, step, table)
    if hasattr(step, "get_support"):
        return table.select(step.get_support(indices=True).tolist())
    from focaltab.export import _skl2onnx

    return Table(graph, [_skl2onnx.transform(graph, step, table.numbers())])


def _pipeline(graph: Graph, step: Any, table: Table) -> Table:
    for _, part in step.steps:
        table = transformed(graph, part, table)
    return table


def _column_transformer(graph: Graph, step: Any, table: Table) -> Table:
    if step.transformer_weights:
        raise ValueError("transformer_weights of a ColumnTransformer")
    positions_of = input_positions(step)
    result = Table(graph, [])
    for name, part, _ in step.transformers_:
        positions = positions_of[name]
        if positions and not (isinstance(part, str) and part == "drop"):
            result = result.followed_by(transformed(graph, part, table.select(positions)))
    return result


def _table_features(graph: Graph, step: Any, table: Table) -> Table:
    if step.transformer_ is None:
        raise ValueError("TableFeatures of a sparse matrix")
    used = [k for k, name in enumerate(step.feature_names_in_) if name in step.kinds_]
    return transformed(graph, step.transformer_, table.select(used))


def _function(graph: Graph, step: Any, table: Table) -> Table:
    if step.func is None:
        return table
    raise ValueError(f"FunctionTransformer of {getattr(step.func, '__name__', step.func)}")


def _as_it_is(graph: Graph, step: Any, table: Table) -> Table:
    return table


def _numbers(graph: Graph, step: Any, table: Table) -> Table:
    return Table(graph, [table.numbers()])


def _known_categories(graph: Graph, step: Any, table: Table) -> Table:
    blocks: list[Block] = []
    for position, known in enumerate(step.categories_.values()):
        categories = tuple(known.tolist())
        codes = as_text(table, position, categories, _NAN, other_writings)
        numbered = tuple(range(len(categories))) if step.numbered else categories
        blocks.append(Codes(codes, numbered))
    return Table(graph, blocks)


def as_text(
    table: Table,
    position: int,
    categories: tuple[str, ...],
    missing: float,
    also_written: Callable[[str], Iterable[str]] = lambda text: (),
) -> str:
    """Codes of a column whose values are compared as they are written."""
    (block,) = table.select([position]).blocks
    if isinstance(block, Codes):
        written = Codes(block.tensor, tuple(map(as_written, block.categories)))
        return Table(table.graph, [written]).codes(0, categories, missing)
    if isinstance(block, Raw):
        places = {text: k for k, text in enumerate(categories)}
        for k, text in enumerate(categories):
            for other in also_written(text):
                places.setdefault(other, k)
        missing = block.code_of_missing(categories, missing)
        return encode_text(table.graph, block.name, places, missing)
    return table.codes(position, categories, missing)


def _dates(graph: Graph, step: Any, table: Table) -> Table:
    blocks = []
    for position, parts in enumerate(step.parts_.values()):
        (block,) = table.select([position]).blocks
        if not isinstance(block, Raw):
            raise ValueError("dates in an array: train on a DataFrame")
        moment = read_moment(graph, block.name)
        blocks += [Numbers(_DATE_PARTS[part](graph, moment), 1) for part in parts]
    return Table(graph, blocks)


def _days(graph: Graph, moment: str) -> str:
    return graph.add("Div", moment, np.float64(_SECONDS))


def _whole_days(graph: Graph, moment: str) -> str:
    return graph.add("Floor", _days(graph, moment))


def _hour(graph: Graph, moment: str) -> str:
    midnight = graph.add("Mul", _whole_days(graph, moment), np.float64(_SECONDS))
    return _quotient(graph, graph.add("Sub", moment, midnight), 3600)


def _weekday(graph: Graph, moment: str) -> str:
    # The first of January 1970 was a Thursday; Monday is 0.
    return _remainder(graph, graph.add("Add", _whole_days(graph, moment), np.float64(3.0)), 7)


def _month(graph: Graph, moment: str) -> str:
    """Month of the Gregorian calendar, whose years are let begin in March.

    The leap day is then the last of the year, and months are 153 days in five (Howard Hinnant,
    "chrono-compatible low-level date algorithms", days_to_civil).
    """
    since_march = graph.add("Add", _whole_days(graph, moment), np.float64(719_468.0))
    day = _remainder(graph, since_march, 146_097)  # of 400 years
    leaps = graph.add("Sub", _quotient(graph, day, 36_524), _quotient(graph, day, 1460))
    leaps = graph.add("Sub", leaps, _quotient(graph, day, 146_096))
    year = _quotient(graph, graph.add("Add", day, leaps), 365)
    begun = graph.add("Mul", year, np.float64(365.0))
    begun = graph.add("Add", begun, _quotient(graph, year, 4))
    begun = graph.add("Sub", begun, _quotient(graph, year, 100))
    of_year = graph.add("Mul", graph.add("Sub", day, begun), np.float64(5.0))
    month = _quotient(graph, graph.add("Add", of_year, np.float64(2.0)), 153)
    early = graph.add("Less", month, np.float64(10.0))
    return graph.add("Add", month, graph.add("Where", early, np.float64(3.0), np.float64(-9.0)))


def _quotient(graph: Graph, x: str, divisor: int) -> str:
    return graph.add("Floor", graph.add("Div", x, np.float64(divisor)))


def _remainder(graph: Graph, x: str, divisor: int) -> str:
    return graph.add("Sub", x, graph.add("Mul", _quotient(graph, x, divisor), np.float64(divisor)))


_DATE_PARTS = {"days": _days, "month": _month, "weekday": _weekday, "hour": _hour}


def _impute(graph: Graph, step: Any, table: Table) -> Table:
    statistics = np.asarray(step.statistics_)
    if statistics.dtype.kind in "OU" and any(isinstance(s, str) for s in statistics.tolist()):
        return _impute_text(graph, step, table, statistics.tolist())
    if any(s is None for s in statistics.tolist()):
        raise ValueError("SimpleImputer of text whose most frequent value is None")
    values = table.numbers().tensor
    absent = graph.add("IsNaN", values)
    marker = step.missing_values
    if isinstance(marker, int | float) and not np.isnan(marker):
        absent = graph.add("Equal", values, np.float64(marker))
    statistics = statistics.astype(np.float64)
    whole = graph.add("Where", absent, statistics[None, :], values)
    kept = np.flatnonzero(~np.isnan(statistics))
    result = Table(graph, [Numbers(whole, table.width)])
    if kept.size < statistics.size and not step.keep_empty_features:
        result = result.select(kept.tolist())
    if step.indicator_ is None:
        return result
    flagged = np.asarray(step.indicator_.features_, dtype=np.int64)
    if not flagged.size:
        return result
    flags = graph.columns_of(graph.cast(absent, np.float64), flagged.tolist())
    return result.followed_by(Table(graph, [Numbers(flags, flagged.size)]))


def _impute_text(graph: Graph, step: Any, table: Table, statistics: list[Any]) -> Table:
    if step.indicator_ is not None:
        raise ValueError("SimpleImputer(add_indicator=True) of text")
    if any(not isinstance(block, Raw) for block in table.blocks):
        raise ValueError("SimpleImputer of text after another step")
    blocks = [Raw(b.name, s) for b, s in zip(table.blocks, statistics, strict=True)]  # type: ignore[union-attr]
    return Table(graph, blocks)


def _standardise(graph: Graph, step: Any, table: Table) -> Table:
    return _line(graph, table, step.mean_ if step.with_mean else None, step.scale_)


def _robust(graph: Graph, step: Any, table: Table) -> Table:
    centre = step.center_ if step.with_centering else None
    return _line(graph, table, centre, step.scale_ if step.with_scaling else None)


def _min_max(graph: Graph, step: Any, table: Table) -> Table:
    x = graph.add("Mul", table.numbers().tensor, np.asarray(step.scale_, np.float64)[None])
    x = graph.add("Add", x, np.asarray(step.min_, np.float64)[None])
    if step.clip:
        x = graph.add("Clip", x, *map(np.float64, step.feature_range))
    return Table(graph, [Numbers(x, table.width)])


def _line(graph: Graph, table: Table, centre: Any, scale: Any) -> Table:
    x = table.numbers().tensor
    if centre is not None:
        x = graph.add("Sub", x, np.asarray(centre, np.float64)[None])
    if scale is not None:
        x = graph.add("Div", x, np.asarray(scale, np.float64)[None])
    return Table(graph, [Numbers(x, table.width)])


def _known(categories: Any) -> tuple[tuple[Any, ...], int | None]:
    """Categories of an encoder without the missing one, and the place of that."""
    values = list(categories.tolist())
    absent = [k for k, value in enumerate(values) if _is_missing(value)]
    if len(absent) > 1 or (absent and absent[0] != len(values) - 1):
        raise ValueError("an encoder with both None and NaN as categories")
    return (tuple(values[:-1]), absent[0]) if absent else (tuple(values), None)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _encoded(table: Table, position: int, categories: Any) -> tuple[str, int]:
    """Codes of a column by an encoder's categories, the missing one included; how many."""
    known, absent = _known(categories)
    missing = _NAN if absent is None else float(absent)
    return table.codes(position, known, missing), len(categories)


def _one_hot(graph: Graph, step: Any, table: Table) -> Table:
    if getattr(step, "infrequent_categories_", None) is not None:
        raise ValueError("OneHotEncoder with min_frequency or max_categories")
    blocks = []
    for position, categories in enumerate(step.categories_):
        codes, n = _encoded(table, position, categories)
        shown = np.arange(n, dtype=np.float64)
        if step.drop_idx_ is not None and step.drop_idx_[position] is not None:
            shown = np.delete(shown, int(step.drop_idx_[position]))
        if shown.size:
            flags = graph.cast(graph.add("Equal", codes, shown[None, :]), np.float64)
            blocks.append(Numbers(flags, shown.size))
    return Table(graph, blocks)


def _ordinal(graph: Graph, step: Any, table: Table) -> Table:
    if getattr(step, "infrequent_categories_", None) is not None:
        raise ValueError("OrdinalEncoder with min_frequency or max_categories")
    blocks = []
    unknown = step.unknown_value if step.handle_unknown == "use_encoded_value" else _NAN
    for position, categories in enumerate(step.categories_):
        codes, n = _encoded(table, position, categories)
        values = np.arange(n, dtype=np.float64)
        if _known(categories)[1] is not None and categories.tolist()[-1] is not None:
            values[-1] = step.encoded_missing_value  # None is a value like any other
        blocks.append(Numbers(lookup(graph, codes, [*values, float(unknown)]), 1))
    return Table(graph, blocks)


def _target(graph: Graph, step: Any, table: Table) -> Table:
    """Mean target of each value; that of all rows for an unseen one."""
    means = np.atleast_1d(np.asarray(step.target_mean_, dtype=np.float64))
    blocks = []
    for position, categories in enumerate(step.categories_):
        known, absent = _known(categories)
        missing = _NAN if absent is None else float(absent)
        if all(isinstance(value, str) for value in known):
            codes = as_text(table, position, known, missing)
        else:
            codes = table.codes(position, known, missing)
        for k, mean in enumerate(means):
            encodings = step.encodings_[position * means.size + k]
            blocks.append(Numbers(lookup(graph, codes, [*encodings, float(mean)]), 1))
    return Table(graph, blocks)


_BY_NAME: dict[str, Convert] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "TableFeatures": _table_features,
    "FunctionTransformer": _function,
    "Numbers": _numbers,
    "Text": _as_it_is,
    "KnownCategories": _known_categories,
    "DateParts": _dates,
    "SimpleImputer": _impute,
    "StandardScaler": _standardise,
    "RobustScaler": _robust,
    "MinMaxScaler": _min_max,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
}
