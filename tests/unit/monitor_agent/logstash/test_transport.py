"""Requests reach Elasticsearch with the credentials, the compression and the trust that are asked for."""

from __future__ import annotations

import gc
import gzip
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.logstash.transport import ElasticsearchAccess, Transport, UnreachableError


class Echo(BaseHTTPRequestHandler):
    """Answers with what came: the path, a header and the body."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = f"{self.path} {self.headers.get('Authorization')} ".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    """Yield the port of an echo."""
    yield from serve(ThreadingHTTPServer(("127.0.0.1", 0), Echo))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a certificate for 127.0.0.1 that signs itself, its key beside it."""
    path = tmp_path / "ca.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(
        [*command, *names, "-keyout", str(path.with_suffix(".key")), "-out", str(path)],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def secure_port(certificate: Path) -> Iterator[int]:
    """Yield the port of an echo that speaks TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    yield from serve(server)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, "None"),
        ({"user": "writer", "password": "secret"}, "Basic d3JpdGVyOnNlY3JldA=="),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
    ],
)
def test_credentials_are_sent(port: int, options: dict[str, str], sent: str) -> None:
    """A user with a password, or an API key in either of its forms."""
    answer = Transport(ElasticsearchAccess([f"http://127.0.0.1:{port}"], **options)).request("POST", "/_bulk", b"{}")  # type: ignore[arg-type]

    assert answer.body.decode() == f"/_bulk {sent} {{}}"


def test_a_body_may_be_compressed_and_an_address_may_have_a_path(port: int) -> None:
    """`compression_level`, and a proxy that serves Elasticsearch below a path."""
    access = ElasticsearchAccess([f"http://127.0.0.1:{port}/search/"], compression=1)

    assert Transport(access).request("POST", "/_bulk", b"{}" * 1000).body == b"/search/_bulk None " + b"{}" * 1000


def test_only_a_trusted_certificate_is_accepted(secure_port: int, certificate: Path) -> None:
    """With its authority the request arrives; without, nothing is sent, and the reason is told."""
    hosts = [f"https://127.0.0.1:{secure_port}"]

    assert Transport(ElasticsearchAccess(hosts, ca_certs=str(certificate))).request("POST", "/", b"{}").status == 200
    assert Transport(ElasticsearchAccess(hosts, verify=False)).request("POST", "/", b"{}").status == 200
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        Transport(ElasticsearchAccess(hosts)).request("POST", "/", b"{}")


@pytest.mark.parametrize("address", ["ftp://host:9200", "http://", "http://[:9200"])
def test_what_is_no_address_is_told(address: str) -> None:
    """A mistake in ELASTICSEARCH_URL is found at the start."""
    with pytest.raises(SettingsError, match="no address of Elasticsearch"):
        Transport(ElasticsearchAccess([address]))


def test_a_failure_holds_no_body() -> None:
    """Bodies of requests that failed are let go at once: garbage is collected too rarely to wait for that."""
    body = b"x" * 1000
    transport = Transport(ElasticsearchAccess(["http://127.0.0.1:9", "http://127.0.0.1:10"]))
    before = sys.getrefcount(body)
    gc.disable()
    try:
        for _ in range(5):
            with pytest.raises(UnreachableError):
                transport.request("POST", "/", body)
        after = sys.getrefcount(body)
    finally:
        gc.enable()

    assert after <= before + 1  # the last failure is still known to this test
