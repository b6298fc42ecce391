"""NDCG@k of one request: how near the clicked items are to the top."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ndcg(gains: Sequence[float], k: int) -> float:
    """DCG of the first k ranks over the best possible one; DCG = sum of gain / log2(rank + 1).

    Parameters
    ----------
    gains : relevance of the items in ranked order, rank 1 first (click = 1); at least one above 0.

    ValueError for a request without relevance: such requests are left out of means and counted.

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
