"""The options of a training run; this module does not import TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainOptions:
    """A training run.

    Attributes
    ----------
    data : CSV or NDJSON with text_a, text_b and label.
    out : folder that gets one folder per model version.
    encoder : handle of a BERT module for tensorflow-hub; None = the small built-in encoder.
    epochs : passes over the negatives.
    learning_rate : peak rate; None = 5e-4 for the small encoder, 2e-5 for another encoder.
    max_seq_length : largest number of pieces of a pair, with the separators.
    folds : number of folds of the cross-fitting.
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
