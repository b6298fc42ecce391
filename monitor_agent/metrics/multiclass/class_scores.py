"""The scores of classes as a state stores them: bins of log-odds, for each class and for whether it is the truth.

A bin is a twentieth of a unit of log-odds wide: about 5 % of a low score, and about 5 % of 1 - score of a high one. A
score of 0 and a score of 1 have bins of their own. A class that a prediction gives no score has the score 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS_PER_UNIT = 20
_MIDDLE = 700
LAST_BIN = 2 * _MIDDLE
"""The bin of the score 1; the bin of the score 0 is 0."""


def score_bin(score: float) -> int:
    """Return the bin of a score.

    >>> score_bin(0.0), score_bin(0.5), score_bin(0.51), score_bin(0.9), score_bin(1.0)
    (0, 700, 700, 743, 1400)
    """
    if score <= 0.0:
        return 0
    if score >= 1.0:
        return LAST_BIN
    odds = math.log(score) - math.log1p(-score)
    return min(max(math.floor(odds * BINS_PER_UNIT) + _MIDDLE, 1), LAST_BIN - 1)


def score_name(name: str, score: float, is_true: bool) -> str:
    """Return the name in `WindowState.class_scores` that counts the score of a class.

    >>> score_name("boots", 0.9, is_true=True), score_name("high heels", 0.0, is_true=False)
    ('+743 boots', '-0 high heels')
    """
    return f"{'+' if is_true else '-'}{score_bin(score)} {name}"


class ClassScores(NamedTuple):
    """The scores of one class by bin; both of shape (`LAST_BIN` + 1,)."""

    positives: Floats
    negatives: Floats


def scores_by_class(class_scores: Mapping[str, int], scored: int) -> dict[str, ClassScores]:
    """Return the scores of each class, in the order of their names.

    Parameters
    ----------
    class_scores : `WindowState.class_scores`.
    scored : the predictions whose scores it counts; those that give a class no score have the score 0 there.
    """
    by_class: dict[str, ClassScores] = {}
    for name, count in class_scores.items():
        number, _, label = name[1:].partition(" ")
        scores = by_class.setdefault(label, ClassScores(np.zeros(LAST_BIN + 1), np.zeros(LAST_BIN + 1)))
        (scores.positives if name[0] == "+" else scores.negatives)[int(number)] += count
    for scores in by_class.values():
        scores.negatives[0] += max(0.0, scored - float(scores.positives.sum() + scores.negatives.sum()))
    return dict(sorted(by_class.items()))
