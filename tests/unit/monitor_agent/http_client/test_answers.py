"""Hostile and failing servers: answers without an end, proxies, certificates that are renewed."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest
import trustme

from monitor_agent.errors import ElasticsearchError, KibanaError, SettingsError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.http_client import connections
from monitor_agent.http_client.address import parse_address
from monitor_agent.http_client.connections import alternative_names
from monitor_agent.http_client.proxies import proxy_of
from monitor_agent.kibana.api import Kibana
from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport, UnreachableError
from monitor_agent.settings import ElasticsearchSettings, KibanaSettings
from monitor_agent.stack import rest_call
from tests.byte_server import http_reply
from tests.network import proxy, received_request, tls_node
from tests.scripted_node import ScriptedNode

SECONDS = 1.0
PATIENCE = timedelta(seconds=SECONDS)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
ANSWER = http_reply({"version": {"number": "9.5.0"}, "status": {}, "indices": []}, "X-Elastic-Product: Elasticsearch")
DAY = timedelta(days=1)


def by_agent(url: str, ca_certs: str = "") -> None:
    """Send a request as the agent and all commands do."""
    settings = ElasticsearchSettings(url=(url,), ca_certs=ca_certs, request_timeout=PATIENCE)
    with contextlib.closing(open_gateway(settings, Backoff(tries=1))) as gateway:
        gateway.existing("model-*")


def by_stack(url: str, ca_certs: str = "") -> None:
    """Send a request as `stack` does."""
    (login,) = rest_call.logins(ElasticsearchSettings(url=(url,), ca_certs=ca_certs))
    rest_call.cluster_health(login)


def by_kibana(url: str, ca_certs: str = "") -> None:
    """Send a request as `kibana export` does."""
    Kibana(KibanaSettings(url=url, ca_certs=ca_certs, request_timeout=PATIENCE)).export(["lens"])


def by_pipeline(url: str, ca_certs: str = "") -> None:
    """Send a request as the pipeline does."""
    with contextlib.closing(
        Transport(ElasticsearchAccess([url], ca_certs=ca_certs, timeout_seconds=SECONDS))
    ) as transport:
        transport.request("POST", "/_bulk", b"{}")


CLIENTS = {"agent": by_agent, "stack": by_stack, "kibana": by_kibana, "pipeline": by_pipeline}
each_client = pytest.mark.parametrize("client", CLIENTS)


def line_of(client: str, *arguments: str) -> str:
    """Return what a user reads if a request of a client fails."""
    with pytest.raises((ElasticsearchError, KibanaError, UnreachableError)) as caught:
        CLIENTS[client](*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients wait for a second, and use no proxy of this machine."""
    monkeypatch.setattr(rest_call, "PROBE_SECONDS", SECONDS)
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextlib.contextmanager
def node(script: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a server that follows a script after each request."""

    def handle(connection: socket.socket) -> None:
        received_request(connection)
        script(connection)

    server = ScriptedNode(handle)
    try:
        yield server.address
    finally:
        server.close()


def without_an_end(begin: bytes, piece: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    """Return a script that sends a piece again and again, until the client closes the connection."""

    def script(connection: socket.socket) -> None:
        connection.sendall(begin)
        for _ in itertools.count():
            connection.sendall(piece)
            time.sleep(pause)

    return script


@each_client
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: 10000000000\r\n\r\n", b"x" * 65_536),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"x" * 32_768 + b"\r\n"),
        (b"Connection: close\r\n\r\n", b'{"a":1}' * 9_000),
    ],
    ids=["10 GB", "chunks", "until the end of the connection"],
)
def test_an_answer_without_an_end_is_one_line(
    client: str, head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read into the memory."""
    monkeypatch.setattr(connections, "LONGEST_ANSWER", 3_000_000)
    with node(without_an_end(HEAD + head, piece)) as address:
        line = line_of(client, f"http://{address}")

    assert "the answer has more than 3 MB" in line


@each_client
@pytest.mark.parametrize("head", [HEAD + b"Content-Length: 1000000\r\n\r\n", b"", HEAD], ids=["body", "status", "head"])
def test_an_answer_that_drips_is_one_line(client: str, head: bytes) -> None:
    """Each byte comes in time, but the answer does not."""
    began = time.monotonic()
    with node(without_an_end(head, b"H", pause=0.1)) as address:
        line = line_of(client, f"http://{address}")

    assert "the answer did not end within 1 s" in line
    assert time.monotonic() - began < 30


@each_client
def test_a_server_that_says_nothing_is_one_line(client: str) -> None:
    """The line says how long the client has waited."""
    with node(lambda connection: connection.recv(1) and None) as address:
        assert "no answer within 1 s" in line_of(client, f"http://{address}")


@each_client
def test_the_proxy_of_the_environment_is_used(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host exists for the proxy only; a login is sent to the proxy."""
    with proxy(ANSWER) as (url, requests):
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", "//me:S3cret@"))
        CLIENTS[client]("http://es.invalid:9200/base")

    assert requests[0].split()[1].startswith("http://es.invalid:9200/base/")
    assert "Basic bWU6UzNjcmV0" in requests[0]


@each_client
def test_a_tunnel_leads_to_a_server_with_tls(
    client: str, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, authority_file: str
) -> None:
    """The certificate of the server is verified by the name that the proxy was asked for."""
    with (
        tls_node(lambda: authority.issue_cert("es.invalid"), ANSWER) as address,
        proxy(b"", address) as (url, requests),
    ):
        monkeypatch.setenv("HTTPS_PROXY", url)
        CLIENTS[client]("https://es.invalid:9200", authority_file)
        wrong = line_of(client, "https://other.invalid:9200", authority_file)

    assert requests[0].startswith("CONNECT es.invalid:9200 ")
    assert "the certificate of the server is for another name" in wrong


@each_client
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("403 Forbidden", "does not connect to the server (403 Forbidden): check HTTP_PROXY, HTTPS_PROXY"),
        ("407 Proxy Authentication Required", "the proxy wants a login (407): write http://user:password@host"),
    ],
)
def test_a_proxy_that_refuses_is_one_line(
    client: str, status: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the variables."""
    with proxy(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        assert expected in line_of(client, "https://es.invalid:9200")


@each_client
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_run_is_one_line(client: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the server that does not answer."""
    monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:1")

    line = line_of(client, f"{scheme}://es.invalid:9200")

    variable = f"{scheme.upper()}_PROXY=http://127.0.0.1:1"
    assert f"the proxy {variable} does not answer (Connection refused): check HTTP_PROXY" in line


@pytest.mark.parametrize(
    ("no_proxy", "host", "proxied"),
    [
        ("", "es.example", True),
        ("es.example", "es.example", False),
        (".example", "es.example", False),
        ("example", "es.example", False),
        ("other, es.example:9200", "es.example", False),
        ("es.example:443", "es.example", True),
        ("*", "es.example", False),
        ("10.0.0.0/8", "10.1.2.3", False),
        ("10.0.0.0/8", "11.1.2.3", True),
        ("fd00::/8", "[fd00::1]", False),
        ("", "localhost", False),
        ("", "127.0.0.1", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(
    no_proxy: str, host: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine never has a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    proxy_address = proxy_of(parse_address(f"http://{host}:9200", "ELASTICSEARCH_URL"))

    assert (proxy_address.url if proxy_address else "") == ("http://proxy.example:3128" if proxied else "")


@each_client
@pytest.mark.parametrize("value", ["socks5://proxy:1080", "https://proxy:3128", "http://me:S3cret@pro_xy:port"])
def test_a_proxy_of_another_kind_is_refused(client: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the variable, and shows no password."""
    monkeypatch.setenv("HTTPS_PROXY", value)

    with pytest.raises(SettingsError, match="HTTPS_PROXY=") as caught:
        CLIENTS[client]("https://es.invalid:9200")
    assert "S3cret" not in str(caught.value)


@each_client
def test_the_names_of_the_certificate_are_told(client: str, authority: trustme.CA, authority_file: str) -> None:
    """So that the right one can be written into the address."""
    names = ["es-1.example", "*.search.example", "10.1.2.3", "fd00::1"]
    with tls_node(lambda: authority.issue_cert(*names), ANSWER) as address:
        line = line_of(client, f"https://{address}", authority_file)

    assert f"is for another name: it is for {', '.join(names)} (" in line


def test_a_certificate_that_is_no_certificate_has_no_names() -> None:
    """Bytes of a stranger end in an error at worst, which nobody sees."""
    assert alternative_names(b"\x30\x03\x06\x03\x55") == []
    with contextlib.suppress(IndexError):
        assert alternative_names(bytes.fromhex("0603551d11048180")) == []


def test_a_handshake_that_is_cut_off_is_repeated(authority: trustme.CA, authority_file: str) -> None:
    """Such as by a node that starts, or a proxy that reloads: the request gets its answer."""
    certificates = iter([None, None])
    with tls_node(lambda: next(certificates, authority.issue_cert("127.0.0.1")), ANSWER) as address:
        settings = ElasticsearchSettings(url=(f"https://{address}",), ca_certs=authority_file)
        waits: list[float] = []
        with contextlib.closing(open_gateway(settings, Backoff(), waits.append)) as gateway:
            assert gateway.existing("model-*") == set()

    assert len(waits) == 2


def test_a_renewed_certificate_heals_without_a_restart(authority: trustme.CA, authority_file: str) -> None:
    """An expired one is reported at once; the same clients go on when it is renewed."""
    now = datetime.now(timezone.utc)
    expired = authority.issue_cert("127.0.0.1", not_before=now - 9 * DAY, not_after=now - DAY)
    certificate = [expired]
    waits: list[float] = []
    with tls_node(lambda: certificate[0], ANSWER) as address:
        settings = ElasticsearchSettings(url=(f"https://{address}",), ca_certs=authority_file)
        access = ElasticsearchAccess([f"https://{address}"], ca_certs=authority_file, timeout_seconds=20)
        with (
            contextlib.closing(open_gateway(settings, Backoff(), waits.append)) as gateway,
            contextlib.closing(Transport(access)) as transport,
        ):
            with pytest.raises(ElasticsearchError, match="the certificate of the server has expired"):
                gateway.existing("model-*")
            with pytest.raises(UnreachableError, match="the certificate of the server has expired"):
                transport.request("POST", "/_bulk", b"{}")
            certificate[0] = authority.issue_cert("127.0.0.1")
            assert gateway.existing("model-*") == set()
            assert transport.request("POST", "/_bulk", b"{}").status == 200

    assert waits == []


def test_an_answer_that_is_compressed_though_nobody_asked_for_it_is_not_unpacked() -> None:
    """A small answer could fill the memory."""
    body = gzip.compress(b"x" * 50_000_000)
    reply = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with node(lambda connection: connection.sendall(reply)) as address:
        access = ElasticsearchAccess([f"http://{address}"])
        with contextlib.closing(Transport(access)) as transport:
            assert len(transport.request("POST", "/_bulk", b"{}").body) == len(body)
