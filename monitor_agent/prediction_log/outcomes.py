"""The results of a model for the instances of a request: for the client, and as text of the events (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, log1p
from typing import Any, NamedTuple

from monitor_agent.contracts.kinds import MULTICLASS, REGRESSION
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.prediction_log.json_text import members_of, number_texts

_HIGHEST = 1 - LOG_LOSS_CLIP


class Outcomes(NamedTuple):
    """What a model says of the instances of a request, one entry for each of them.

    Attributes
    ----------
    order : what ranks the instances: the highest is the best.
    answers : for the client: `score` and `label`; or `class` and `scores`; or `value`.
    members : JSON text of the members of the object `prediction` of the event.
    """

    order: Sequence[float]
    answers: list[dict[str, Any]]
    members: list[str]


def binary(scores: Sequence[float], labels: Sequence[int], threshold: float) -> Outcomes:
    """Return the outcomes of probabilities.

    Parameters
    ----------
    threshold : the threshold that the events name.
    """
    numbers = [threshold]
    for score in scores:
        numbers += score, *log_losses(score)
    limit, *texts = number_texts(numbers)
    members = [
        f'"score":{score},"label":{label},"threshold":{limit},"log_loss_1":{loss_1},"log_loss_0":{loss_0}'
        for score, label, loss_1, loss_0 in zip(texts[::3], labels, texts[1::3], texts[2::3], strict=True)
    ]
    answers = [{"score": score, "label": label} for score, label in zip(scores, labels, strict=True)]
    return Outcomes(scores, answers, members)


def log_losses(score: float) -> tuple[float, float]:
    """Return the log loss of a probability, were the label 1, and were it 0.

    >>> [round(loss, 3) for loss in log_losses(0.25)]
    [1.386, 0.288]
    """
    clipped = LOG_LOSS_CLIP if score < LOG_LOSS_CLIP else _HIGHEST if score > _HIGHEST else score
    return -log(clipped), -log1p(-clipped)


def multiclass(rows: Sequence[tuple[str, Mapping[str, float]]]) -> Outcomes:
    """Return the outcomes of classes.

    Parameters
    ----------
    rows : for each instance, the predicted class, and the probability of each class, which may be empty.
    """
    answers = [{"class": name, "scores": scores} if scores else {"class": name} for name, scores in rows]
    members = [members_of({"kind": MULTICLASS.name, **answer}) for answer in answers]
    return Outcomes([scores.get(name, 0.0) for name, scores in rows], answers, members)


def regression(values: Sequence[float]) -> Outcomes:
    """Return the outcomes of predicted numbers."""
    members = [f'"kind":"{REGRESSION.name}","value":{text}' for text in number_texts(values)]
    return Outcomes(values, [{"value": value} for value in values], members)


def rank(scores: Sequence[float]) -> list[int]:
    """Return the rank of each score, 1 = best; equal scores keep their order.

    >>> rank([0.2, 0.9, 0.2])
    [2, 1, 3]
    """
    places = [0] * len(scores)
    for place, index in enumerate(sorted(range(len(scores)), key=scores.__getitem__, reverse=True), start=1):
        places[index] = place
    return places
