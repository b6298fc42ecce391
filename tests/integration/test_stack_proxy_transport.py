"""The proxy before the embedded node passes bytes on as they are, in both directions, and ends as the node ends."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from pathlib import Path

import pytest

from monitor_agent.stack.embedded.proxy.process import ProxyProcess
from tests.scripted_node import connect, proxy_before, received, received_until, running_proxy
from tests.waiting import wait_until

MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nx-odd:  Header \r\nContent-Length: 2\r\n\r\n{}"
NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nAllow: DELETE\r\ncontent-length: 2\r\n\r\n"
STATE = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{"cluster_uuid":"u"}\r\n0\r\n\r\n'


def peak_mib(proxy: ProxyProcess) -> float:
    """Return the peak memory of the proxy."""
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_bytes_arrive_as_they_were_sent(tmp_path: Path) -> None:
    """Odd spaces, cases and chunks of requests and answers are not changed, byte for byte or all at once."""
    request = (
        b"\r\nPOST /_bulk?x=%20 HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
        b"GET /_search HTTP/1.1\nHOST : b\n\n"
        b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    )
    requests: list[bytes] = []

    def node(connection: socket.socket) -> None:
        requests.append(received(connection, len(request)))
        connection.sendall(OK * 3)
        received(connection)

    with proxy_before(tmp_path, node) as proxy:
        with connect(proxy.port) as client:
            client.sendall(request)
            assert received(client, 3 * len(OK)) == 3 * OK
        with connect(proxy.port) as client:
            for number in range(len(request)):
                client.sendall(request[number : number + 1])
            assert received(client, 3 * len(OK)) == 3 * OK
    assert requests == [request, request]


def test_a_root_request_waits_for_the_answers_before_it(tmp_path: Path) -> None:
    """Requests that come at once are answered in their order, though the node answers the first one last."""
    release = threading.Event()

    def node(connection: socket.socket) -> None:
        while head := received_until(connection, b"\r\n\r\n"):
            if head.startswith(b"GET /slow"):
                release.wait(30)
                connection.sendall(OK)
            elif head.startswith(b"GET /_cluster/state"):
                connection.sendall(STATE)
            elif head.startswith(b"GET /fast"):
                connection.sendall(OK.replace(b"{}", b"[]"))
            else:
                connection.sendall(NOT_ALLOWED + (b"{}" if head.startswith(b"GET") else b""))

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(
            b"GET /slow HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /fast HTTP/1.1\r\n\r\n"
        )
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        release.set()
        client.settimeout(30)
        client.shutdown(socket.SHUT_WR)
        stream = received(client)
    assert stream.startswith(OK + b"HTTP/1.1 200 OK\r\n")
    assert stream.endswith(OK.replace(b"{}", b"[]"))
    (root,) = [section for section in stream.split(b"\r\n\r\n") if section.startswith(b"{\n")]
    assert json.loads(root.partition(b"HTTP/1.1")[0])["cluster_uuid"] == "u"


def test_a_large_body_is_not_kept_in_memory(tmp_path: Path) -> None:
    """The node reads slowly, then the client does: the proxy waits for both and stays below 40 MiB."""
    body = bytes(range(256)) * (MIB // 256)
    reading = threading.Event()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (20 * MIB)

    def node(connection: socket.socket) -> None:
        received_until(connection, b"\r\n\r\n")
        reading.wait(30)
        if all(received(connection, MIB) == body for _ in range(100)):
            connection.sendall(answer + 20 * body)

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        content = memoryview(b"POST /_bulk HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (100 * MIB) + 100 * body)
        client.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while content:
                content = content[client.send(content[:MIB]) :]
        assert content, "the proxy read everything though the node read nothing"
        reading.set()
        client.settimeout(30)
        client.sendall(content)
        assert received(client, len(answer)) == answer
        wait_until(lambda: client.recv(1, socket.MSG_PEEK))
        assert received(client, 20 * MIB) == 20 * body
        assert peak_mib(proxy) < 40


def test_the_node_decides_whether_a_body_comes(tmp_path: Path) -> None:
    """`Expect: 100-continue` reaches the node, and its interim answer the client, before the body."""

    def node(connection: socket.socket) -> None:
        assert b"Expect: 100-continue" in received_until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert received(connection, 2) == b"hi"
        connection.sendall(OK)

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert received_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert received(client) == OK


def test_a_half_closed_connection_gets_its_answer(tmp_path: Path) -> None:
    """The end of the client's requests reaches the node, and the answer the client."""

    def node(connection: socket.socket) -> None:
        assert received(connection).endswith(b"\r\n\r\nrest")
        connection.sendall(OK)

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(b"GET /a HTTP/1.1\r\n\r\nrest")
        client.shutdown(socket.SHUT_WR)
        assert received(client) == OK


def test_a_refusal_before_the_end_of_the_body_arrives(tmp_path: Path) -> None:
    """The node answers 413 and closes while the client still sends."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n"

    def node(connection: socket.socket) -> None:
        received_until(connection, b"\r\n\r\n")
        connection.sendall(refusal)
        connection.shutdown(socket.SHUT_WR)
        received(connection)

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(b"POST /_bulk HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + bytes(MIB))
        assert received(client) == refusal


def test_a_cut_answer_does_not_look_complete(tmp_path: Path) -> None:
    """An answer that lasts until the end of the connection is broken off if the node is killed."""
    arrived = threading.Event()

    def node(connection: socket.socket) -> None:
        received_until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        arrived.wait(30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        received_until(client, b"half")
        arrived.set()
        with pytest.raises(ConnectionResetError):
            received(client)


@pytest.mark.parametrize("target", ["/", "/_search"])
def test_without_a_node_the_answer_is_503(tmp_path: Path, target: str) -> None:
    """Clients try again after a 503; the reason is in the answer, as in Elasticsearch's own errors."""
    ports_file = tmp_path / "http.ports"
    with running_proxy(tmp_path, ports_file) as proxy:
        for _ in range(2):  # no file yet, then nobody at the address in it
            with connect(proxy.port) as client:
                client.sendall(f"POST {target} HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n".encode() + bytes(MIB))
                head, _, body = received(client).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert "is not up: it is starting or it has ended" in json.loads(body)["error"]["reason"]
            with connect(proxy.port) as client:
                client.sendall(f"HEAD {target} HTTP/1.1\r\n\r\n".encode())
                assert received(client).endswith(b"\r\n\r\n")
            with socket.create_server(("127.0.0.1", 0)) as probe:
                ports_file.write_text(f"127.0.0.1:{probe.getsockname()[1]}\n")


def test_what_is_not_http_passes_through(tmp_path: Path) -> None:
    """The node says what it thinks of it."""

    def node(connection: socket.socket) -> None:
        assert received(connection, 11) == b"\x16\x03\x01\x00\n\n\xff\xfe\x00\x01\x02"
        connection.sendall(b"no")

    with proxy_before(tmp_path, node) as proxy, connect(proxy.port) as client:
        client.sendall(b"\x16\x03\x01\x00\n\n\xff\xfe\x00\x01\x02")
        assert received(client) == b"no"


def test_the_port_is_taken_at_once_and_given_back(tmp_path: Path) -> None:
    """A second proxy on the port is refused; SIGTERM ends the process and frees the port."""
    with running_proxy(tmp_path, tmp_path / "http.ports") as proxy:
        with pytest.raises(OSError, match="in use"):
            ProxyProcess("127.0.0.1", proxy.port)
        assert proxy.pid is not None
        assert peak_mib(proxy) < 40
        with connect(proxy.port) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            received(client)
    assert not proxy.running
    second = ProxyProcess("127.0.0.1", proxy.port)
    second.stop()
