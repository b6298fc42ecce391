"""Single scores, counted exactly: a histogram whose keys are the scores themselves.

A key is the number that the 64 bits of the score stand for: greater scores have greater keys. A state holds its scores
in this form while there are few distinct ones. Then AUC, average precision, best F1 and calibration error are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics.score_histogram import Counts, Floats, Histogram
from monitor_agent.metrics.score_tails import tails_of

COUNTED = 256
"""A window is counted exactly up to this number of distinct scores of each label."""

MERGED = 1024
"""States are merged exactly up to this number of distinct scores of each label."""


def from_exact_scores(scores: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Histogram:
    """Return the histogram of scores, float of shape (n,) in [0, 1].

    Parameters
    ----------
    counts : how often each score occurs; None = once.

    >>> scores_of(from_exact_scores([0.5, 0.25, 0.5])).tolist()
    [0.25, 0.5]
    """
    # Adding 0.0 makes -0.0 to 0.0.
    values = np.asarray(scores, dtype=np.float64) + 0.0
    numbers = np.ones(values.shape, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    keys, places = np.unique(values.view(np.int64), return_inverse=True)
    totals = np.zeros(len(keys), dtype=np.int64)
    np.add.at(totals, places, numbers)
    return Histogram(keys, totals)


def scores_of(histogram: Counts) -> Floats:
    """Return the scores of a histogram, lowest first."""
    keys = Histogram.of(histogram).bins
    return keys.view(np.float64) if len(keys) else np.zeros(0)


def from_terms(buckets: Sequence[Mapping[str, Any]]) -> Histogram:
    """Return the histogram of the buckets of a terms aggregation (``key``, ``doc_count``)."""
    return from_exact_scores([bucket["key"] for bucket in buckets], [bucket["doc_count"] for bucket in buckets])


def tails_of_exact(histogram: Counts) -> Histogram:
    """Return the histogram of the scores that lie in the tails, by cell of `score_tails`."""
    return tails_of(scores_of(histogram), Histogram.of(histogram).counts)
