"""Requests to Elasticsearch: addresses with fail-over, persistent connections, TLS, credentials, compression."""

from __future__ import annotations

import gzip
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from monitor_agent.errors import SettingsError
from monitor_agent.http_auth import authorization_headers

REST_SECONDS = 5.0
"""An address that failed is tried again after this time, or when no other address is left."""


class UnreachableError(Exception):
    """Raised if no address answered; Elasticsearch may have carried out the request nevertheless."""


@dataclass(frozen=True)
class ElasticsearchAccess:
    """The addresses of Elasticsearch and the options of the connections to them.

    Attributes
    ----------
    hosts : addresses such as `https://es-1:9200`.
    ca_certs : file with the certificate authority; "" = the system's.
    verify : whether the certificate is checked.
    connections : connections kept per address.
    compression : level of gzip, 1..9; 0 = none.
    """

    hosts: Sequence[str]
    user: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    ca_certs: str = ""
    verify: bool = True
    timeout_seconds: float = 60.0
    connections: int = 4
    compression: int = 0

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {"Accept": "application/json", **authorization_headers(self.user, self.password, self.api_key)}


@dataclass(frozen=True)
class HttpAnswer:
    """An answer.

    Attributes
    ----------
    address : the address that has answered, without credentials.
    location : where the answer redirects to; "" = nowhere.
    """

    status: int
    body: bytes
    address: str = ""
    content_type: str = ""
    location: str = ""


class Transport:
    """Sends requests; may be used by several threads at once."""

    def __init__(self, access: ElasticsearchAccess) -> None:
        self._access = access
        self._headers = access.headers()
        self._pools, self._prefixes = zip(*(_pool(address, access) for address in access.hosts), strict=True)
        self._addresses = [without_credentials(address) for address in access.hosts]
        self._resting = [0.0] * len(self._pools)
        self._first = 0
        self._lock = threading.Lock()

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> HttpAnswer:
        """Return the answer of the first address that answers.

        Raises
        ------
        UnreachableError
            If no address answers.
        """
        # A length of 0 as well: servers that know only bulk requests wait for the length of each request.
        headers = {**self._headers, **({"Content-Type": content_type} if body else {"Content-Length": "0"})}
        if body and self._access.compression:
            body = gzip.compress(body, self._access.compression)
            headers = {**headers, "Content-Encoding": "gzip"}
        failures: list[str] = []
        for number in self._order():
            try:
                return self._send(number, method, path, body, headers)
            except (HTTPError, OSError) as error:
                self._resting[number] = time.monotonic() + REST_SECONDS
                failures.append(f"{self._addresses[number]}: {_reason(error)}")
                _release(error)
        raise UnreachableError("; ".join(failures))

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            pool.close()

    def _send(self, number: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        target = self._prefixes[number] + path
        answer = self._pools[number].urlopen(
            method, target, body=body or None, headers=headers, retries=False, redirect=False, assert_same_host=False
        )
        self._resting[number] = 0.0
        kind, location = (answer.headers.get(name, "") for name in ("Content-Type", "Location"))
        return HttpAnswer(answer.status, answer.data, self._addresses[number], kind, location)

    def _order(self) -> list[int]:
        """Return the numbers of the addresses, in turn; those that failed a moment ago come last."""
        with self._lock:
            first = self._first
            self._first = (first + 1) % len(self._pools)
        turn = [(first + step) % len(self._pools) for step in range(len(self._pools))]
        now = time.monotonic()
        return sorted(turn, key=lambda number: self._resting[number] > now)


def without_credentials(address: str) -> str:
    """Return an address without the user and the password that it may name.

    >>> without_credentials("https://user:secret@es-1:9200/path"), without_credentials("user:s@cret@es-1:9200")
    ('https://es-1:9200/path', 'es-1:9200')
    """
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _pool(address: str, access: ElasticsearchAccess) -> tuple[urllib3.HTTPConnectionPool, str]:
    """Return the connections to an address, and the address's path, with which every request begins."""
    mistake = f"{without_credentials(address)!r} is no address of Elasticsearch"
    try:
        url = urllib3.util.parse_url(address if "://" in address else f"http://{address}")
    except HTTPError as error:
        raise SettingsError(mistake, "write http://host:9200") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(mistake, "write http://host:9200")
    common: dict[str, Any] = {
        "maxsize": access.connections,
        "timeout": urllib3.Timeout(connect=min(5.0, access.timeout_seconds), read=access.timeout_seconds),
    }
    prefix = (url.path or "").rstrip("/")
    if url.scheme == "http":
        return urllib3.HTTPConnectionPool(url.host, url.port or 9200, **common), prefix
    if not access.verify:
        urllib3.disable_warnings(InsecureRequestWarning)  # the user has chosen it; urllib3 would warn at every request
    secured = urllib3.HTTPSConnectionPool(
        url.host,
        url.port or 9200,
        ca_certs=access.ca_certs or None,
        cert_reqs="CERT_REQUIRED" if access.verify else "CERT_NONE",
        **common,
    )
    return secured, prefix


def _release(error: BaseException | None) -> None:
    """Clear the frames of a failure: they and the failure refer to each other, and to the body of the request.

    Python searches for such circles rarely in this process (see `runner`), so an outage would fill the memory with
    bodies.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    """Return the innermost reason of a failed request, without the objects that wrap it."""
    cause: BaseException = error
    while isinstance(inner := cause.__cause__ or cause.__context__, Exception):
        cause = inner
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
