"""Writes a trained model: a SavedModel with three signatures, its `model.json`, and its model card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from model_server.cards.card_file import Card, write_card_file
from model_server.signatures.tensor_spec import TensorSpec
from model_server.training.classifier import ClickModel
from monitor_agent.errors import ModelError

ENTRIES = "model.json"


def signatures(model: ClickModel) -> dict[str, Callable[..., Any]]:
    """Return the functions that a server calls.

    ``serving_default`` takes int32 ``input_word_ids``, ``input_mask``, ``segment_ids`` of shape (batch, sequence);
    ``text`` takes strings ``text_a``, ``text_b`` of shape (batch,); both return float32 ``score`` of shape (batch,).
    ``tokenize`` makes the inputs of the first from those of the second, for an engine that computes no texts.
    """
    ids = {
        name: tf.TensorSpec([None, None], tf.int32, name=name)
        for name in ("input_word_ids", "input_mask", "segment_ids")
    }
    texts = {name: tf.TensorSpec([None], tf.string, name=name) for name in ("text_a", "text_b")}

    @tf.function(input_signature=list(ids.values()), autograph=False)  # type: ignore[untyped-decorator]
    def serve_ids(input_word_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        return {"score": model.score(input_word_ids, input_mask, segment_ids)}

    @tf.function(input_signature=list(texts.values()), autograph=False)  # type: ignore[untyped-decorator]
    def serve_text(text_a: Any, text_b: Any) -> dict[str, Any]:
        return {"score": model.score(*model.tokenizer(text_a, text_b))}

    @tf.function(input_signature=list(texts.values()), autograph=False)  # type: ignore[untyped-decorator]
    def tokenize(text_a: Any, text_b: Any) -> dict[str, Any]:
        return dict(zip(ids, model.tokenizer(text_a, text_b), strict=True))

    return {"serving_default": serve_ids, "text": serve_text, "tokenize": tokenize}


def _signature(name: str, call: Any) -> dict[str, Any]:
    concrete = call.get_concrete_function()
    inputs, outputs = concrete.structured_input_signature[0], concrete.structured_outputs
    return {
        "name": name,
        "inputs": [_tensor(spec.name, spec) for spec in inputs],
        "outputs": [_tensor(output, tensor) for output, tensor in outputs.items()],
    }


def _tensor(name: str, tensor: Any) -> str:
    return str(TensorSpec(name, tensor.dtype.name, tuple(tensor.shape.as_list())))


def export(model: ClickModel, folder: Path, entries: Mapping[str, Any], card: Card) -> Card:
    """Write the model and its card as one folder, which appears whole or not at all; it replaces an older folder.

    Parameters
    ----------
    entries : the content of `model.json`.
    card : the model card; the signatures are added to it, and it is returned.

    Raises
    ------
    ModelError
        If the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as room:
            written = Path(room) / "new"
            model.served = signatures(model)
            # Traced here, a function is not traced once more when it is saved.
            card = {**card, "signatures": [_signature(name, call) for name, call in model.served.items()]}
            tf.saved_model.save(model, str(written), signatures=model.served)
            (written / ENTRIES).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
            write_card_file(written, card)
            if folder.exists():
                folder.rename(Path(room) / "old")
            written.rename(folder)
        return card
    except (OSError, tf.errors.OpError) as error:  # TensorFlow has its own error for a full disk
        message = error.message if isinstance(error, tf.errors.OpError) else error.strerror or str(error)
        reason = message.rpartition("; ")[2].partition(" [Op:")[0]
        raise ModelError(f"{folder} cannot be written ({reason})", "name another folder or free disk space") from error
