"""Requests that the loop of the HTTP server answers itself, beside those of the application; real connections."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from monitor_agent.http_serving.direct import DirectRequest
from monitor_agent.http_serving.server import ServedApplication
from tests.running_server import PATIENCE, RunningServer, exchange, running

LARGE = 8 << 20


class Mirror:
    """Answers each body with itself, in the loop. A body `wait` holds the loop; `declined` goes to the application."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.entered = threading.Event()
        self.wake: Callable[[], None] = lambda: None
        self._waiting: deque[DirectRequest] = deque()

    def attach(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def begin(self, request: DirectRequest) -> bool:
        if request.path != "/direct":
            return False
        self._waiting.append(request)
        return True

    def turn(self) -> float:
        while self._waiting:
            request = self._waiting.popleft()
            body = request.body()
            if body == b"wait":
                self.entered.set()
                assert self.released.wait(PATIENCE)
            if body == b"declined":
                request.decline({"declined": "yes"})
            else:
                request.answer(body * (LARGE if body == b"L" else 1), [("Content-Type", "text/plain")])
        return 1.0


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the path, and with what the direct handler has added."""
    body = f"{environ['PATH_INFO']} {environ.get('declined', 'no')} ".encode() + environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


def served(mirror: Mirror) -> ServedApplication:
    return ServedApplication(application, 2, 1 << 20, direct=mirror)


def post(server: RunningServer, path: str, body: bytes) -> bytes:
    return exchange(server.client(), "POST", path, body, {}).body


def test_requests_sent_ahead_are_answered_in_order(mirror: Mirror) -> None:
    """Direct answers and those of the application keep the order of one client's requests."""
    sent = b"".join(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n{number:03}".encode()
        for number, path in enumerate(["/direct", "/other", "/direct", "/direct", "/other", "/direct"] * 20)
    )
    with running(served(mirror)) as server, server.connect() as connection:
        connection.sendall(sent)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 120 or not received.endswith(b"119"):
            piece = connection.recv(65536)
            assert piece
            received += piece

    numbers = [answer[-3:] for answer in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert numbers == [f"{number:03}".encode() for number in range(120)]


def test_a_large_answer_reaches_a_slow_reader_whole(mirror: Mirror) -> None:
    """What does not fit into the system's buffers waits; the connection can then be used again."""
    with running(served(mirror)) as server:
        client = server.client()
        client.request("POST", "/direct", b"L")
        assert post(server, "/direct", b"meanwhile") == b"meanwhile"

        assert client.getresponse().read() == b"L" * LARGE
        assert exchange(client, "POST", "/direct", b"again", {}).body == b"again"


def test_a_declined_request_reaches_the_application_with_its_body(mirror: Mirror) -> None:
    """The application reads the whole body, and what the handler says about the request."""
    with running(served(mirror)) as server:
        assert post(server, "/direct", b"declined") == b"/direct yes declined"
        assert post(server, "/other", b"x") == b"/other no x"


def test_a_handler_that_hangs_does_not_stop_the_server(mirror: Mirror) -> None:
    """Another thread goes on with the loop; the request that hangs is answered when the handler comes back."""
    with running(served(mirror)) as server:
        client = server.client()
        client.request("POST", "/direct", b"wait")
        assert mirror.entered.wait(PATIENCE)

        assert post(server, "/other", b"x") == b"/other no x"
        assert post(server, "/direct", b"y") == b"y"
        mirror.released.set()
        assert client.getresponse().read() == b"wait"
        assert exchange(client, "POST", "/direct", b"again", {}).body == b"again"


def test_stopping_waits_for_direct_requests(mirror: Mirror) -> None:
    """A request in the hands of the handler is answered after `stop`, even if the handler holds the loop."""
    with running(served(mirror)) as server:
        client = server.client()
        client.request("POST", "/direct", b"wait")
        assert mirror.entered.wait(PATIENCE)
        server.begin_to_stop()
        mirror.released.set()

        assert client.getresponse().read() == b"wait"


def test_a_client_that_has_gone_harms_nobody(mirror: Mirror) -> None:
    """The answer of a closed connection is thrown away."""
    with running(served(mirror)) as server:
        connection = server.connect()
        connection.sendall(b"POST /direct HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nwait")
        assert mirror.entered.wait(PATIENCE)
        connection.close()
        mirror.released.set()

        assert post(server, "/direct", b"y") == b"y"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /direct HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /direct HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
        b"POST /direct HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        b"POST /direct?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
        b"POST http://localhost/direct HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
        b"POST //direct HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_only_plain_requests_are_direct(mirror: Mirror, head: bytes) -> None:
    """The application answers everything else."""
    with running(served(mirror)) as server, server.connect() as connection:
        connection.sendall(head)
        answer = b""
        while not answer.partition(b"\r\n\r\n")[2]:
            answer += connection.recv(65536)

    assert answer.partition(b"\r\n\r\n")[2].startswith(b"/direct no")


def test_a_foreign_host_name_is_refused(mirror: Mirror) -> None:
    """The rules of host names hold for direct requests, too."""
    with running(served(mirror)) as server:
        reply = exchange(server.client(), "POST", "/direct", b"x", {"Host": "evil.example"})

    assert reply.status == 421
