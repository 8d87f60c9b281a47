"""The one way in: tables, labels, weights and evaluation sets before any library sees them."""

from focaltab.data._checks import (
    LIGHTGBM,
    NETWORK,
    XGBOOST,
    Reader,
    check_features,
    read_table,
)
from focaltab.data._columns import InputColumns, categories_of
from focaltab.data._containers import NUMBERS_AS_OBJECTS, as_table, check_names, named_frame
from focaltab.data._continuation import check_continuation
from focaltab.data._early_stopping import (
    EarlyStopWarning,
    auto_folds,
    check_hold_out,
    histories_of,
    mean_best_scores,
    rounds_for_all_rows,
    validation_rows,
    warn_of_early_stop,
)
from focaltab.data._fingerprint import described, fingerprint_of
from focaltab.data._labels import (
    Classes,
    checked_labels,
    encode_target,
    told_of_common_positive,
    warn_of_common_positive,
)
from focaltab.data._lazy import (
    LazyTable,
    MappedTable,
    by_batch,
    empty_frame,
    in_memory,
    is_lazy,
    refuse_lazy,
    said_of,
)
from focaltab.data._stopping_metrics import mean_average_precision, mean_log_loss
from focaltab.data._training_set import (
    Rows,
    TrainingSet,
    check_rows,
    evaluation_pairs,
    take_rows,
    whole_or_unchanged,
    with_weight_only,
)
from focaltab.data._weights import (
    check_margin,
    prepare_loss,
    training_weight,
    weight_keyword,
)

__all__ = [
    "LIGHTGBM",
    "NETWORK",
    "NUMBERS_AS_OBJECTS",
    "XGBOOST",
    "Classes",
    "EarlyStopWarning",
    "InputColumns",
    "LazyTable",
    "MappedTable",
    "Reader",
    "Rows",
    "TrainingSet",
    "as_table",
    "auto_folds",
    "by_batch",
    "categories_of",
    "check_continuation",
    "check_features",
    "check_hold_out",
    "check_margin",
    "check_names",
    "check_rows",
    "checked_labels",
    "described",
    "empty_frame",
    "encode_target",
    "evaluation_pairs",
    "fingerprint_of",
    "histories_of",
    "in_memory",
    "is_lazy",
    "mean_average_precision",
    "mean_best_scores",
    "mean_log_loss",
    "named_frame",
    "prepare_loss",
    "read_table",
    "refuse_lazy",
    "rounds_for_all_rows",
    "said_of",
    "take_rows",
    "told_of_common_positive",
    "training_weight",
    "validation_rows",
    "warn_of_common_positive",
    "warn_of_early_stop",
    "weight_keyword",
    "whole_or_unchanged",
    "with_weight_only",
]
