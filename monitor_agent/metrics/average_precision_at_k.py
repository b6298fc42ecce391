"""Average precision at k of one request; its mean is MAP@k."""

from __future__ import annotations

from collections.abc import Sequence


def average_precision_at_k(gains: Sequence[float], k: int) -> float:
    """Return the sum of (clicks so far / rank) over the first k ranks with a click, divided by min(k, all clicks).

    Parameters
    ----------
    gains : relevance of the items in ranked order, rank 1 first; above 0 counts as clicked.

    The value is 0 without a click.

    Source: C. Manning et al., "Introduction to information retrieval" (2008), section 8.4, cut at k.

    >>> round(average_precision_at_k([1, 0, 1, 1], k=3), 4)
    0.5556
    """
    hits, total = 0, 0.0
    for rank, gain in enumerate(gains[:k], start=1):
        if gain > 0:
            hits += 1
            total += hits / rank
    relevant = sum(gain > 0 for gain in gains)
    return total / min(k, relevant) if relevant else 0.0
