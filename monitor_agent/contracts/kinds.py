"""Kinds of predictions: what the pipeline requires of the events of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.bounds import LABEL, LOG_LOSS, NUMBER, PROBABILITY
from monitor_agent.vocabulary import prediction_kinds

MOST_CLASS_CHARACTERS = 256


@dataclass(frozen=True)
class PredictionKind:
    """One kind of predictions.

    Attributes
    ----------
    name : the value of `prediction.kind`.
    required, optional : fields of a prediction with the rule of their values; an optional field may be null.
    truth : the field that feedback of the type `label` must have.
    sample, feedback_sample : the objects `prediction` and `feedback` of two events.
    """

    name: str
    help: str
    required: Mapping[str, str]
    optional: Mapping[str, str]
    truth: str
    sample: Mapping[str, Any]
    feedback_sample: Mapping[str, Any]


BINARY = PredictionKind(
    name=prediction_kinds.BINARY,
    help="the probability of a positive, such as a click",
    required={"prediction.score": str(PROBABILITY), "prediction.label": str(LABEL)},
    optional={"prediction.log_loss_1": str(LOG_LOSS), "prediction.log_loss_0": str(LOG_LOSS)},
    truth="feedback.label",
    sample={"score": 0.25, "label": 0},
    feedback_sample={"type": "label", "label": 1},
)
MULTICLASS = PredictionKind(
    name=prediction_kinds.MULTICLASS,
    help="one of several classes",
    required={"prediction.class": f"text, 1..{MOST_CLASS_CHARACTERS} characters"},
    optional={"prediction.scores": f"object of class: {PROBABILITY}"},
    truth="feedback.class",
    sample={"kind": "multiclass", "class": "boots", "scores": {"boots": 0.7, "sandals": 0.3}},
    feedback_sample={"type": "label", "class": "sandals"},
)
REGRESSION = PredictionKind(
    name=prediction_kinds.REGRESSION,
    help="a number, such as a price",
    required={"prediction.value": str(NUMBER)},
    optional={},
    truth="feedback.truth",
    sample={"kind": "regression", "value": 12.5},
    feedback_sample={"type": "label", "truth": 11.0},
)
KINDS: tuple[PredictionKind, ...] = (BINARY, MULTICLASS, REGRESSION)

DEFAULT_KIND = BINARY
"""The kind of a prediction without `prediction.kind`."""
