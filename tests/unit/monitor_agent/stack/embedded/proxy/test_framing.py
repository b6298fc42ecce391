"""Requests and answers end where HTTP says, however their bytes are cut on the way."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.stack.embedded.proxy.framing import AnswerTracker, ChunkedBody, parse_request

ANSWERS = [
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\r\n\r}"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"),
    (
        b"POST",
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\r\n\r\n0\r\n\r\n",
    ),
    (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nExpires: never\r\n\r\n"),
    (b"DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"),
    (b"GET", b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
]


@hypothesis.given(
    st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6), st.lists(st.integers(min_value=1, max_value=40))
)
def test_every_answer_is_counted(answers: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """The tracker is idle exactly after the last byte of the last answer."""
    tracker = AnswerTracker()
    for method, _ in answers:
        tracker.expect(method)
    stream = b"".join(content for _, content in answers)
    for size in cuts:
        if size < len(stream):
            tracker.feed(stream[:size])
            stream = stream[size:]
    assert not tracker.idle
    tracker.feed(stream[:-1])
    assert not tracker.idle
    tracker.feed(stream[-1:])
    assert tracker.idle


@pytest.mark.parametrize(
    "stream",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nlong\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + bytes(70_000),
    ],
)
def test_what_is_no_answer_is_refused(stream: bytes) -> None:
    """Another protocol, broken chunks or an answer too many."""
    tracker = AnswerTracker()
    tracker.expect(b"GET")
    with pytest.raises(ValueError, match=r"\w"):
        tracker.feed(stream)


def test_an_answer_without_a_length_lasts() -> None:
    """It ends with the connection only."""
    tracker = AnswerTracker()
    tracker.expect(b"GET")
    tracker.feed(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000))
    assert (tracker.idle, tracker.begun) == (False, True)


@pytest.mark.parametrize(
    ("line", "for_root"),
    [
        (b"GET / HTTP/1.1", True),
        (b"HEAD / HTTP/1.0", True),
        (b"GET /?pretty&filter_path=a HTTP/1.1", True),
        (b"GET // HTTP/1.1", True),
        (b"GET /_search HTTP/1.1", False),
        (b"POST / HTTP/1.1", False),
        (b"GET http://localhost/ HTTP/1.1", False),
        (b"GET /a?b=/ HTTP/1.1", False),
    ],
)
def test_only_get_and_head_of_the_root_are_special(line: bytes, for_root: bool) -> None:
    """Everything else passes through."""
    assert parse_request(line + b"\r\nHost: a\r\nContent-Length: 0\r\n\r\n").asks_for_root is for_root
    assert parse_request(line + b"\nHost: a\n\n").asks_for_root is for_root


def test_a_request_for_the_root_with_content_is_not_special() -> None:
    """The node refuses it."""
    assert not parse_request(b"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n").asks_for_root


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x00\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nContent-Length:\r\n\r\n",
    ],
)
def test_a_request_without_a_clear_end_is_refused(head: bytes) -> None:
    """Nobody may read another request out of it than the node does."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_request(head)


def test_chunks_end_at_the_trailer() -> None:
    """What follows belongs to the next request."""
    data = b"4\r\nab\r\n\r\n0\r\n\r\nGET / HTTP/1.1"
    body = ChunkedBody()
    assert data[body.skip(data, 0) :] == b"GET / HTTP/1.1"
    assert body.complete
