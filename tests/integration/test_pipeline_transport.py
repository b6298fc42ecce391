"""Requests of the pipeline over TLS, with a certificate that the program `openssl` makes."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport, UnreachableError
from tests.echo_server import Echo, serve


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a self-signed certificate for 127.0.0.1; its key is in the same folder."""
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


def test_only_a_trusted_certificate_is_accepted(secure_port: int, certificate: Path) -> None:
    """With the certificate as authority the request arrives; without it the error has the reason."""
    hosts = [f"https://127.0.0.1:{secure_port}"]

    assert Transport(ElasticsearchAccess(hosts, ca_certs=str(certificate))).request("POST", "/", b"{}").status == 200
    assert Transport(ElasticsearchAccess(hosts, verify=False)).request("POST", "/", b"{}").status == 200
    with pytest.raises(UnreachableError, match=r"signed by itself .* set ELASTICSEARCH_CA_CERTS"):
        Transport(ElasticsearchAccess(hosts)).request("POST", "/", b"{}")
