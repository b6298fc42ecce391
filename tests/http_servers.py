"""The product's HTTP servers as processes, with short time limits, and clients that send raw bytes."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme

PATIENCE = 60.0
TRUSTED_PROXY = "127.0.0.2"
TOKEN = "a token of the health page"
HTTP_SETTINGS = {
    "HEADER_TIMEOUT": "1s",
    "BODY_TIMEOUT": "1s",
    "ANSWER_TIMEOUT": "1s",
    "MAX_CONNECTIONS": "100",
    "ALLOWED_HOSTS": "*.example.org",
    "TRUSTED_PROXIES": TRUSTED_PROXY,
}
PREFIXES = {"model server": "MODEL_SERVER", "viewer": "DASHBOARDS", "health page": "MONITOR_HEALTH"}
PAGES = {"model server": "/readyz", "viewer": "/", "health page": "/livez"}
ROOT = Path(__file__).parents[1]


class Authority:
    """A certificate authority, and a certificate for `localhost` behind links as Kubernetes makes them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._authority = trustme.CA()
        self._count = 0
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)
        self.renew()
        self.cert, self.key = folder / "tls.crt", folder / "tls.key"
        for link in (self.cert, self.key):
            link.symlink_to(Path("..data") / link.name)

    def renew(self, key: bytes | None = None) -> None:
        """Replace certificate and key in one step; `key` is what the key's file holds, instead of the key."""
        self._count += 1
        version = self._folder / f"..version-{self._count}"
        version.mkdir()
        issued = self._authority.issue_cert("localhost", "127.0.0.1")
        (version / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        (version / "tls.key").write_bytes(issued.private_key_pem.bytes() if key is None else key)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")


@dataclass
class HttpProcess:
    """A server in a process of its own.

    Attributes
    ----------
    kind : `model server`, `viewer` or `health page`.
    authority : who signed its certificate; None = it speaks plain HTTP.
    open_page : a page that everybody may read, if that is not the usual one.
    """

    kind: str
    authority: Authority | None
    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""
    open_page: str = ""

    @property
    def page(self) -> str:
        """Return a page that is answered with 200."""
        return self.open_page or PAGES[self.kind]

    @property
    def port(self) -> int:
        """Return its port."""
        return int(self.address.rpartition(":")[2])

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection from one of this machine's addresses, after the TLS handshake."""
        connection = self.connect_plain(source)
        if self.authority is None:
            return connection
        return self.authority.context.wrap_socket(connection, server_hostname="localhost")

    def connect_plain(self, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection on which nothing was sent."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=(source, 0))

    def exchange(self, sent: bytes, source: str = "127.0.0.1") -> bytes:
        """Send bytes on a new connection; return all that comes until the server closes it."""
        with self.connect(source) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            return read_all(connection)

    def get(self, path: str = "", headers: Mapping[str, str] | None = None, source: str = "127.0.0.1") -> Answer:
        """Return the answer to a request."""
        lines = {"Host": f"localhost:{self.port}", "Connection": "close", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return Answer.of(self.exchange(f"GET {path or self.page} HTTP/1.1\r\n{head}\r\n".encode(), source))


@dataclass(frozen=True)
class Answer:
    """An answer of a server; `status` is 0 if there is none."""

    status: int
    head: str
    body: str

    @classmethod
    def of(cls, received: bytes) -> Answer:
        """Return the answer that some bytes are."""
        head, _, body = received.decode(errors="replace").partition("\r\n\r\n")
        found_status = re.match(r"HTTP/1\.[01] (\d{3}) ", head)
        return cls(int(found_status[1]) if found_status else 0, head, body)


def read_all(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes the connection, in whatever way."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            received += piece
    return received


def command_of(kind: str) -> list[str]:
    """Return the command that starts a server."""
    commands = {
        "model server": ["model_server", "serve"],
        "viewer": ["monitor_agent", "dashboards"],
        "health page": ["monitor_agent", "run"],
    }
    return [sys.executable, "-m", *commands[kind]]


@contextlib.contextmanager
def http_process(kind: str, folder: Path, authority: Authority | None, **environ: str) -> Iterator[HttpProcess]:
    """Yield a server that is starting; it must still run at the end, and have written no traceback.

    Parameters
    ----------
    folder : for its log and its address.
    environ : further settings.
    """
    folder.mkdir()
    prefix = PREFIXES[kind]
    settings = {f"{prefix}_{name}": value for name, value in HTTP_SETTINGS.items()}
    if authority is not None:
        settings |= {f"{prefix}_TLS_CERT": str(authority.cert), f"{prefix}_TLS_KEY": str(authority.key)}
    settings |= {f"{prefix}_PORT": "0", "ELASTICSEARCH_URL": "http://127.0.0.1:1", "MODEL_LOG_DIR": str(folder / "log")}
    log, command = folder / "service.log", command_of(kind)
    if kind != "health page":
        command += ["--address-file", str(folder / "address")]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env={**os.environ, **settings, **environ},
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield HttpProcess(kind, authority, process, log)
        assert process.poll() is None, log.read_text()
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_ready(server: HttpProcess) -> None:
    """Return when the server has published its address."""
    until, file = time.monotonic() + 2 * PATIENCE, server.log.parent / "address"
    while not server.address:
        log = server.log.read_text()
        assert server.process.poll() is None, log
        assert time.monotonic() < until, f"the {server.kind} did not get ready"
        if server.kind == "health page":
            published = re.search(r'"the health page is served".*?"address":"([^"]+)"', log)
            server.address = published[1] if published else ""
        elif file.exists():
            server.address = file.read_text().strip()
        time.sleep(0.02)
