"""What every estimator does with its input before its library sees it."""

from focaltab._inputs.average_precision import mean_average_precision
from focaltab._inputs.categories import (
    categories_of,
    check_same_kinds,
    check_same_sorts,
    check_text_or_numbers,
    check_text_or_whole,
    in_training_order,
    plain_columns,
)
from focaltab._inputs.continuation import check_continuation, check_same_names
from focaltab._inputs.features import (
    check_booster_features,
    check_features,
    check_names_once,
    check_rows,
    numbers_as_numbers,
)
from focaltab._inputs.fingerprint import described, fingerprint_of
from focaltab._inputs.held_out import (
    check_hold_out,
    encode_evaluation_sets,
    take_rows,
    validation_rows,
    with_weight_only,
)
from focaltab._inputs.labels import (
    Classes,
    checked_labels,
    encode_target,
    told_of_common_positive,
    warn_of_common_positive,
)
from focaltab._inputs.lazy import LazyTable, by_batch, in_memory, is_lazy, refuse_lazy
from focaltab._inputs.state import whole_or_unchanged
from focaltab._inputs.weights import prepare_loss, training_weight, weight_keyword

__all__ = [
    "Classes",
    "LazyTable",
    "by_batch",
    "categories_of",
    "check_booster_features",
    "check_continuation",
    "check_features",
    "check_hold_out",
    "check_names_once",
    "check_rows",
    "check_same_kinds",
    "check_same_names",
    "check_same_sorts",
    "check_text_or_numbers",
    "check_text_or_whole",
    "checked_labels",
    "described",
    "encode_evaluation_sets",
    "encode_target",
    "fingerprint_of",
    "in_memory",
    "in_training_order",
    "is_lazy",
    "mean_average_precision",
    "numbers_as_numbers",
    "plain_columns",
    "prepare_loss",
    "refuse_lazy",
    "take_rows",
    "told_of_common_positive",
    "training_weight",
    "validation_rows",
    "warn_of_common_positive",
    "weight_keyword",
    "whole_or_unchanged",
    "with_weight_only",
]
