"""`GET /` and `HEAD /`: the node checks the request, and this module puts the missing answer in the place of its 405.

The request itself goes to the node, which refuses wrong credentials, parameters and media types as always. Only if
the node says that it has no handler, a second request with the same credentials reads the cluster's id.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from monitor_agent.stack.embedded.proxy.framing import HEAD_END, STATUS_LINE, AnswerTracker, RequestHead
from monitor_agent.stack.embedded.proxy.root_document import UNSET_UUID, rendered

Address = tuple[str, int]
Locate = Callable[[], Address]
"""Returns the node's address; raises OSError if the node has none yet."""

READ_BYTES = 64 * 1024
OK, NOT_ALLOWED = 200, 405
STATE_PATH = b"/_cluster/state/version"
STATE_ACTION, ROOT_ACTION = b"cluster:monitor/state", b"cluster:monitor/main"
RENDERING = {"pretty", "human", "filter_path", "format"}
"""Parameters that say how an answer looks."""

NEGOTIATION = ("accept", "accept-encoding", "content-type")


@dataclass(frozen=True)
class Answer:
    """An answer of the node.

    Attributes
    ----------
    content : the whole answer, as it came.
    status : its status.
    head, body : its parts; `head` without the empty line, `body` without the marks of chunks.
    """

    content: bytes
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of a header in lower case; empty if it is not there."""
        lines = [line for line in _lines(self.head) if _name(line) == name]
        return lines[0].partition(b":")[2].strip().decode("latin-1").lower() if lines else ""


async def answer_root(request: RequestHead, locate: Locate, document: dict[str, Any]) -> bytes:
    """Return the answer to `GET /` or `HEAD /`.

    Raises
    ------
    OSError
        If the node cannot be reached.
    """
    checked = await _exchange(locate(), request.content, request.method)
    if checked.status != NOT_ALLOWED:
        return checked.content
    query = request.target.partition(b"?")[2].decode("latin-1")
    state = await _exchange(locate(), _state_request(request.content, query), b"GET")
    if state.status != OK:
        body = state.body.replace(STATE_ACTION, ROOT_ACTION).replace(STATE_PATH, b"/")
        return _answer(state, _lines(state.head)[0], body, request.method)
    uuid = re.search(rb'"cluster_uuid"\s*:\s*"([^"]+)"', state.body)
    whole = {**document, "cluster_uuid": uuid[1].decode() if uuid else UNSET_UUID}
    version = checked.head.split(b" ")[0]
    return _answer(checked, version + b" 200 OK", rendered(whole, query), request.method)


def closes_connection(head: bytes) -> bool:
    """Return whether the connection ends after the answer to this request."""
    stated = re.search(rb"\nconnection[ \t]*:[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    options = stated[1].lower() if stated else b""
    if b"HTTP/1.0" in head.partition(b"\n")[0]:
        return b"keep-alive" not in options
    return b"close" in options


async def _exchange(address: Address, request: bytes, method: bytes) -> Answer:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        tracker = AnswerTracker()
        tracker.expect(method)
        content = b""
        while not tracker.idle:
            data = await reader.read(READ_BYTES)
            if not data:
                break
            try:
                tracker.feed(data)
            except ValueError as error:
                raise ConnectionError(str(error)) from error
            content += data
    finally:
        writer.close()
    end, line = HEAD_END.search(content), STATUS_LINE.match(content)
    if end is None or line is None:
        raise ConnectionError("the node closed the connection")
    answer = Answer(content, int(line[1]), content[: end.start()].rstrip(b"\r"), content[end.end() :])
    if answer.header("transfer-encoding") != "chunked":
        return answer
    return Answer(content, answer.status, answer.head, _joined(answer.body))


def _joined(body: bytes) -> bytes:
    """Return the content of a complete chunked body."""
    joined, position = b"", 0
    while size := int(body[position:].split(b"\r\n")[0].split(b";")[0], 16):
        start = body.index(b"\r\n", position) + 2
        joined += body[start : start + size]
        position = start + size + 2
    return joined


def _state_request(head: bytes, query: str) -> bytes:
    parameters = [(name, value) for name, value in parse_qsl(query, True) if name not in RENDERING]
    parameters += [("local", "true"), ("filter_path", "cluster_uuid")]
    headers = [line for line in _lines(head)[1:] if _name(line) not in NEGOTIATION]
    first = b"GET " + STATE_PATH + b"?" + urlencode(parameters).encode() + b" HTTP/1.1"
    return b"\r\n".join((first, *headers, b"", b""))


def _answer(model: Answer, first: bytes, body: bytes, method: bytes) -> bytes:
    """Return an answer with the headers of `model` and another content."""
    media = model.header("content-type")
    lines = [first]
    for line in _lines(model.head)[1:]:
        if _name(line) == "content-type" and "json" not in media:
            lines.append(b"content-type: application/json")
        elif _name(line) not in ("allow", "content-length", "transfer-encoding", "content-encoding"):
            lines.append(line)
    if model.header("content-encoding") == "gzip":
        import gzip

        body = gzip.compress(body, mtime=0)
        lines.append(b"content-encoding: gzip")
    lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join((*lines, b"", b"" if method == b"HEAD" else body))


def _lines(head: bytes) -> list[bytes]:
    return re.split(rb"\r?\n", head.rstrip(b"\r\n"))


def _name(line: bytes) -> str:
    return line.partition(b":")[0].strip().lower().decode("latin-1")
