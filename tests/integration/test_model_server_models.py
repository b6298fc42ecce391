"""SavedModels of other origin are served if they fit, else refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.model_card import read_card
from model_server.predict_request import TextPair, TokenIds
from model_server.saved_model import SavedModel
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings

IDS = ("input_word_ids", "input_mask", "segment_ids")
SHORT, LONG = TokenIds([5], [1], [0]), TokenIds([5, 6, 7], [1, 1, 1], [0, 0, 1])


def mean_of_ids(input_word_ids: Any, input_mask: Any, segment_ids: Any) -> Any:
    """Return a score that padding would change if the mask were ignored."""
    import tensorflow as tf

    ids, mask = (tf.cast(column, tf.float32) for column in (input_word_ids, input_mask))
    del segment_ids
    return tf.reduce_sum(ids * mask, axis=1, keepdims=True) / tf.reduce_sum(mask, axis=1, keepdims=True) / 100.0


def save(
    folder: Path,
    function: Callable[..., Any] = mean_of_ids,
    names: tuple[str, ...] = IDS,
    width: int | None = None,
    output: str = "score",
    signature: str = "serving_default",
) -> SavedModel:
    """Export a function of ids as a SavedModel, and load it as the server does."""
    import tensorflow as tf

    specs = [tf.TensorSpec([None, width], tf.int32, name=name) for name in names]
    module = tf.Module()
    module.call = tf.function(lambda *columns: {output: function(*columns)}, input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures={signature: module.call})
    return load(folder)


def load(folder: Path) -> SavedModel:
    card = {"name": "other", "version": "2", "threshold": 0.5, "max_seq_length": 64}
    (folder / "model.json").write_text(json.dumps(card))
    return SavedModel(read_card(ServerSettings(model_dir=str(folder))))


def test_a_model_of_ids_alone_is_served(tmp_path: Path) -> None:
    """Without a signature for text the model takes ids; its output may have any name and a second axis."""
    model = save(tmp_path, output="probability")
    model.warm_up(4)

    scores = model.score([SHORT, LONG])

    assert not model.card.takes_text
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [0.05, 0.06], rtol=1e-6)


def test_a_fixed_length_is_padded_to(tmp_path: Path) -> None:
    """A graph with a fixed length gets padded rows; longer instances are refused before they are computed."""
    model = save(tmp_path, width=5)

    np.testing.assert_allclose(model.score([SHORT, LONG]), [0.05, 0.06], rtol=1e-6)
    assert model.card.max_seq_length == 5


def test_both_forms_of_the_trained_model(saved_model: Path) -> None:
    """The model that `train` exports takes text and ids, singly and in batches."""
    model = SavedModel(read_card(ServerSettings(model_dir=str(saved_model))))
    model.warm_up(2)

    scores = model.score([TextPair("left", "item1"), TextPair("right hour2", "item14 price4")])

    assert model.card.takes_text
    assert (model.card.max_seq_length, model.card.vocab_size is not None) == (64, True)
    assert scores.shape == (2,)
    assert ((scores > 0) & (scores < 1)).all()


def test_an_unusable_model_is_refused_at_the_start(tmp_path: Path) -> None:
    """A damaged file, unknown inputs and a missing signature each give an error of one line."""
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "saved_model.pb").write_bytes(b"garbage")

    with pytest.raises(ModelError, match=r"damaged cannot be loaded \(.+\): train it or copy it again"):
        load(damaged)
    with pytest.raises(ModelError, match=r"takes ids, input_mask, segment_ids: input_mask, input_word_ids"):
        save(tmp_path / "inputs", names=("ids", *IDS[1:]))
    with pytest.raises(ModelError, match="has no signature serving_default"):
        save(tmp_path / "signature", signature="predict")


def test_a_model_with_a_wrong_number_of_scores_is_refused(tmp_path: Path) -> None:
    """The warm-up fails if the model does not return one score per instance."""

    def one_score(input_word_ids: Any, _mask: Any, _segments: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_mean(tf.cast(input_word_ids, tf.float32))

    with pytest.raises(ModelError, match=r"cannot be called \(the model gave 1 scores for 3 instances\)"):
        save(tmp_path, one_score).warm_up(3)
