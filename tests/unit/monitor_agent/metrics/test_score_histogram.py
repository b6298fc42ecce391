"""The bins of scores, as a search engine's histogram aggregation fills them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor_agent.metrics.score_histogram import DECADES, EDGES, SCORE_BINS, bin_means, dense, from_scores, score_bins


def decades_of(score: float) -> list[int]:
    """Return the decades whose aggregation counts a score: floor(score / interval), then the hard bounds on the key."""
    keys = {each.number: math.floor(score / each.interval) * each.interval for each in DECADES}
    return [each.number for each in DECADES if each.low <= keys[each.number] <= each.high]


@pytest.mark.parametrize("border", [0.0005, 0.001, 0.01, 0.1, 0.5, 1.0])
def test_a_score_is_counted_once(border: float) -> None:
    """Also next to the borders of the decades a score is in exactly one of them."""
    score = border * (1 - 1e-13)
    while score < min(1.0, border * (1 + 1e-13)):
        assert len(decades_of(score)) == 1, score
        score = math.nextafter(score, 2)


def test_every_decimal_of_three_digits_is_an_edge() -> None:
    """A threshold such as 0.29 or 0.0057 cuts between two bins."""
    assert score_bins(EDGES[:-1]).tolist() == list(range(SCORE_BINS))
    assert {0.29, 0.0057, 0.05, 0.000001} <= set(EDGES.tolist())


def test_the_estimated_mean_is_that_of_the_scores() -> None:
    """The means of the bins, weighted, give the exact sum."""
    scores = np.random.default_rng(1).beta(0.6, 40, 5000)
    counts = dense(from_scores(scores))

    assert float(counts @ bin_means(counts, float(scores.sum()))) == pytest.approx(float(scores.sum()), rel=1e-12)
