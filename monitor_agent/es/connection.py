"""Connections to Elasticsearch: the client library with the settings of the product, and the gateway above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.serializer import OrjsonSerializer

from monitor_agent.errors import SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.http_client.authorization import authorization_headers
from monitor_agent.http_client.failures import ELASTICSEARCH
from monitor_agent.http_client.trust import client_context
from monitor_agent.settings import ElasticsearchSettings

_JSON = ("application/json", "application/vnd.elasticsearch+json")


def open_gateway(
    settings: ElasticsearchSettings,
    backoff: Backoff | None = None,
    sleep: Callable[[float], object] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> Gateway:
    """Return a gateway that asks Elasticsearch for its version before the first request; nothing is sent yet.

    The parameters are those of `Gateway`.

    Raises
    ------
    SettingsError
        If the file of the certificate authority, the user or the password cannot be used.
    """
    return Gateway(connect(settings), backoff, sleep, stopping, settings.ca_certs, check_version=True)


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Return a client that does not retry or check anything by itself; nothing is sent.

    Raises
    ------
    SettingsError
        If the file of the certificate authority, the user or the password cannot be used.
    """
    encrypted = any(url.startswith("https://") for url in settings.url)
    trust: dict[str, Any] = {}
    if encrypted:
        trust = {"ssl_context": client_context(settings.ca_certs, ELASTICSEARCH.ca_certs)}
    try:
        return Elasticsearch(
            list(settings.url),
            # Not by the client: it refuses names and passwords beyond ASCII.
            headers=authorization_headers(settings.username, settings.password, settings.api_key),
            **trust,
            request_timeout=settings.request_timeout.total_seconds(),
            max_retries=0,
            retry_on_timeout=False,
            serializers=dict.fromkeys(_JSON, OrjsonSerializer()),
        )
    except UnicodeError as error:
        raise SettingsError(
            "the user or the password holds bytes that are not UTF-8", "correct this setting"
        ) from error
