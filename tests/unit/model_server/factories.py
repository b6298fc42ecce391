"""Builds objects of a model server for tests, with defaults that a test can override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_server.batching import Batcher, BatchLimits
from model_server.engines.engine import BatchResult
from model_server.loaded_model import LoadedModel
from model_server.model_card import ModelCard
from model_server.releases.rules import DEFAULT_RULES
from model_server.releases.served_version import ServedModel, ServedVersion, Serving
from model_server.signatures.instance_inputs import InputLimits, InputReader
from model_server.signatures.mapping import ModelMapping
from model_server.signatures.model_plan import ModelPlan, plan
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.prediction_log import PredictionLog
from monitor_agent.settings import ServerSettings

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


@dataclass(frozen=True)
class FunctionEngine:
    """A model that is a function of the inputs."""

    function: Callable[[list[Any]], Any]
    limits: InputLimits = InputLimits(8, 100)
    card: ModelCard = field(default_factory=make_card)
    plan: ModelPlan = field(default_factory=make_plan)
    engine: str = "function"
    kind: str = "binary"
    classes: tuple[str, ...] = ()
    signatures: tuple[SignatureSpec, ...] = ()
    parallel: int = 1

    def warm_up(self, batch_size: int) -> None:
        """Do nothing: a function is always warm."""

    def compute(self, inputs: Sequence[Any]) -> BatchResult:
        """Return what the function returns."""
        return BatchResult(self.function(list(inputs)))


def make_serving(settings: ServerSettings, engine: FunctionEngine, log: PredictionLog) -> Serving[LoadedModel]:
    """Return a served model of one version; its batcher is not started yet."""
    loaded = LoadedModel(settings, engine, log)
    versions = {engine.card.version: ServedVersion(engine.card, loaded, (), 0)}
    return Serving({engine.card.name: ServedModel(engine.card.name, versions, {}, DEFAULT_RULES)})


def make_batcher(compute: Callable[[list[Any]], Any], **changes: Any) -> Batcher:
    """Return a batcher without a delay; it is not started yet."""
    values: dict[str, Any] = {
        "max_batch_size": 64,
        "max_delay_seconds": 0.0,
        "max_queue": 1000,
        "timeout_seconds": 20.0,
    }
    values |= {name: changes.pop(name) for name in list(changes) if name in BatchLimits.__annotations__}
    return Batcher(lambda inputs: BatchResult(compute(inputs)), BatchLimits(**values), **changes)
