"""What a proxy says about the client: taken from trusted proxies, removed from all other requests (pure)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from typing import Any

HEADERS = tuple(
    f"HTTP_{name}"
    for name in (
        *("X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "X_FORWARDED_PREFIX"),
        *("X_FORWARDED_PORT", "X_FORWARDED_BY", "X_FORWARDED_SERVER", "X_REAL_IP", "FORWARDED"),
    )
)
SCHEMES = ("http", "https")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


class TrustedProxies:
    """The proxies whose headers are believed.

    Parameters
    ----------
    networks : addresses or networks, such as `10.0.0.0/8`; empty = no proxy is trusted.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in networks)

    def __bool__(self) -> bool:
        """Return whether any proxy is trusted."""
        return bool(self._networks)

    def apply(self, environ: MutableMapping[str, Any]) -> None:
        """Put what a trusted proxy says in the place of what the connection says; remove the proxies' headers.

        `X-Forwarded-For` gives the client: the last address that is no trusted proxy. `-Proto` gives the scheme,
        `-Host` the host, `-Prefix` the path under which the proxy shows this server; the proxy takes it off the path.

        >>> request = {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 10.0.0.1"}
        >>> TrustedProxies(["10.0.0.0/8"]).apply(request)
        >>> request
        {'REMOTE_ADDR': '203.0.113.9', 'REMOTE_HOST': '203.0.113.9'}
        """
        statements = {name: environ.pop(name) for name in HEADERS if name in environ}
        if not statements or not self._trusts(environ.get("REMOTE_ADDR", "")):
            return
        hops = self._client(environ, _items(statements.get("HTTP_X_FORWARDED_FOR", "")))
        scheme = _of_hop(statements.get("HTTP_X_FORWARDED_PROTO", ""), hops).lower()
        if scheme in SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        if host := _of_hop(statements.get("HTTP_X_FORWARDED_HOST", ""), hops):
            environ["HTTP_HOST"] = host
        prefix = _of_hop(statements.get("HTTP_X_FORWARDED_PREFIX", ""), hops).rstrip("/")
        if is_prefix(prefix):
            environ["SCRIPT_NAME"] = prefix

    def _client(self, environ: MutableMapping[str, Any], addresses: list[str]) -> int:
        """Set the client's address; return how many trusted proxies the request came through."""
        hops = 1
        for text in reversed(addresses):
            address = _address(text)
            if address is None:
                break
            environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(address)
            environ.pop("REMOTE_PORT", None)
            if not self._trusts(str(address)):
                break
            hops += 1
        return hops

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def is_prefix(path: str) -> bool:
    """Return whether a text can be the path under which a proxy shows a server.

    >>> [is_prefix(path) for path in ("/monitoring", "/a/b", "", "//evil.example", "monitoring", "/a?b")]
    [True, True, False, False, False, False]
    """
    return _PREFIX.fullmatch(path) is not None


def _items(header: str) -> list[str]:
    return [text for text in (item.strip().strip('"') for item in header.split(",")) if text]


def _of_hop(header: str, hops: int) -> str:
    """Return what the first trusted proxy has said; each further one may have added a value, or none."""
    items = _items(header)
    return items[-min(hops, len(items))] if items else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address in a text, which may have a port; None if there is none."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
