"""Hit of one request at k: whether a clicked item is among the first k; its mean is the hit rate."""

from __future__ import annotations

from collections.abc import Sequence


def hit(gains: Sequence[float], k: int) -> float:
    """Return 1 if one of the first k items has a gain above 0, else 0.

    Parameters
    ----------
    gains : relevance of the items in ranked order, rank 1 first.

    Source: M. Deshpande, G. Karypis, "Item-based top-N recommendation algorithms", ACM TOIS 22 (2004).

    >>> hit([0, 0, 1], k=2), hit([0, 0, 1], k=3)
    (0.0, 1.0)
    """
    return float(any(gain > 0 for gain in gains[:k]))
