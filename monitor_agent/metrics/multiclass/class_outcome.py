"""What the true class makes of one multiclass prediction: the numbers that the metrics of a window are sums of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from monitor_agent.metrics.log_loss import CLIP
from monitor_agent.metrics.multiclass.class_scores import score_name
from monitor_agent.metrics.multiclass.confusion_matrix import MOST_CLASSES


@dataclass(frozen=True)
class ClassOutcome:
    """The scores of a prediction, judged by its true class.

    Attributes
    ----------
    rank : place of the true class by its score, 1 = highest.
    log_loss : -ln of its score, which is clipped at 1e-7.
    binned : the names in `WindowState.class_scores`; empty if there are more than `MOST_CLASSES` scores.
    """

    rank: int
    log_loss: float
    binned: tuple[str, ...]


def class_outcome(scores: Mapping[str, float], true: str) -> ClassOutcome:
    """Return what a true class makes of scores; a class without a score has the score 0.

    Source: `sklearn.metrics.log_loss`; `sklearn.metrics.top_k_accuracy_score`, for which the later class in the order
    of names is the higher one of two equal scores.

    >>> class_outcome({"a": 0.25, "b": 0.5, "c": 0.25}, "a")
    ClassOutcome(rank=3, log_loss=1.3862943611198906, binned=('+678 a', '-700 b', '-678 c'))
    """
    score = scores.get(true, 0.0)
    rank = 1 + sum((other, name) > (score, true) for name, other in scores.items())
    rated = scores if true in scores else {**scores, true: 0.0}
    binned = [score_name(name, value, name == true) for name, value in sorted(rated.items())]
    return ClassOutcome(
        rank,
        -math.log(min(max(score, CLIP), 1 - CLIP)),
        tuple(binned) if len(rated) <= MOST_CLASSES else (),
    )
