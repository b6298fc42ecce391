"""The connection of a client: what it sends goes to the node and back as it is, but for `GET /` and `HEAD /`.

A client's connection has a connection of its own to the node, so answers keep their order and a slow side slows the
other. An answer for the root waits until the answers to the requests before it have come.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, cast

from monitor_agent.stack.embedded.proxy.framing import (
    HEAD_END,
    MOST_HEAD_BYTES,
    AnswerTracker,
    Body,
    RequestHead,
    parse_request,
)
from monitor_agent.stack.embedded.proxy.root_request import Locate, answer_root, closes_connection

LINGER_SECONDS = 5.0
"""How long a client may go on sending after the last answer of its connection."""

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
UNREACHABLE = "the Elasticsearch behind this port is not up: it is starting or it has ended"


class ClientConnection(asyncio.Protocol):
    """The client's side."""

    def __init__(self, locate: Locate, document: dict[str, Any]) -> None:
        self._locate = locate
        self._document = document
        self._tracker: AnswerTracker | None = AnswerTracker()
        self._node: NodeConnection | None = None
        self._body: Body | None = None
        self._root_request: RequestHead | None = None
        self._task: asyncio.Task[None] | None = None
        self._pending = b""
        self._holds: set[str] = set()
        self._sent_all = False
        self._finished = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the client's transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the client has sent."""
        if not self._finished:
            self._advance(self._pending + data if self._pending else data)

    def eof_received(self) -> bool:
        """Note that the client sends no more; it may still wait for answers. What it waits for keeps this back."""
        self._sent_all = True
        if self._finished or self._node is None:
            return False
        if self._pending:
            self._node.transport.write(self._pending)
            self._pending = b""
        if self._node.transport.can_write_eof():
            self._node.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Read no answers while the client does not read them."""
        if self._node is not None:
            self._node.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read answers again."""
        if self._node is not None:
            self._node.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio has it
        """End the node's side too."""
        self._finished = True
        if self._task is not None:
            self._task.cancel()
        if self._node is not None:
            self._node.transport.abort()

    # What the node's side calls.

    def hold(self, reason: str) -> None:
        """Read nothing from the client for a reason."""
        self._holds.add(reason)
        self.transport.pause_reading()

    def release(self, reason: str) -> None:
        """Read again if no other reason is left."""
        self._holds.discard(reason)
        if not self._holds and not self._finished:
            self.transport.resume_reading()

    def pass_answer(self, data: bytes) -> None:
        """Pass on what the node has sent."""
        if self._finished:
            return
        self.transport.write(data)
        if self._tracker is None:
            return
        try:
            self._tracker.feed(data)
        except ValueError:  # nobody can say where its answers end: the node answers for the root, too
            self._tracker = None
        self._begin_root_request()

    def node_lost(self, error: Exception | None) -> None:
        """End the connection as the node has ended its side: a cut answer must not look complete."""
        if self._finished:
            return
        if error is not None and (self._tracker is None or self._tracker.begun):
            client_socket = self.transport.get_extra_info("socket")
            client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            self.transport.abort()
        else:
            self._finish()

    # Requests.

    def _advance(self, data: bytes) -> None:
        """Pass on the requests in `data` up to one for the root; keep a head that is not complete."""
        start = position = 0
        try:
            while position < len(data) and self._tracker is not None:
                if self._body is not None:
                    position = self._body.skip(data, position)
                    self._body = None if self._body.complete else self._body
                elif data[position] in b"\r\n":  # empty lines before a request
                    position += 1
                else:
                    end = HEAD_END.search(data, position)
                    if end is None:
                        break
                    request = parse_request(data[position : end.end()])
                    if request.asks_for_root:
                        self._root_request = request
                        self._forward(data[start:position])
                        self._pending = data[end.end() :]
                        self.hold("root")
                        self._begin_root_request()
                        return
                    self._tracker.expect(request.method)
                    self._body = request.body
                    position = end.end()
        except ValueError:
            self._tracker = None
        if self._tracker is None or len(data) - position > MOST_HEAD_BYTES:
            self._tracker = None
            position = len(data)
        self._forward(data[start:position])
        self._pending = data[position:]

    def _forward(self, data: bytes) -> None:
        if not data:
            return
        if self._node is not None:
            self._node.transport.write(data)
        else:
            self.hold("connecting")
            self._task = asyncio.ensure_future(self._connect(data))

    async def _connect(self, data: bytes) -> None:
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                lambda: NodeConnection(self), *self._locate()
            )
        except OSError:
            self._refuse(self._tracker.next_method if self._tracker else b"")
            return
        self._node = protocol
        protocol.transport.write(data)
        self.release("connecting")

    def _begin_root_request(self) -> None:
        if self._root_request is None:
            return
        if self._tracker is None:
            request, self._root_request = self._root_request, None
            self._go_on(request.content)
        elif self._tracker.idle:
            request, self._root_request = self._root_request, None
            self._task = asyncio.ensure_future(self._answer_root(request))

    async def _answer_root(self, request: RequestHead) -> None:
        try:
            self.transport.write(await answer_root(request, self._locate, self._document))
        except OSError:
            self._refuse(request.method)
            return
        if closes_connection(request.content):
            self._finish()
        else:
            self._go_on(b"")

    def _go_on(self, data: bytes) -> None:
        """Pass on `data` and what was kept back after it."""
        data, self._pending = data + self._pending, b""
        self.release("root")
        self._advance(data)

    # The end.

    def _refuse(self, method: bytes) -> None:
        """Answer that there is no node."""
        error = {"type": "node_not_connected_exception", "reason": UNREACHABLE}
        body = json.dumps({"error": {"root_cause": [error], **error}, "status": 503}).encode()
        head = (
            b"HTTP/1.1 503 Service Unavailable\r\nX-elastic-product: Elasticsearch\r\n"
            b"content-type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(head if method == b"HEAD" else head + body)
        self._finish()

    def _finish(self) -> None:
        """End the connection after what was written; a client that still sends must be able to read that."""
        if self._finished:
            return
        self._finished = True
        if self._node is not None:
            self._node.transport.close()
        if self._sent_all or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)


class NodeConnection(asyncio.Protocol):
    """The node's side."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the node's transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the node has sent."""
        self._client.pass_answer(data)

    def pause_writing(self) -> None:
        """Read no requests while the node does not read them."""
        self._client.hold("node")

    def resume_writing(self) -> None:
        """Read requests again."""
        self._client.release("node")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the client's side too."""
        self._client.node_lost(exc)
