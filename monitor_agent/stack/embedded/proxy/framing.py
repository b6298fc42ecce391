"""Where requests and answers of HTTP/1.1 begin and end in a stream of bytes; the bytes themselves are not changed."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Protocol

MOST_HEAD_BYTES = 64 * 1024
HEAD_END = re.compile(rb"\n\r?\n")
REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.([01])\r?\n")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")
ROOT_TARGET = re.compile(rb"/+(\?.*)?")
LENGTH_OR_CODING = re.compile(
    rb"\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r?\n)", re.IGNORECASE
)
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
SWITCHING, NO_CONTENT, NOT_MODIFIED = 101, 204, 304
FIRST_FINAL_STATUS = 200


class Body(Protocol):
    """The content of a message, from its head to its end."""

    complete: bool

    def skip(self, data: bytes, position: int) -> int:
        """Return the position after the bytes of `data` that belong to this content; the first is at `position`."""


class SizedBody:
    """A content of so many bytes."""

    def __init__(self, size: int) -> None:
        self._missing = size
        self.complete = not size

    def skip(self, data: bytes, position: int) -> int:
        """Skip at most the missing bytes."""
        skipped = min(self._missing, len(data) - position)
        self._missing -= skipped
        self.complete = not self._missing
        return position + skipped


class ChunkedBody:
    """A content in chunks, with the lines that name their sizes and the trailer."""

    def __init__(self) -> None:
        self.complete = False
        self._missing = 0
        self._line = b""
        self._after_chunk = False
        self._in_trailer = False

    def skip(self, data: bytes, position: int) -> int:
        """Skip chunks.

        Raises
        ------
        ValueError
            If a line that must hold a size does not.
        """
        while position < len(data) and not self.complete:
            if self._missing:
                skipped = min(self._missing, len(data) - position)
                self._missing -= skipped
                position += skipped
                continue
            end = data.find(b"\n", position)
            self._line += data[position:] if end < 0 else data[position:end]
            if len(self._line) > MOST_HEAD_BYTES:
                raise ValueError("the line of a chunk does not end")
            if end < 0:
                return len(data)
            position = end + 1
            line, self._line = self._line.strip(), b""
            self._end_line(line)
        return position

    def _end_line(self, line: bytes) -> None:
        if self._in_trailer:
            self.complete = not line
        elif self._after_chunk:
            self._after_chunk = False
            if line:
                raise ValueError("a chunk is longer than its size")
        else:
            size = line.split(b";")[0].strip()
            if not CHUNK_SIZE.fullmatch(size):
                raise ValueError("a chunk has no size")
            self._missing = int(size, 16)
            self._after_chunk = bool(self._missing)
            self._in_trailer = not self._missing


class EndlessBody:
    """A content that ends with the connection."""

    complete = False

    def skip(self, data: bytes, position: int) -> int:  # noqa: ARG002  # as the protocol has it
        """Skip everything."""
        return len(data)


@dataclass(frozen=True)
class RequestHead:
    """The first lines of a request.

    Attributes
    ----------
    content : the lines, with the empty line at the end.
    method, target : such as `GET` and `/_search?size=1`.
    body : the content that follows; None = none.
    """

    content: bytes
    method: bytes
    target: bytes
    body: Body | None

    @property
    def asks_for_root(self) -> bool:
        """Return whether this is `GET /` or `HEAD /`."""
        return self.body is None and self.method in (b"GET", b"HEAD") and bool(ROOT_TARGET.fullmatch(self.target))


def parse_request(content: bytes) -> RequestHead:
    """Return a request from its head.

    Raises
    ------
    ValueError
        If this is no request, or it does not say clearly where it ends.
    """
    line = REQUEST_LINE.match(content)
    if line is None:
        raise ValueError("this is no request")
    return RequestHead(content, line[1], line[2], _body(content))


class AnswerTracker:
    """Counts the answers in a stream, to know whether an answer is still to come.

    >>> tracker = AnswerTracker()
    >>> tracker.expect(b"GET")
    >>> tracker.feed(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{")
    >>> tracker.idle
    False
    >>> tracker.feed(b"}")
    >>> tracker.idle
    True
    """

    def __init__(self) -> None:
        self.begun = False
        self._methods: deque[bytes] = deque()
        self._head = b""
        self._body: Body | None = None

    @property
    def idle(self) -> bool:
        """Return whether every expected answer has come."""
        return not self._methods

    @property
    def next_method(self) -> bytes:
        """Return the method of the oldest request that has no answer yet; empty if there is none."""
        return self._methods[0] if self._methods else b""

    def expect(self, method: bytes) -> None:
        """Note that a request was sent."""
        self._methods.append(method)

    def feed(self, data: bytes) -> None:
        """Note bytes that have come.

        Raises
        ------
        ValueError
            If they are no answers to the requests.
        """
        position = 0
        while position < len(data):
            if self._body is not None:
                position = self._body.skip(data, position)
                if self._body.complete:
                    self._end_answer()
                continue
            if not self._methods:
                raise ValueError("nothing was requested")
            self.begun = True
            earlier = len(self._head)
            self._head += data[position:]
            end = HEAD_END.search(self._head, max(0, earlier - 3))
            if end is None:
                if len(self._head) > MOST_HEAD_BYTES:
                    raise ValueError("the head of an answer does not end")
                return
            position += end.end() - earlier
            head, self._head = self._head[: end.end()], b""
            self._end_head(head)

    def _end_head(self, head: bytes) -> None:
        line = STATUS_LINE.match(head)
        status = int(line[1]) if line else SWITCHING
        if status == SWITCHING:
            raise ValueError("this is no answer of HTTP/1.1")
        if status < FIRST_FINAL_STATUS:
            return
        if self._methods[0] == b"HEAD" or status in (NO_CONTENT, NOT_MODIFIED):
            self._end_answer()
            return
        sized = LENGTH_OR_CODING.search(head)
        self._body = (_body(head) if sized else EndlessBody()) or SizedBody(0)
        if self._body.complete:
            self._end_answer()

    def _end_answer(self) -> None:
        self._methods.popleft()
        self._body = None
        self.begun = False


def _body(head: bytes) -> Body | None:
    lengths, codings = set(), []
    for name, value in LENGTH_OR_CODING.findall(head):
        if name.lower() == b"content-length":
            lengths.add(value)
        else:
            codings.append(value.lower())
    if not codings and not lengths:
        return None
    if codings == [b"chunked"] and not lengths:
        return ChunkedBody()
    (length,) = lengths if len(lengths) == 1 and not codings else (b"",)
    if not length.isdigit():
        raise ValueError("the length of the content is not clear")
    return SizedBody(int(length)) if int(length) else None
