"""Requests to Elasticsearch: addresses with fail-over, persistent connections, TLS, credentials, compression."""

from __future__ import annotations

import gzip
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import HttpAddress, parse_address
from monitor_agent.http_client.authorization import authorization_headers
from monitor_agent.http_client.failures import ELASTICSEARCH, failure_of
from monitor_agent.http_client.pools import connection_pool
from monitor_agent.http_client.trust import client_context

REST_SECONDS = 5.0
"""An address that failed is tried again after this time, or when no other address is left."""


class UnreachableError(Exception):
    """Raised if no address answered; Elasticsearch may have carried out the request nevertheless."""


@dataclass(frozen=True)
class ElasticsearchAccess:
    """The addresses of Elasticsearch and the options of the connections to them.

    Attributes
    ----------
    hosts : addresses such as `https://es-1:9200`; they may name a user, which all of them get.
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
    """Sends requests; may be used by several threads at once.

    Attributes
    ----------
    has_user : whether it names a user to Elasticsearch, which then has security.
    """

    def __init__(self, access: ElasticsearchAccess) -> None:
        self._access = access
        self._addresses = [parse_address(host, "hosts") for host in access.hosts]
        self._headers = _headers(access, self._addresses)
        self.has_user = any("Authorization" in headers for headers in self._headers)
        self._names = replace(ELASTICSEARCH, ca_file=access.ca_certs, seconds=access.timeout_seconds)
        self._pools = [_pool(address, access) for address in self._addresses]
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
        headers = {"Content-Type": content_type} if body else {"Content-Length": "0"}
        if body and self._access.compression:
            body = gzip.compress(body, self._access.compression)
            headers = {**headers, "Content-Encoding": "gzip"}
        failures: list[str] = []
        for number in self._order():
            try:
                return self._send(number, method, path, body, headers)
            except (HTTPError, OSError) as error:
                self._resting[number] = time.monotonic() + REST_SECONDS
                failure = failure_of(error, self._names)
                remedy = f": {failure.hint}" if failure.hint else ""
                failures.append(f"{self._addresses[number].url}: {failure.reason}{remedy}")
                _release(error)
        raise UnreachableError("; ".join(failures))

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            pool.close()

    def _send(self, number: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        target = self._addresses[number].path + path
        headers = {**self._headers, **headers}
        answer = self._pools[number].urlopen(
            method, target, body=body or None, headers=headers, retries=False, redirect=False, assert_same_host=False
        )
        self._resting[number] = 0.0
        kind, location = (answer.headers.get(name, "") for name in ("Content-Type", "Location"))
        return HttpAnswer(answer.status, answer.data, self._addresses[number].url, kind, location)

    def _order(self) -> list[int]:
        """Return the numbers of the addresses, in turn; those that failed a moment ago come last."""
        with self._lock:
            first = self._first
            self._first = (first + 1) % len(self._pools)
        turn = [(first + step) % len(self._pools) for step in range(len(self._pools))]
        now = time.monotonic()
        return sorted(turn, key=lambda number: self._resting[number] > now)


def _headers(access: ElasticsearchAccess, addresses: Sequence[HttpAddress]) -> dict[str, str]:
    """Return the headers of every request: the user that the addresses name, else the user of the options.

    Raises
    ------
    SettingsError
        If the addresses and the options name different users, or an API key: a real Logstash does not start either.
    """
    user, password = access.user, access.password
    users = {(address.username, address.password) for address in addresses if address.username}
    if users:
        if access.api_key or len({*users, (user, password)} if password else users) > 1:
            raise SettingsError(
                "the address of Elasticsearch names a user, and the options of the pipeline's output another one",
                "let PIPELINE_USERNAME and PIPELINE_PASSWORD be that user, or write the address without a user",
            )
        user, password = users.pop()
    return {"Accept": "application/json", **authorization_headers(user, password, access.api_key)}


def _pool(address: HttpAddress, access: ElasticsearchAccess) -> urllib3.HTTPConnectionPool:
    """Return the connections to an address."""
    timeout = urllib3.Timeout(connect=min(5.0, access.timeout_seconds), read=access.timeout_seconds)
    context = None
    if address.scheme == "https" and access.verify:
        context = client_context(access.ca_certs, ELASTICSEARCH.ca_certs)
    elif address.scheme == "https":
        urllib3.disable_warnings(InsecureRequestWarning)  # the user has chosen it; urllib3 would warn at every request
    return connection_pool(address, context, access.connections, timeout)


def _release(error: BaseException | None) -> None:
    """Clear the frames of a failure: they and the failure refer to each other, and to the body of the request.

    Python searches for such circles rarely in this process (see `runner`), so an outage would fill the memory with
    bodies.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
