"""A server that sends the same bytes to every connection, with TLS or without."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def listening(reply: bytes = b"", context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that sends the same bytes to every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=_reply, args=(connection, reply, context), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _reply(connection: socket.socket, reply: bytes, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError), connection:
        connection.settimeout(20)
        with context.wrap_socket(connection, server_side=True) if context else connection as stream:
            stream.recv(65_536)
            stream.sendall(reply)


def http_reply(document: Any, *headers: str) -> bytes:
    """Return the bytes of an answer with a JSON document."""
    text = json.dumps(document)
    head = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Connection: close", f"Content-Length: {len(text)}"]
    return "\r\n".join([*head, *headers, "", text]).encode()
