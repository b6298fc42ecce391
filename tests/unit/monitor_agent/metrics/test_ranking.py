"""Ranking metrics compared with scikit-learn and brute force, and their means over requests."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from monitor_agent.metrics import WindowState, measure, merge
from monitor_agent.metrics.average_precision_at_k import average_precision_at_k
from monitor_agent.metrics.hit_rate import hit
from monitor_agent.metrics.ndcg import ndcg
from monitor_agent.metrics.ranking import REQUESTS, clicked_request_sums
from monitor_agent.metrics.reciprocal_rank import reciprocal_rank


def _requests(seed: int, count: int, items: int = 12) -> list[list[int]]:
    return (np.random.default_rng(seed).random((count, items)) < 0.15).astype(int).tolist()


def _state(requests: list[list[int]]) -> WindowState:
    clicked = Counter(tuple(np.flatnonzero(gains) + 1) for gains in requests if any(gains))
    counts, sums = clicked_request_sums(clicked)
    return WindowState(tp=1, counts={REQUESTS: len(requests), **counts}, sums=sums)


@pytest.mark.parametrize("k", [1, 5, 10, 50])
def test_ndcg_equals_scikit_learn(k: int) -> None:
    """NDCG of a ranked list equals scikit-learn's for scores that fall with the rank."""
    for gains in _requests(0, 30):
        if any(gains):
            expected = ndcg_score([gains], [list(range(len(gains), 0, -1))], k=k)
            assert ndcg(gains, k) == pytest.approx(expected, abs=1e-12)


def test_average_precision_equals_scikit_learn() -> None:
    """Over all ranks, the average precision of a request equals scikit-learn's."""
    for gains in _requests(1, 30):
        if any(gains):
            expected = average_precision_score(gains, list(range(len(gains), 0, -1)))
            assert average_precision_at_k(gains, len(gains)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 12])
def test_ranks_equal_a_search_of_the_list(k: int) -> None:
    """Hits and the first rank equal those of a search of the list."""
    for gains in _requests(2, 30):
        first = gains.index(1) + 1 if 1 in gains else None

        assert hit(gains, k) == (1.0 if first is not None and first <= k else 0.0)
        assert reciprocal_rank(gains) == (1 / first if first else 0.0)


def test_requests_without_a_click_are_left_out_and_reported() -> None:
    """Means are over requests with a click; the share of requests without a click is reported."""
    fields = measure(_state([[1, 0], [0, 0], [0, 1], [0, 0]]))

    assert (fields["mrr"], fields["requests_without_click"]) == (0.75, 0.5)


def test_means_merge() -> None:
    """Two merged windows give the means of all their requests, and a narrower interval."""
    first, second = _requests(3, 40), _requests(4, 60)
    merged, alone = measure(merge(_state(first), _state(second))), measure(_state(first))
    whole = measure(_state(first + second))

    assert (merged["ndcg_at_5"], merged["map_at_10"]) == (whole["ndcg_at_5"], whole["map_at_10"])
    assert merged["mrr_high"] - merged["mrr_low"] < alone["mrr_high"] - alone["mrr_low"]


def test_no_request_has_no_mean() -> None:
    """Without clicks and without requests, the reasons of undefined values differ."""
    fields, nothing = measure(_state([[0, 0]])), measure(WindowState(tp=1))

    assert (fields["mrr_undefined"], fields["requests_without_click"]) == ("no_clicked_requests", 1.0)
    assert nothing["requests_without_click_undefined"] == "no_ranked_requests"
