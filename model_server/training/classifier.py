"""The click model: an encoder, a sigmoid head, and the calibration of its score."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from model_server.training.hub import Encoder
from model_server.training.tokens import PairTokenizer


class ClickModel(tf.Module):  # type: ignore[misc]
    """Scores text pairs: sigmoid(slope * logit + offset), slope and offset set by calibration.

    Attributes
    ----------
    kernel, bias : the head on the encoder's pooled output.
    slope, offset : the calibration of the logit; not trained by gradient.
    """

    def __init__(self, encoder: Encoder, tokenizer: PairTokenizer, *, seed: int) -> None:
        super().__init__("click_model")
        initial = np.random.default_rng(seed).standard_normal((encoder.hidden, 1)) * 0.02
        self._encoder = encoder
        self.module = encoder.module
        self.tokenizer = tokenizer
        self.kernel = tf.Variable(initial.astype(np.float32), name="head/kernel")
        self.bias = tf.Variable(np.zeros(1, np.float32), name="head/bias")
        self.slope = tf.Variable(1.0, trainable=False, name="calibration/slope")
        self.offset = tf.Variable(0.0, trainable=False, name="calibration/offset")

    @property
    def weights(self) -> list[Any]:
        """The variables that training changes."""
        return [*self._encoder.trainable_variables, self.kernel, self.bias]

    def logits(self, word_ids: Any, mask: Any, segment_ids: Any, *, training: bool) -> Any:
        """Return the uncalibrated log-odds, float32 (batch,)."""
        pooled = self._encoder.encode(word_ids, mask, segment_ids, training=training)
        return tf.reshape(tf.linalg.matmul(pooled, self.kernel) + self.bias, [-1])

    def score(self, word_ids: Any, mask: Any, segment_ids: Any) -> Any:
        """Return the calibrated probability of a click, float32 (batch,)."""
        return tf.math.sigmoid(self.slope * self.logits(word_ids, mask, segment_ids, training=False) + self.offset)
