"""The calibration of scores: the probability of a positive for each score, learnt from labelled windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor_agent.metrics._spec import Undefined
from monitor_agent.metrics.score_histogram import SCORE_BINS, Counts


@dataclass(frozen=True)
class Calibration:
    """The probability of a positive in each of the score bins."""

    probabilities: tuple[float, ...]


def isotonic_calibration(pos: Counts, neg: Counts) -> Calibration | Undefined:
    """Return the rising step function of the score that fits the labels best (isotonic regression).

    A bin without labels gets the value of the nearest labelled bin below it, or else above it.

    Undefined (``one_class``) if a histogram is empty.

    Source: B. Zadrozny, C. Elkan, KDD (2002); pool adjacent violators, as `sklearn.isotonic.IsotonicRegression`.

    >>> fit = isotonic_calibration({300: 1, 700: 1}, {100: 4, 300: 1, 500: 1, 700: 1})
    >>> fit.probabilities[100], round(fit.probabilities[400], 3), fit.probabilities[999]
    (0.0, 0.333, 0.5)
    """
    if not pos or not neg:
        return Undefined("one_class")
    blocks: list[list[float]] = []  # positives, all, first bin
    for index in sorted(pos.keys() | neg.keys()):
        hits = pos.get(index, 0)
        blocks.append([hits, hits + neg.get(index, 0), index])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1][0] += last[0]
            blocks[-1][1] += last[1]
    values = np.empty(SCORE_BINS)
    values[:] = blocks[0][0] / blocks[0][1]
    for positives, count, first in blocks:
        values[int(first) :] = positives / count
    return Calibration(tuple(values.tolist()))
