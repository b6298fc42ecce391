"""NDCG@k of one request: the closeness of the clicked items to the top."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ndcg(gains: Sequence[float], k: int) -> float:
    """Return the DCG of the first k ranks, divided by the best possible DCG; DCG = sum of gain / log2(rank + 1).

    Parameters
    ----------
    gains : relevance of the items in ranked order, rank 1 first (click = 1); at least one above 0.

    Raises
    ------
    ValueError
        If no gain is above 0; the means leave requests without a click out and count them.

    Source: K. Järvelin, J. Kekäläinen, ACM TOIS 20 (2002); `sklearn.metrics.ndcg_score`.

    >>> round(ndcg([0, 1, 0], k=3), 4)
    0.6309
    """
    best = _dcg(sorted(gains, reverse=True)[:k])
    if not best:
        raise ValueError("a request without relevance has no NDCG")
    return _dcg(gains[:k]) / best


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
