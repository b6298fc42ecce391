"""A search and its response, as panels pass them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SearchResponse = Mapping[str, Any]
"""The body of Elasticsearch's response to one search."""


class SearchRequest(NamedTuple):
    """A search: the names or patterns of its indices, separated by commas, and its body."""

    indices: str
    body: Mapping[str, Any]
