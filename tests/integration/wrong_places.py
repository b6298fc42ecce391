"""The places of wrong set-ups: servers that are wrong in one way each, and files; made once for all rows."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from tests.cluster import Cluster
from tests.integration.unruly_proxy import UnrulyProxy
from tests.kibana_stand_in import kibana_stand_in

AHEAD_SECONDS = 600
LISTENER = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""
PAGES = {
    200: b"<html><title>Company login</title><h1>Log in</h1></html>",
    302: b"<html><h1>302 Found</h1></html>",
    403: b"<html><head><title>Access denied</title></head><body>policy 17</body></html>",
    404: b"<html><title>404 Not Found</title></html>",
    407: b"<html><title>Proxy Authentication Required</title></html>",
    503: b"<html><body><h1>503 Service Unavailable</h1>No server is available.</body></html>",
}
VERSIONS: dict[str, dict[str, Any]] = {
    "version_7": {"number": "7.17.0", "build_flavor": "default"},
    "version_8_10": {"number": "8.10.4", "build_flavor": "default"},
    "opensearch": {"number": "2.19.1", "distribution": "opensearch"},
}
TAGLINES = {"opensearch": "The OpenSearch Project: https://opensearch.org/"}


class LateProxy(UnrulyProxy):
    """A proxy that makes the clocks of the nodes ten minutes late."""

    def forward(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, str, bytes]:
        """Return status, content type and body of the real answer, with other times."""
        status, kind, answer = super().forward(method, path, body, headers)
        if path.startswith("/_nodes/stats"):
            document = json.loads(answer)
            for node in document["nodes"].values():
                node["timestamp"] -= AHEAD_SECONDS * 1000
            answer = json.dumps(document).encode()
        return status, kind, answer


class UnpreparedProxy(UnrulyProxy):
    """A proxy before a cluster that seems to lack the index templates."""

    def forward(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, str, bytes]:
        """Return status, content type and body of the real answer, without templates."""
        status, kind, answer = super().forward(method, path, body, headers)
        return (
            (status, kind, b'{"index_templates":[]}') if path.startswith("/_index_template") else (status, kind, answer)
        )


def _handler(status: int, kind: str, body: bytes, headers: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that closes the connection."""


@contextlib.contextmanager
def answering(
    status: int, kind: str, body: bytes, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Yield the port of a server that gives the same answer to every request."""
    server = _QuietServer(("127.0.0.1", 0), _handler(status, kind, body, headers or {}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def occupied_port() -> Iterator[int]:
    """Yield a port on which another process listens."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _context(folder: Path, name: str, certificate: trustme.LeafCert) -> ssl.SSLContext:
    (folder / f"{name}.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    (folder / f"{name}.key").write_bytes(certificate.private_key_pem.bytes())
    return _loaded(folder, name)


def _loaded(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


def _self_signed(folder: Path) -> ssl.SSLContext:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(folder / "self_signed.key"), "-out", str(folder / "self_signed.crt")]
    names = ["-subj", "/CN=elasticsearch", "-addext", "subjectAltName=DNS:localhost", "-days", "5"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True, timeout=60)
    return _loaded(folder, "self_signed")


def _files(folder: Path) -> dict[str, str]:
    (folder / "empty").touch()
    (folder / "text").write_text("no JSON, no PEM, no TOML\n", encoding="utf-8")
    (folder / "text").chmod(0o600)
    (folder / "empty_folder").mkdir()
    for name, card in {
        "model": '{"name": "click", "threshold": 0.5}',
        "wrong_model": '{"name": "click", "threshold": 2}',
    }.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        (version / "saved_model.pb").write_bytes(b"graph")
        (version / "model.json").write_text(card, encoding="utf-8")
    names = ("empty", "text", "empty_folder", "model", "wrong_model")
    return {"folder": str(folder), **{name: str(folder / name) for name in names}}


@contextlib.contextmanager
def wrong_places(folder: Path, cluster: Cluster) -> Iterator[dict[str, str]]:
    """Yield all places by name: ports, addresses and paths."""
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    other.cert_pem.write_to_path(str(folder / "other_authority.pem"))
    past = datetime(2025, 1, 1, tzinfo=timezone.utc)
    contexts = {
        "trusted": _context(folder, "trusted", authority.issue_cert("localhost")),
        "other_name": _context(folder, "other_name", authority.issue_cert("es-1.example.org")),
        "expired": _context(folder, "expired", authority.issue_cert("localhost", not_after=past)),
        "self_signed": _self_signed(folder),
    }
    places = _files(folder) | {
        "closed": str(closed_port()),
        "cluster": cluster.url,
        "authority": str(folder / "authority.pem"),
        "other_authority": str(folder / "other_authority.pem"),
        "certificate": str(folder / "trusted.crt"),
        "key": str(folder / "trusted.key"),
        "other_key": str(folder / "other_name.key"),
    }
    with contextlib.ExitStack() as stack:
        for name, context in contexts.items():
            places[name] = str(stack.enter_context(answering(404, "text/plain", b"", tls=context)))
        for status, body in PAGES.items():
            headers = {302: {"Location": "https://sso.example.org/login?token=planted"}}.get(status, {})
            port = stack.enter_context(answering(status, "text/html", body, headers))
            places[f"page_{status}"] = str(port)
        for name, version in VERSIONS.items():
            root = {"name": "node-1", "cluster_name": "es", "version": version}
            tagline = TAGLINES.get(name, "You Know, for Search")
            headers = {} if name in TAGLINES else {"X-Elastic-Product": "Elasticsearch"}
            body = json.dumps({**root, "tagline": tagline}).encode()
            places[name] = str(stack.enter_context(answering(200, "application/json", body, headers)))
        places["not_ready"] = str(stack.enter_context(answering(503, "text/plain", b"Kibana server is not ready yet")))
        places["kibana"] = stack.enter_context(kibana_stand_in("Basic none")).url
        places["occupied"] = str(stack.enter_context(occupied_port()))
        for name, proxy in {"late": LateProxy(cluster.url), "unprepared": UnpreparedProxy(cluster.url)}.items():
            places[name] = stack.enter_context(proxy.serving()).url
        yield places
