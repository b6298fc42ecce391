"""The interface of an engine: what computes the scores of a model (pure).

Everything else of the server, from HTTP to the event log, knows a model only by this interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from model_server.model_card import ModelCard
from model_server.signatures.instance_inputs import InputLimits, InstanceInputs
from model_server.signatures.model_plan import ModelPlan, ServedSignature
from model_server.signatures.tensor_spec import SignatureSpec


@dataclass(frozen=True)
class BatchResult:
    """What a model computes for a batch.

    Attributes
    ----------
    scores : shape (n,), or (n, classes).
    outputs : all outputs of the signature by name, each with n rows; empty if nobody has asked for them.
    engine : what has computed them; "" = nobody says it.
    """

    scores: Any
    outputs: Mapping[str, Any] = field(default_factory=dict)
    engine: str = ""


class Engine(Protocol):
    """A loaded model; `parallel` threads may call it at a time."""

    @property
    def parallel(self) -> int:
        """How many threads may call it at a time."""

    @property
    def engine(self) -> str:
        """The name of what computes the main signature, such as `tensorflow`."""

    @property
    def card(self) -> ModelCard:
        """What `model.json` and the settings say about the model."""

    @property
    def signatures(self) -> tuple[SignatureSpec, ...]:
        """What its signatures take and give."""

    @property
    def plan(self) -> ModelPlan:
        """How its signatures are served; the warm-up completes it."""

    @property
    def limits(self) -> InputLimits:
        """The limits of the ids of an instance: a signature can fix their number."""

    @property
    def kind(self) -> str:
        """The kind of its predictions; "" = not known before the warm-up."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; empty for other kinds."""

    def engine_of(self, served: ServedSignature) -> str:
        """Return the name of what computes a signature of the plan."""

    def warm_up(self, batch_size: int) -> None:
        """Call all signatures with several shapes, up to `batch_size` instances, and check what they give.

        Raises
        ------
        ModelError
            If the model cannot be called, or if its output is not what it should be.
        """

    def compute(self, inputs: Sequence[InstanceInputs]) -> BatchResult:
        """Return the score of each instance, and all outputs if an instance needs them; all inputs are of one group.

        Errors of the library that computes pass through.
        """
