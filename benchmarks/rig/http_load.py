"""Clients that send one request after the other over kept connections, all in one thread."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

READ_BYTES = 65536
PATIENCE = 60.0
SUCCESS = b" 200 "


@dataclass
class Load:
    """What the clients have seen.

    Attributes
    ----------
    seconds : from the first request to the last answer.
    waits : time of each request, seconds, sorted.
    """

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return a percentile of the times, seconds."""
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]


class _Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self.answer = b""

    def send(self, request: bytes) -> None:
        self.answer = b""
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has come; return whether the answer is whole."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError("the server has closed a connection")
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return False
        if SUCCESS not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"the server answered {self.answer[:300]!r}")
        length = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        return len(body) >= length


def post(port: int, path: str, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Send requests from several clients for some time, each with the next body; return what they have seen.

    Raises
    ------
    RuntimeError
        If an answer is no success, or does not come.
    """
    requests = [_request(path, body) for body in bodies]
    load, sent = Load(), 0
    connections = [_Client(port) for _ in range(clients)]
    try:
        with selectors.DefaultSelector() as selector:
            began = time.perf_counter()
            for client in connections:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.send(requests[sent % len(requests)])
                sent += 1
            while len(load.waits) < sent:
                ready = selector.select(PATIENCE)
                if not ready:
                    raise RuntimeError("the server does not answer")
                for key, _ in ready:
                    client = key.data
                    if client.receive():
                        now = time.perf_counter()
                        load.waits.append(now - client.began)
                        if now - began < seconds:
                            client.send(requests[sent % len(requests)])
                            sent += 1
            load.seconds = time.perf_counter() - began
    finally:
        for client in connections:
            client.socket.close()
    load.waits.sort()
    return load


def answer_of(port: int, path: str, body: bytes) -> Any:
    """Return the decoded answer to one request.

    Raises
    ------
    RuntimeError
        If it is no success, or does not come.
    """
    client = _Client(port)
    try:
        client.send(_request(path, body))
        while not client.receive():
            pass
    finally:
        client.socket.close()
    return orjson.loads(client.answer.partition(b"\r\n\r\n")[2])


def _request(path: str, body: bytes) -> bytes:
    headers = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body
