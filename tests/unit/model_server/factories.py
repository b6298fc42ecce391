"""Builds objects of a model server for tests, with defaults that a test can override."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_server.batching import Batcher
from model_server.engines.engine import BatchResult
from model_server.model_card import ModelCard
from model_server.signatures.instance_inputs import InputLimits, InputReader
from model_server.signatures.mapping import ModelMapping
from model_server.signatures.model_plan import ModelPlan, plan
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec

IDS = {"input_seq": [2, 5, 3, 6, 3, 0], "input_mask": [1, 1, 1, 1, 1, 0], "segment_ids": [0, 0, 0, 1, 1, 0]}
TEXTS = {"text_a": "red evening", "text_b": "hat"}


def make_card(**changes: Any) -> ModelCard:
    """Return the card of a small model."""
    values = {"name": "click", "version": "7", "threshold": 0.5, "max_seq_length": 8, "vocab_size": 100}
    return ModelCard(folder=Path("models/7"), **{**values, **changes})


def make_plan(*, takes_text: bool = True) -> ModelPlan:
    """Return the plan of a model that `model-server train` exports."""
    names = ("input_mask", "input_word_ids", "segment_ids")
    score = (TensorSpec("score", "float32", (None,)),)
    ids = SignatureSpec("serving_default", tuple(TensorSpec(name, "int32", (None, None)) for name in names), score)
    texts = SignatureSpec("text", tuple(TensorSpec(name, "string", (None,)) for name in ("text_a", "text_b")), score)
    return plan([ids, texts] if takes_text else [ids], ModelMapping())


def make_reader(*, takes_text: bool = True, **limits: Any) -> InputReader:
    """Return the reader of the inputs of a small model."""
    values = {"max_seq_length": 8, "vocab_size": 100}
    return InputReader(make_plan(takes_text=takes_text).forms, InputLimits(**{**values, **limits}))


def make_batcher(compute: Callable[[list[Any]], Any], **changes: Any) -> Batcher:
    """Return a batcher without a delay; it is not started yet."""
    values = {"max_batch_size": 64, "max_delay_seconds": 0.0, "max_queue": 1000, "timeout_seconds": 20.0}
    return Batcher(lambda inputs: BatchResult(compute(inputs)), **{**values, **changes})
