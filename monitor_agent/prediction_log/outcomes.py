"""The result of a model for one instance: for the client, and as the members of `prediction` in the event (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from monitor_agent.contracts.kinds import MULTICLASS, REGRESSION
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.prediction_log.json_text import members_of, number_text

_HIGHEST = 1 - LOG_LOSS_CLIP


class Outcome(NamedTuple):
    """What a model says of one instance.

    Attributes
    ----------
    order : what ranks the instances of a request: the highest is the best.
    answer : for the client: `score` and `label`; or `class` and `scores`; or `value`.
    members : JSON text of the members of the object `prediction` of the event.
    """

    order: float
    answer: dict[str, Any]
    members: str


def binary(score: float, threshold: float, threshold_text: str) -> Outcome:
    """Return the outcome of a probability.

    Parameters
    ----------
    threshold : a score at or above it gets the label 1.
    threshold_text : JSON text of the threshold that the event names.
    """
    label = 1 if score >= threshold else 0
    clipped = LOG_LOSS_CLIP if score < LOG_LOSS_CLIP else _HIGHEST if score > _HIGHEST else score
    loss_1, loss_0 = number_text(-math.log(clipped)), number_text(-math.log1p(-clipped))
    members = (
        f'"score":{number_text(score)},"label":{label},"threshold":{threshold_text},'
        f'"log_loss_1":{loss_1},"log_loss_0":{loss_0}'
    )
    return Outcome(score, {"score": score, "label": label}, members)


def multiclass(name: str, scores: Mapping[str, float]) -> Outcome:
    """Return the outcome of a class, with the probability of each class; without any, `scores` is empty."""
    answer = {"class": name, "scores": scores} if scores else {"class": name}
    return Outcome(scores.get(name, 0.0), answer, members_of({"kind": MULTICLASS.name, **answer}))


def regression(value: float) -> Outcome:
    """Return the outcome of a predicted number."""
    return Outcome(value, {"value": value}, f'"kind":"{REGRESSION.name}","value":{number_text(value)}')


def rank(scores: Sequence[float]) -> list[int]:
    """Return the rank of each score, 1 = best; equal scores keep their order.

    >>> rank([0.2, 0.9, 0.2])
    [2, 1, 3]
    """
    places = [0] * len(scores)
    for place, index in enumerate(sorted(range(len(scores)), key=scores.__getitem__, reverse=True), start=1):
        places[index] = place
    return places
