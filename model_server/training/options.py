"""The options of a training run; this module does not import TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ColumnNames:
    """The columns of the data; "" = the data have no such column.

    Attributes
    ----------
    text_a, text_b : the texts of a pair.
    label : 0 or 1.
    group : rows with the same value go into the same part of the data, such as all rows of a user.
    time : when the row was true: a number, or a time in ISO 8601.
    """

    text_a: str = "text_a"
    text_b: str = "text_b"
    label: str = "label"
    group: str = ""
    time: str = ""


@dataclass(frozen=True)
class CleaningRules:
    """What becomes of rows that a user may want or not.

    Attributes
    ----------
    drop_duplicates : whether rows are dropped whose texts and label repeat an earlier row.
    drop_invalid_labels : whether rows are dropped whose label is neither 0 nor 1; otherwise they are an error.
    """

    drop_duplicates: bool = False
    drop_invalid_labels: bool = False


@dataclass(frozen=True)
class EarlyStopping:
    """When a fit ends before its last epoch.

    Attributes
    ----------
    patience : epochs without a lower loss on the validation rows after which a fit ends.
    share : of the rows that are for validation: the latest, if the data have times; else those of whole groups, by
        the hash of the group (without groups: of the two texts).
    """

    patience: int
    share: float = 0.1


@dataclass(frozen=True)
class TrainOptions:
    """A training run.

    Attributes
    ----------
    data : CSV, NDJSON or Parquet.
    out : folder that gets one folder per model version.
    encoder : handle of a BERT module for tensorflow-hub; None = the small built-in encoder.
    epochs : passes over the negatives; with early stopping, the most.
    learning_rate : peak rate; None = 5e-4 for the small encoder, 2e-5 for another encoder.
    max_seq_length : largest number of pieces of a pair, with the separators.
    folds : number of folds of the cross-fitting.
    early_stopping : None = each fit takes all epochs.
    """

    data: Path
    out: Path
    encoder: str | None = None
    epochs: int = 1
    batch_size: int = 64
    learning_rate: float | None = None
    seed: int = 1
    model_name: str = "click"
    model_version: str = "1"
    max_seq_length: int = 64
    folds: int = 3
    columns: ColumnNames = field(default_factory=ColumnNames)
    cleaning: CleaningRules = field(default_factory=CleaningRules)
    early_stopping: EarlyStopping | None = None
