"""A small BERT encoder in plain TensorFlow, saved in the TF-Hub BERT format.

The format (version 2 and later of the BERT modules on TF-Hub): a callable on a dict of int32 tensors
``input_word_ids``, ``input_mask``, ``input_type_ids`` of shape (batch, sequence), with a ``training`` flag. It returns
a dict of float32 tensors ``pooled_output`` (batch, hidden), ``sequence_output`` (batch, sequence, hidden) and
``encoder_outputs`` (one per layer). The module has the attributes ``vocab_file`` (an asset), ``do_lower_case``,
``trainable_variables`` and ``variables``.
Architecture: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

INITIAL_STDDEV = 0.02
LAYER_NORM_EPSILON = 1e-12
MASKED = -1e9


@dataclass(frozen=True)
class EncoderConfig:
    """The size of an encoder; ``hidden`` is a multiple of ``heads``."""

    layers: int = 2
    hidden: int = 128
    heads: int = 2
    intermediate: int = 512
    max_positions: int = 512
    dropout: float = 0.1

    @property
    def name(self) -> str:
        """The name in TF-Hub's manner, such as ``bert_L-2_H-128_A-2``."""
        return f"bert_L-{self.layers}_H-{self.hidden}_A-{self.heads}"


class _Weights(tf.Module):  # type: ignore[misc]
    """Creates the variables of an encoder from one seeded generator."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = np.random.default_rng(seed)

    def normal(self, name: str, *shape: int) -> Any:
        """Return a variable with values of the normal distribution that BERT starts from, cut at two deviations."""
        values = np.clip(self._random.standard_normal(shape), -2.0, 2.0) * INITIAL_STDDEV
        return tf.Variable(values.astype(np.float32), name=name)

    def filled(self, name: str, value: float, *shape: int) -> Any:
        """Return a variable that holds one value."""
        return tf.Variable(np.full(shape, value, np.float32), name=name)


class _Dense(tf.Module):  # type: ignore[misc]
    def __init__(self, weights: _Weights, name: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = weights.normal(f"{name}/kernel", inputs, outputs)
        self.bias = weights.filled(f"{name}/bias", 0.0, outputs)

    def __call__(self, x: Any) -> Any:
        return tf.nn.bias_add(tf.linalg.matmul(x, self.kernel), self.bias)


class _LayerNorm(tf.Module):  # type: ignore[misc]
    def __init__(self, weights: _Weights, name: str, size: int) -> None:
        super().__init__()
        self.gamma = weights.filled(f"{name}/gamma", 1.0, size)
        self.beta = weights.filled(f"{name}/beta", 0.0, size)

    def __call__(self, x: Any) -> Any:
        mean = tf.reduce_mean(x, axis=-1, keepdims=True)
        centred = x - mean
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return centred * (tf.math.rsqrt(variance + LAYER_NORM_EPSILON) * self.gamma) + self.beta


class _Layer(tf.Module):  # type: ignore[misc]
    """One transformer layer on tokens of shape (batch * sequence, hidden)."""

    def __init__(self, weights: _Weights, name: str, config: EncoderConfig) -> None:
        super().__init__()
        self._config = config
        hidden = config.hidden
        self.query_key_value = _Dense(weights, f"{name}/query_key_value", hidden, 3 * hidden)
        self.attention_output = _Dense(weights, f"{name}/attention_output", hidden, hidden)
        self.attention_norm = _LayerNorm(weights, f"{name}/attention_norm", hidden)
        self.intermediate = _Dense(weights, f"{name}/intermediate", hidden, config.intermediate)
        self.output = _Dense(weights, f"{name}/output", config.intermediate, hidden)
        self.output_norm = _LayerNorm(weights, f"{name}/output_norm", hidden)

    def __call__(self, x: Any, bias: Any, batch: Any, length: Any, training: bool) -> Any:
        attended = _drop(self.attention_output(self._attend(x, bias, batch, length, training)), self._config, training)
        x = self.attention_norm(x + attended)
        widened = tf.nn.gelu(self.intermediate(x), approximate=True)
        return self.output_norm(x + _drop(self.output(widened), self._config, training))

    def _attend(self, x: Any, bias: Any, batch: Any, length: Any, training: bool) -> Any:
        heads, size = self._config.heads, self._config.hidden // self._config.heads
        projected = tf.reshape(self.query_key_value(x), [batch, length, 3, heads, size])
        query, key, value = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]))
        scores = tf.linalg.matmul(query, key, transpose_b=True) * size**-0.5 + bias
        weights = _drop(tf.nn.softmax(scores), self._config, training)
        mixed = tf.linalg.matmul(weights, value)
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * length, self._config.hidden])


def _drop(x: Any, config: EncoderConfig, training: bool) -> Any:
    return tf.nn.dropout(x, config.dropout) if training and config.dropout else x


class BertEncoder(tf.Module):  # type: ignore[misc]
    """A BERT encoder with random weights; a pure function of its configuration, vocabulary size and seed."""

    def __init__(self, config: EncoderConfig, vocab_size: int, seed: int) -> None:
        super().__init__()
        weights = _Weights(seed)
        self.config = config
        self.word_embeddings = weights.normal("word_embeddings", vocab_size, config.hidden)
        self.position_embeddings = weights.normal("position_embeddings", config.max_positions, config.hidden)
        self.type_embeddings = weights.normal("type_embeddings", 2, config.hidden)
        self.embedding_norm = _LayerNorm(weights, "embedding_norm", config.hidden)
        self.layers = [_Layer(weights, f"layer_{index}", config) for index in range(config.layers)]
        self.pooler = _Dense(weights, "pooler", config.hidden, config.hidden)

    def __call__(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``pooled_output``, ``sequence_output``, ``encoder_outputs`` and ``default`` (the pooled output)."""
        ids, mask = inputs["input_word_ids"], inputs["input_mask"]
        batch, length = tf.shape(ids)[0], tf.shape(ids)[1]
        embedded = tf.gather(self.word_embeddings, ids) + self.position_embeddings[:length]
        embedded += tf.gather(self.type_embeddings, inputs["input_type_ids"])
        x = tf.reshape(_drop(self.embedding_norm(embedded), self.config, training), [-1, self.config.hidden])
        bias = (1.0 - tf.cast(mask, tf.float32))[:, tf.newaxis, tf.newaxis, :] * MASKED
        outputs = []
        for layer in self.layers:
            x = layer(x, bias, batch, length, training)
            outputs.append(tf.reshape(x, [batch, length, self.config.hidden]))
        pooled = tf.math.tanh(self.pooler(outputs[-1][:, 0]))
        return {"pooled_output": pooled, "sequence_output": outputs[-1], "encoder_outputs": outputs, "default": pooled}


def save_encoder(folder: Path, vocabulary: Path, config: EncoderConfig, *, lower_case: bool, seed: int) -> None:
    """Write an untrained encoder as a module in the TF-Hub BERT format.

    Parameters
    ----------
    folder : folder of the module; it is created.
    vocabulary : a WordPiece vocabulary, one piece a line; it becomes the module's ``vocab_file`` asset.
    """
    with vocabulary.open(encoding="utf-8") as lines:
        encoder = BertEncoder(config, sum(1 for _ in lines), seed)
    specs = {
        name: tf.TensorSpec([None, None], tf.int32, name=name)
        for name in ("input_word_ids", "input_mask", "input_type_ids")
    }

    @tf.function  # type: ignore[untyped-decorator]
    def call(inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        return encoder(inputs, training)

    for training in (True, False):
        call.get_concrete_function(specs, training=training)
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.variables = list(encoder.variables)
    module.trainable_variables = list(encoder.trainable_variables)
    module.regularization_losses = []
    module.vocab_file = tf.saved_model.Asset(str(vocabulary))
    module.do_lower_case = tf.Variable(lower_case, trainable=False)
    tf.saved_model.save(module, str(folder))
