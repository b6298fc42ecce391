"""Connections to Elasticsearch: the client library with the settings of the product, and the gateway above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from elastic_transport import NodeConfig, Urllib3HttpNode
from elasticsearch import Elasticsearch
from elasticsearch.serializer import OrjsonSerializer

from monitor_agent.errors import SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.http_client.address import HttpAddress
from monitor_agent.http_client.authorization import authorization_headers
from monitor_agent.http_client.failures import ELASTICSEARCH, AddressSettings
from monitor_agent.http_client.pools import connection_pool
from monitor_agent.http_client.trust import client_context
from monitor_agent.settings import ElasticsearchSettings

_JSON = ("application/json", "application/vnd.elasticsearch+json")


class BoundedNode(Urllib3HttpNode):
    """An address of Elasticsearch: bounded answers, and the proxy of the environment, which the library leaves out."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.pool.close()
        address = HttpAddress(config.scheme, config.host, config.port)
        self.pool = connection_pool(
            address, config.ssl_context, config.connections_per_node, config.request_timeout, block=True
        )


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
    return Gateway(connect(settings), backoff, sleep, stopping, names_of(settings), check_version=True)


def names_of(settings: ElasticsearchSettings) -> AddressSettings:
    """Return the settings of a connection, for messages."""
    return replace(ELASTICSEARCH, ca_file=settings.ca_certs, seconds=settings.request_timeout.total_seconds())


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
            node_class=BoundedNode,
            request_timeout=settings.request_timeout.total_seconds(),
            max_retries=0,
            retry_on_timeout=False,
            serializers=dict.fromkeys(_JSON, OrjsonSerializer()),
        )
    except UnicodeError as error:
        raise SettingsError(
            "the user or the password holds bytes that are not UTF-8", "correct this setting"
        ) from error
