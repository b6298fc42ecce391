"""The SavedModel behind every rival server: rows of ids in, scores out; as little Python as a plain server needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401

FIELDS = {"input_word_ids": "input_seq", "input_mask": "input_mask", "segment_ids": "segment_ids"}
THRESHOLD = 0.5


class LoadedSignature:
    """The signature of the click models.

    Parameters
    ----------
    intra : threads of TensorFlow for one operation.
    """

    def __init__(self, folder: str, intra: int) -> None:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(intra)
        self._loaded = tf.saved_model.load(folder)
        self._signature = self._loaded.signatures["serving_default"]
        self.answers([{field: [1] for field in FIELDS.values()}])

    def stacked(self, rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the padded inputs of rows, by the names of the signature."""
        width = max(len(row["input_seq"]) for row in rows)
        columns = {}
        for name, field in FIELDS.items():
            padded = np.zeros((len(rows), width), np.int32)
            for place, row in enumerate(rows):
                padded[place, : len(row[field])] = row[field]
            columns[name] = padded
        return columns

    def scores(self, columns: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Return the score of each row."""
        scores: np.ndarray[Any, Any] = self._signature(
            **{name: tf.constant(values) for name, values in columns.items()}
        )["score"].numpy()
        return scores

    def answers(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return score and label of each row."""
        scores = self.scores(self.stacked(rows)).tolist()
        return [{"score": score, "label": int(score >= THRESHOLD)} for score in scores]
