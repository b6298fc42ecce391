"""Kinds of predictions: what the pipeline requires of the events of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_CLASS_CHARACTERS = 256
LARGEST_VALUE = 1e15
"""Values of regressions, predicted and true, are between this and its negative."""


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
    name="binary",
    help="the probability of a positive, such as a click",
    required={"prediction.score": "number, 0..1", "prediction.label": "0 or 1"},
    optional={"prediction.log_loss_1": "number, 0..17", "prediction.log_loss_0": "number, 0..17"},
    truth="feedback.label",
    sample={"score": 0.25, "label": 0},
    feedback_sample={"type": "label", "label": 1},
)
MULTICLASS = PredictionKind(
    name="multiclass",
    help="one of several classes",
    required={"prediction.class": f"text, 1..{MOST_CLASS_CHARACTERS} characters"},
    optional={"prediction.scores": "object of class: number, 0..1"},
    truth="feedback.class",
    sample={"kind": "multiclass", "class": "boots", "scores": {"boots": 0.7, "sandals": 0.3}},
    feedback_sample={"type": "label", "class": "sandals"},
)
REGRESSION = PredictionKind(
    name="regression",
    help="a number, such as a price",
    required={"prediction.value": "number, -1e15..1e15"},
    optional={},
    truth="feedback.truth",
    sample={"kind": "regression", "value": 12.5},
    feedback_sample={"type": "label", "truth": 11.0},
)
KINDS: tuple[PredictionKind, ...] = (BINARY, MULTICLASS, REGRESSION)

DEFAULT_KIND = BINARY
"""The kind of a prediction without `prediction.kind`."""
