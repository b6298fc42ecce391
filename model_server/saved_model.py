"""The loaded SavedModel behind a small interface; the only module of the server that imports TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.model_card import ModelCard
from model_server.predict_request import TextPair, TokenIds
from model_server.tensorflow_loading import loading_tensorflow
from monitor_agent.errors import ModelError
from monitor_agent.extras import MODEL_SERVER

Scores = npt.NDArray[np.float32]
Inputs = TokenIds | TextPair
IDS_SIGNATURE = "serving_default"
TEXT_SIGNATURE = "text"
WARM_UP_LENGTH = 16
NAMES = {
    IDS_SIGNATURE: {"input_word_ids", "input_mask", "segment_ids"},
    TEXT_SIGNATURE: {"text_a", "text_b"},
}


class SavedModel:
    """A loaded model; one thread calls it at a time.

    Parameters
    ----------
    card : the model's card; the attribute `card` is a copy that also says whether the model takes text.

    Raises
    ------
    MissingPackageError
        If TensorFlow is missing, or cannot be loaded.
    ModelError
        If the model cannot be loaded or called.
    """

    def __init__(self, card: ModelCard) -> None:
        tensorflow = _import_tensorflow()
        try:
            loaded = tensorflow.saved_model.load(str(card.folder))
        except (OSError, RuntimeError, ValueError, KeyError, tensorflow.errors.OpError) as error:
            raise ModelError(
                f"{card.folder} cannot be loaded ({_first_line(error)})", "train it or copy it again"
            ) from error
        self._constant: Callable[..., Any] = tensorflow.constant
        self._integer = tensorflow.int32
        self._loaded = loaded  # the signatures hold their variables weakly
        self._signatures = {name: loaded.signatures[name] for name in NAMES if name in loaded.signatures}
        self._check(card)
        self._width = self._fixed_width()
        self.card = dataclasses.replace(
            card,
            takes_text=TEXT_SIGNATURE in self._signatures,
            max_seq_length=min(card.max_seq_length, self._width or card.max_seq_length),
        )

    def _check(self, card: ModelCard) -> None:
        if IDS_SIGNATURE not in self._signatures:
            raise ModelError(f"{card.folder} has no signature {IDS_SIGNATURE}", "export it with `model-server train`")
        for name, signature in self._signatures.items():
            inputs = set(signature.structured_input_signature[1])
            if inputs != NAMES[name]:
                actual, expected = ", ".join(sorted(inputs)), ", ".join(sorted(NAMES[name]))
                raise ModelError(f"{card.folder}: {name} takes {actual}", f"{expected} are expected")

    def _fixed_width(self) -> int | None:
        """Return the sequence length that the signature demands, if any."""
        width: int | None = self._signatures[IDS_SIGNATURE].structured_input_signature[1]["input_mask"].shape[1]
        return width

    def warm_up(self, batch_size: int) -> None:
        """Call all signatures with several shapes, so that the first requests are as fast as later requests."""
        short, long = (TokenIds([0] * length, [1] * length, [0] * length) for length in (1, WARM_UP_LENGTH))
        try:
            for count in (1, batch_size, 2):
                self.score([short] * count)
                self.score([long if self.card.max_seq_length >= WARM_UP_LENGTH else short] * count)
                if self.card.takes_text:
                    self.score([TextPair("warm up", "the model")] * count)
        except Exception as error:
            raise ModelError(
                f"{self.card.folder} cannot be called ({_first_line(error)})", "export it again"
            ) from error

    def score(self, inputs: Sequence[Inputs]) -> Scores:
        """Return the score of each instance, float32 of shape (n,); all inputs are of the same type.

        Errors of TensorFlow pass through.
        """
        if isinstance(inputs[0], TextPair):
            columns = {name: [getattr(pair, name) for pair in inputs] for name in ("text_a", "text_b")}
            answer = self._call(TEXT_SIGNATURE, {name: self._constant(texts) for name, texts in columns.items()})
        else:
            ids = [row for row in inputs if isinstance(row, TokenIds)]
            width = self._width or max(len(row.input_seq) for row in ids)
            columns = {
                "input_word_ids": [row.input_seq for row in ids],
                "input_mask": [row.input_mask for row in ids],
                "segment_ids": [row.segment_ids for row in ids],
            }
            padded = {name: self._constant(pad(rows, width), self._integer) for name, rows in columns.items()}
            answer = self._call(IDS_SIGNATURE, padded)
        scores: Scores = np.asarray(answer, np.float32).reshape(-1)
        if len(scores) != len(inputs):
            raise ValueError(f"the model gave {len(scores)} scores for {len(inputs)} instances")
        return scores

    def _call(self, name: str, columns: dict[str, Any]) -> Any:
        outputs = self._signatures[name](**columns)
        return (outputs["score"] if "score" in outputs else next(iter(outputs.values()))).numpy()


def limit_threads(threads: int) -> None:
    """Limit the CPU threads of one batch, 0 = one per core; call this before a model is loaded."""
    tensorflow = _import_tensorflow()
    # One batch is computed at a time: parallel operations would only compete for the same cores.
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)


def pad(rows: Sequence[Sequence[int]], width: int) -> npt.NDArray[np.int32]:
    """Return rows of numbers as an int32 array of shape (rows, width), padded with 0.

    >>> pad([[1, 2], [3]], 3)
    array([[1, 2, 0],
           [3, 0, 0]], dtype=int32)
    """
    padded = np.zeros((len(rows), width), np.int32)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded


def _import_tensorflow() -> Any:
    with loading_tensorflow(MODEL_SERVER):
        import tensorflow
        import tensorflow_text  # registers the tokeniser's operations  # noqa: F401
    return tensorflow


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
