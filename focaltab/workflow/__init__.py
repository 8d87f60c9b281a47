"""One trip from a file to a trained model and its held-out figures; what the CLI calls."""

from focaltab.workflow._config import TrainConfig
from focaltab.workflow._errors import ReadingNote, UserError
from focaltab.workflow._model_dir import TableModel, load_model, save_model
from focaltab.workflow._table import read_table, write_table
from focaltab.workflow._train import TrainResult, train
from focaltab.workflow._train_files import train_from_files

__all__ = [
    "ReadingNote",
    "TableModel",
    "TrainConfig",
    "TrainResult",
    "UserError",
    "load_model",
    "read_table",
    "save_model",
    "train",
    "train_from_files",
    "write_table",
]
