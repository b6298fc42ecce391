"""A server whose bytes a test decides, behind the proxy of the embedded Elasticsearch as a process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from monitor_agent.stack.embedded.proxy.process import ProxyProcess

Script = Callable[[socket.socket], None]
"""Handles one connection, which is closed when it returns."""

TIMEOUT_SECONDS = 30.0


class ScriptedNode:
    """The server; each connection is handled in a thread."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Refuse further connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(TIMEOUT_SECONDS)
            self._script(connection)


@contextlib.contextmanager
def proxy_before(folder: Path, script: Script) -> Iterator[ProxyProcess]:
    """Yield a proxy before a node that follows the script."""
    node = ScriptedNode(script)
    ports_file = folder / "http.ports"
    ports_file.write_text(f"[::1]:1\n{node.address}\n")
    with running_proxy(folder, ports_file) as proxy:
        yield proxy
    node.close()


@contextlib.contextmanager
def running_proxy(folder: Path, ports_file: Path) -> Iterator[ProxyProcess]:
    """Yield a proxy that finds its node's address in the file."""
    proxy = ProxyProcess("127.0.0.1", 0)
    try:
        proxy.start(ports_file, {"name": "node-1", "version": {"number": "9.5.0"}}, folder)
        yield proxy
    finally:
        proxy.stop()


def connect(port: int) -> socket.socket:
    """Return a connection to a port of this machine."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def received(connection: socket.socket, size: int = 0) -> bytes:
    """Return so many bytes; 0 = everything up to the end of the connection."""
    content = bytearray()
    while not size or len(content) < size:
        data = connection.recv(min(1 << 16, size - len(content)) if size else 1 << 16)
        if not data:
            break
        content += data
    return bytes(content)


def received_until(connection: socket.socket, end: bytes) -> bytes:
    """Return everything up to these bytes."""
    content = b""
    while not content.endswith(end):
        data = connection.recv(1)
        if not data:
            break
        content += data
    return content
