"""What lies between a client and its server in a company's network: proxies, and servers with certificates."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import trustme

from tests.scripted_node import ScriptedNode


def received_request(connection: socket.socket) -> bytes:
    """Return a request; what is not read would reset the connection at its end."""
    request = b""
    while b"\r\n\r\n" not in request and (data := connection.recv(65_536)):
        request += data
    length = re.search(rb"content-length: (\d+)", request, re.IGNORECASE)
    while length and len(request.partition(b"\r\n\r\n")[2]) < int(length[1]) and (data := connection.recv(65_536)):
        request += data
    return request


@contextlib.contextmanager
def proxy(reply: bytes, target: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield a proxy that answers as it is told, and the first line and the login of each of its requests.

    Parameters
    ----------
    target : where `CONNECT` leads to, whatever name was asked for; empty = `reply` is the answer to it.
    """
    requests: list[str] = []

    def script(connection: socket.socket) -> None:
        head = received_request(connection).decode()
        login = next((line for line in head.splitlines() if line.lower().startswith("proxy-auth")), "")
        requests.append(f"{head.splitlines()[0]} {login}".strip())
        if not (head.startswith("CONNECT") and target):
            connection.sendall(reply)
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(target.split(":"), 20) as server:  # type: ignore[arg-type]
            threading.Thread(target=_copy, args=(server, connection), daemon=True).start()
            _copy(connection, server)

    server = ScriptedNode(script)
    try:
        yield f"http://{server.address}", requests
    finally:
        server.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tls_node(certificate: Callable[[], trustme.LeafCert | None], reply: bytes) -> Iterator[str]:
    """Yield the address of a server that closes each connection without a certificate in the handshake."""

    def script(connection: socket.socket) -> None:
        current = certificate()
        if current is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        current.configure_cert(context)
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            received_request(secured)
            secured.sendall(reply)

    server = ScriptedNode(script)
    try:
        yield server.address
    finally:
        server.close()
