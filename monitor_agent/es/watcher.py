"""Watcher, if the cluster has it: whether its licence allows watches, and their installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticsearch import ApiError

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway

_NO_SUCH_API = (400, 404, 405)
_NOT_ALLOWED = 403
_HEADERS = {"accept": "application/json", "content-type": "application/json"}


def why_without(gateway: Gateway) -> str:
    """Return why no watch can be put; empty if one can."""
    try:
        gateway.call(
            "read the state of Watcher",
            lambda client: client.perform_request("GET", "/_watcher/stats", headers=_HEADERS).body,
        )
    except ElasticsearchError as error:
        cause = error.__cause__
        status = cause.meta.status if isinstance(cause, ApiError) else 0
        if status in _NO_SUCH_API:
            return "this cluster has no Watcher"
        if status == _NOT_ALLOWED:
            # Elasticsearch: "current license is non-compliant for [watcher]".
            if "non-compliant" in error.message:
                return "the cluster's licence does not include Watcher"
            return "this user may not manage them (privilege manage_watcher)"
        raise
    return ""


def put_watch(gateway: Gateway, identifier: str, watch: Mapping[str, Any]) -> None:
    """Create or replace a watch.

    Raises
    ------
    ElasticsearchError
        If the watch is refused.
    """
    gateway.call(
        f"put the watch {identifier}",
        lambda client: (
            client.perform_request(
                "PUT", f"/_watcher/watch/{identifier}", params={"active": "true"}, headers=_HEADERS, body=watch
            ).body
        ),
    )
