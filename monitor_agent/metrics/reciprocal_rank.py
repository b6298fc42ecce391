"""Reciprocal rank of one request: 1 / rank of the first clicked item; its mean is MRR."""

from __future__ import annotations

from collections.abc import Sequence


def reciprocal_rank(gains: Sequence[float]) -> float:
    """Return 1 / rank of the first item with a gain above 0; 0 without such an item.

    Parameters
    ----------
    gains : relevance of the items in ranked order, rank 1 first.

    Source: E. Voorhees, "The TREC-8 question answering track report" (1999).

    >>> reciprocal_rank([0, 0, 1, 1])
    0.3333333333333333
    """
    return next((1 / rank for rank, gain in enumerate(gains, start=1) if gain > 0), 0.0)
