"""The bins of scores, as the histogram aggregation of a search engine fills them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from monitor_agent.metrics import WindowState, measure, merge_all
from monitor_agent.metrics.score_histogram import (
    DECADES,
    EDGES,
    SCORE_BINS,
    Histogram,
    bin_means,
    dense,
    from_refined_buckets,
    from_scores,
    refined_decade,
    score_bins,
)


def decades_of(score: float) -> list[int]:
    """Return the decades whose aggregation counts a score: floor(score / interval), then the hard bounds on the key."""
    keys = {decade.number: math.floor(score / decade.interval) * decade.interval for decade in DECADES}
    return [decade.number for decade in DECADES if decade.low <= keys[decade.number] <= decade.high]


@pytest.mark.parametrize("border", [0.0005, 0.001, 0.01, 0.1, 0.5, 1.0])
def test_a_score_is_counted_once(border: float) -> None:
    """A score near the border of two decades is in exactly one of them."""
    score = border * (1 - 1e-13)
    while score < min(1.0, border * (1 + 1e-13)):
        assert len(decades_of(score)) == 1, score
        score = math.nextafter(score, 2)


def test_every_decimal_of_three_digits_is_an_edge() -> None:
    """A threshold such as 0.29 or 0.0057 is between two bins."""
    assert score_bins(EDGES[:-1]).tolist() == list(range(SCORE_BINS))
    assert {0.29, 0.0057, 0.05, 0.000001} <= set(EDGES.tolist())


def test_the_estimated_mean_is_that_of_the_scores() -> None:
    """The weighted sum of the bins' means is the exact sum."""
    scores = np.random.default_rng(1).beta(0.6, 40, 5000)
    counts = dense(from_scores(scores))

    assert float(counts @ bin_means(counts, float(scores.sum()))) == pytest.approx(float(scores.sum()), rel=1e-12)


def refined(scores: np.ndarray, first: int, last: int) -> Histogram:
    """Return scores in refined bins, as an aggregation returns them."""
    decade = refined_decade(DECADES[1], first, last)
    keys, counts = np.unique(np.floor(scores / decade.interval) * decade.interval, return_counts=True)
    pairs = zip(keys.tolist(), counts.tolist(), strict=True)
    buckets = [{"key": key, "doc_count": n} for key, n in pairs if decade.low <= key <= decade.high]
    return from_refined_buckets([(decade, buckets)])


def test_refined_bins_give_the_order() -> None:
    """Scores in two bins get an AUC, also after merging, whose error bound holds and is 1/40 of the coarse bound."""
    random = np.random.default_rng(5)
    scores = 0.00370 + 0.00002 * random.random(4000)
    labels = random.random(4000) < 0.02 + 0.2 * (scores > 0.003705)
    states = []
    for rows in (slice(0, 1500), slice(1500, None)):
        pos, neg = scores[rows][labels[rows]], scores[rows][~labels[rows]]
        bins = sorted(set(score_bins(scores).tolist()))
        states.append(
            WindowState(
                tp=len(pos),
                tn=len(neg),
                scores_pos=from_scores(pos),
                scores_neg=from_scores(neg),
                fine_pos=refined(pos, bins[0], bins[-1]),
                fine_neg=refined(neg, bins[0], bins[-1]),
            )
        )
    fields = measure(WindowState.from_blob(merge_all(states).to_blob()))
    coarse = measure(merge_all([replace(state, fine_pos={}, fine_neg={}) for state in states]))

    assert abs(fields["auc"] - roc_auc_score(labels, scores)) <= fields["auc_error_bound"] < 0.005
    assert coarse["auc_error_bound"] > 0.2
