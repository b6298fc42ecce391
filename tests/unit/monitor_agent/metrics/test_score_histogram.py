"""The bins of scores, as a search engine's histogram aggregation fills them."""

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


def in_parts(scores: np.ndarray, first: int, last: int) -> Histogram:
    """Return scores in the parts of some bins, as an aggregation would answer them."""
    decade = refined_decade(DECADES[1], first, last)
    keys, counts = np.unique(np.floor(scores / decade.interval) * decade.interval, return_counts=True)
    pairs = zip(keys.tolist(), counts.tolist(), strict=True)
    buckets = [{"key": key, "doc_count": n} for key, n in pairs if decade.low <= key <= decade.high]
    return from_refined_buckets([(decade, buckets)])


def test_the_parts_of_crowded_bins_tell_the_order() -> None:
    """Scores within two bins have an AUC, merged too, with a bound that holds and is a hundredth of the one without."""
    random = np.random.default_rng(5)
    scores = 0.00370 + 0.00002 * random.random(4000)
    labels = random.random(4000) < 0.02 + 0.2 * (scores > 0.003705)
    states = []
    for part in (slice(0, 1500), slice(1500, None)):
        pos, neg = scores[part][labels[part]], scores[part][~labels[part]]
        bins = sorted(set(score_bins(scores).tolist()))
        states.append(
            WindowState(
                tp=len(pos),
                tn=len(neg),
                scores_pos=from_scores(pos),
                scores_neg=from_scores(neg),
                fine_pos=in_parts(pos, bins[0], bins[-1]),
                fine_neg=in_parts(neg, bins[0], bins[-1]),
            )
        )
    fields = measure(WindowState.from_blob(merge_all(states).to_blob()))
    coarse = measure(merge_all([replace(each, fine_pos={}, fine_neg={}) for each in states]))

    assert abs(fields["auc"] - roc_auc_score(labels, scores)) <= fields["auc_error_bound"] < 0.005
    assert coarse["auc_error_bound"] > 0.2
