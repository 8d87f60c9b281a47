"""What every estimator does with its input before its library sees it."""

from focaltab._inputs.features import check_features, check_rows
from focaltab._inputs.held_out import encode_evaluation_sets, take_rows, validation_rows
from focaltab._inputs.labels import Classes, encode_target, warn_of_common_positive
from focaltab._inputs.weights import prepare_loss, training_weight

__all__ = [
    "Classes",
    "check_features",
    "check_rows",
    "encode_evaluation_sets",
    "encode_target",
    "prepare_loss",
    "take_rows",
    "training_weight",
    "validation_rows",
    "warn_of_common_positive",
]
