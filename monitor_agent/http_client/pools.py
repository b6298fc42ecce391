"""Pools of connections of urllib3: bounded answers, the proxy of the environment, no answer that is compressed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from monitor_agent.http_client.address import HttpAddress
from monitor_agent.http_client.connections import BoundedResponse, noting_names
from monitor_agent.http_client.proxies import proxy_headers, proxy_of


class _HttpConnection(HTTPConnection):
    response_class = BoundedResponse


class _HttpsConnection(HTTPSConnection):
    response_class = BoundedResponse

    def connect(self) -> None:
        with noting_names(self.host, self.port, proxied=self.proxy is not None):
            super().connect()


class _HttpPool(urllib3.HTTPConnectionPool):
    """Connections to a server, or to a proxy that gets whole addresses.

    Attributes
    ----------
    origin : the address of the server behind a proxy; empty = there is no proxy.
    for_proxy : headers for the proxy.
    """

    ConnectionCls = _HttpConnection
    origin = ""
    for_proxy: Mapping[str, str] = {}

    def urlopen(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if self.origin:
            url = self.origin + url
            options["headers"] = {**(options.get("headers") or {}), **self.for_proxy}
            options["assert_same_host"] = False
        return super().urlopen(method, url, *arguments, **{"decode_content": False, **options})


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection

    def urlopen(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        return super().urlopen(method, url, *arguments, **{"decode_content": False, **options})


def connection_pool(
    address: HttpAddress, context: ssl.SSLContext | None, connections: int, timeout: Any, *, block: bool = False
) -> urllib3.HTTPConnectionPool:
    """Return the connections to an address, by the proxy of the environment if there is one.

    Parameters
    ----------
    context : the rules for TLS; None = no certificate is verified.
    connections : number of connections that are kept.
    timeout : seconds, or urllib3's limits.
    block : whether a request waits if all connections are in use.

    Raises
    ------
    SettingsError
        If the environment names a proxy that is no address of http.
    """
    options: dict[str, Any] = {"timeout": timeout, "maxsize": connections, "block": block}
    encrypted, proxy = address.scheme == "https", proxy_of(address)
    if encrypted:
        options |= {"cert_reqs": "CERT_NONE"} if context is None else {"ssl_context": context}
    if proxy is None:
        return (_HttpsPool if encrypted else _HttpPool)(address.host, address.port, **options)
    headers = proxy_headers(proxy)
    manager = urllib3.ProxyManager(proxy.url, proxy_headers=headers, num_pools=1, **options)
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    pool = manager.connection_from_host(address.host, address.port, address.scheme)
    if isinstance(pool, _HttpPool):
        pool.origin = f"http://{address.url.removeprefix('http://').partition('/')[0]}"
        pool.for_proxy = headers
    return pool
