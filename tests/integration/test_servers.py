"""The three HTTP servers as processes: slow, huge, malformed and foreign clients do not keep them from the others.

Nothing here depends on the library that serves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote_plus, urljoin

import pytest

from model_server.api_keys import add_key
from tests.http_servers import (
    PREFIXES,
    ROOT,
    TOKEN,
    TRUSTED_PROXY,
    Answer,
    Authority,
    HttpProcess,
    command_of,
    http_process,
    read_all,
    wait_ready,
)

HALF_OPEN = 1500
SPARE_DESCRIPTORS = 200
HUGE_HEADER = b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 500_000 + b"\r\n\r\n"
BODY_HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
CHUNKED = BODY_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PREDICTION = b'{"input_seq": [2, 5, 0], "input_mask": [1, 1, 0], "segment_ids": [0, 0, 0]}'
PREFIX = "/monitoring"
BEYOND_LOOPBACK = {
    "REQUIRE_AUTH": "true",
    **dict.fromkeys(("MODEL_SERVER_HOST", "DASHBOARDS_HOST", "MONITOR_HEALTH_HOST"), "0.0.0.0"),
}
KEY: dict[str, str] = {}
"""The header with the key of the model server."""
STRANGERS, FLOOD = 20, 200


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, saved_model: Path) -> Iterator[dict[str, HttpProcess]]:
    """Yield all servers by name; those with TLS have a certificate that each test may renew."""
    folder = tmp_path_factory.mktemp("servers")
    keys = folder / "keys.json"
    key = add_key(keys, "shop", ("predict",), datetime.now(timezone.utc))
    KEY["X-API-Key"] = key
    with contextlib.ExitStack() as stack:
        processes = {}
        for kind, name, tls in (
            ("model server", "model server", True),
            ("viewer", "viewer", False),
            ("health page", "health page", False),
            ("viewer", "viewer with TLS", True),
            ("health page", "health page with TLS", True),
        ):
            place = folder / name.replace(" ", "-")
            authority = Authority(folder / f"{place.name}-tls") if tls else None
            environ = {"MODEL_SERVER_MODEL_DIR": str(saved_model), "MONITOR_HEALTH_TOKEN": TOKEN}
            if tls:  # it starts, reachable for all and with REQUIRE_AUTH, because it has what protects it
                environ |= BEYOND_LOOPBACK | {"MODEL_SERVER_API_KEYS": str(keys)}
                environ |= {"DASHBOARDS_AUTH": "token", "DASHBOARDS_TOKEN": TOKEN}
            processes[name] = stack.enter_context(http_process(kind, place, authority, **environ))
        processes["viewer with TLS"].open_page = "/login"
        for server in processes.values():
            wait_ready(server)
        yield processes


@pytest.fixture(params=["model server", "viewer", "health page"])
def server(request: pytest.FixtureRequest, servers: dict[str, HttpProcess]) -> HttpProcess:
    """Return each server once."""
    return servers[request.param]


@pytest.fixture(params=["model server", "viewer with TLS", "health page with TLS"])
def tls_server(request: pytest.FixtureRequest, servers: dict[str, HttpProcess]) -> HttpProcess:
    """Return each server once, with TLS."""
    return servers[request.param]


def test_slow_clients_are_closed_and_others_are_answered(server: HttpProcess) -> None:
    """One that says nothing, one with half a header, one with half a body, one without a handshake, one that drips."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(4)]
        slow.append(stack.enter_context(server.connect_plain()))
        slow[1].sendall(b"GET / HTTP/1.1\r\nHos")
        slow[2].sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n0123456789")
        slow[3].sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n")
        dripping = stack.enter_context(_dripping(slow[3]))
        assert server.get().status == 200

        answers = [read_all(connection) for connection in slow]

        assert dripping()
    assert [answer[:13] for answer in answers[:3]] == [b"", b"HTTP/1.1 408 ", b"HTTP/1.1 408 "]
    assert server.get().status == 200


@contextlib.contextmanager
def _dripping(connection: socket.socket) -> Iterator[Callable[[], bool]]:
    """Send one byte after the other; yield a function that waits until the server has ended that."""

    def drip() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.1)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()

    def ended() -> bool:
        thread.join(30)
        return not thread.is_alive()

    yield ended


def test_a_slow_but_steady_body_is_read(servers: dict[str, HttpProcess]) -> None:
    """It takes longer than a body may that does not come."""
    body = PREDICTION + b" " * 40_000
    began = time.monotonic()
    with servers["model server"].connect() as connection:
        connection.sendall(_post(f"Content-Length: {len(body)}", **KEY))
        for start in range(0, len(body), 2000):
            connection.sendall(body[start : start + 2000])
            time.sleep(0.07)

        answer = read_all(connection)

    assert time.monotonic() - began > 1
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_half_open_connections_do_not_stop_a_server(server: HttpProcess) -> None:
    """More than a server may hold: it closes those that wait longest, and answers a client that asks."""
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        for _ in range(min(HALF_OPEN, limit - SPARE_DESCRIPTORS)):
            stack.enter_context(server.connect_plain())

        answers = [server.get().status for _ in range(3)]

    assert answers == [200, 200, 200]


def test_clients_that_do_not_read_do_not_stop_the_viewer(servers: dict[str, HttpProcess]) -> None:
    """More of them than it has threads ask for a large file, several times."""
    viewer = servers["viewer"]
    dashboard = re.search(r'href="(/dashboards/[^"]+)"', viewer.get().body)
    assert dashboard
    bundle = re.search(r'href="(/vega/[^"]+)"', viewer.get(dashboard[1]).body)
    assert bundle
    request = f"GET {bundle[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", viewer.port))
            connection.sendall(request * 20)

        assert viewer.get().status == 200

        assert _is_ended(connection)


def _is_ended(connection: socket.socket) -> bool:
    """Return whether the server ends a connection soon."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            connection.sendall(b" ")
        except ConnectionError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GARBAGE\r\n\r\n", {400}),
        (b"\r\n\r\n\0\1\2\r\n\r\n", {400}),
        (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
        (b"GET / HTTP/9.1\r\nHost: localhost\r\n\r\n", {400, 505}),
        (b"GET / HTTP/1.1\r\n\r\n", {400}),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: a.example.org\r\n\r\n", {400}),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nNo colon\r\n\r\n", {400}),
        (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", {400}),
        (b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
        (HUGE_HEADER, {431}),
        (BODY_HEAD + b"Content-Length: 99999999999\r\n\r\n", {413}),
        (BODY_HEAD + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", {413}),
        (BODY_HEAD + b"Content-Length: -1\r\n\r\n", {400}),
        (BODY_HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", {400}),
        (BODY_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (BODY_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
        (BODY_HEAD.replace(b"/1.1", b"/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (BODY_HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", {400}),
        (CHUNKED + b"1" * 100_000, {400}),
        (CHUNKED + b"fffffffffffffffff\r\nabc", {400, 413}),
        (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", {400}),
        (CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n", {400}),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 50_000, {400, 413, 431}),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 50_000 + b"\r\n", {431}),
        (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414, 431}),
        (b"FROB / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {404, 405, 501}),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {401, 404}),
        (b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {401, 404}),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
def test_malformed_requests_are_refused_in_few_words(server: HttpProcess, sent: bytes, statuses: set[int]) -> None:
    """The answer says nothing of the server's inside."""
    received = server.exchange(sent)

    head, _, body = received.decode().partition("\r\n\r\n")
    assert int(head.split(" ")[1]) in statuses
    assert len(body) < 3000
    assert not re.search("Traceback|waitress|werkzeug|Python", received.decode(), re.IGNORECASE)
    assert "\r\nX-Content-Type-Options: nosniff" in head


def test_a_body_without_end_is_cut_off(server: HttpProcess) -> None:
    """The server throws away what comes for a moment, so that the client can read why; the next client is answered."""
    piece, until = b"10000\r\n" + b"x" * 0x10000 + b"\r\n", time.monotonic() + 30
    with server.connect() as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
        connection.sendall(CHUNKED)
        while time.monotonic() < until:
            connection.sendall(piece)

    assert time.monotonic() < until
    assert server.get().status == 200


def test_a_flood_of_strangers_stops_nobody(servers: dict[str, HttpProcess]) -> None:
    """Each is refused; who has the key, the token or the login is answered meanwhile, and nothing is written down."""
    names = ("model server", "viewer with TLS", "health page with TLS")
    model_server, viewer, health = (servers[name] for name in names)
    size = len(PREDICTION)
    rows = {
        "model server": (_post(f"Content-Length: {size}", X_API_Key="mmk_wrong") + PREDICTION, {401}),
        "viewer with TLS": (_login("wrong"), {401, 429}),
        "health page with TLS": (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {401}),
    }
    with ThreadPoolExecutor(len(rows) * STRANGERS) as pool:
        floods = {
            name: [pool.submit(servers[name].exchange, sent) for _ in range(FLOOD)]
            for name, (sent, _statuses) in rows.items()
        }
        friends = [
            Answer.of(model_server.exchange(_post(f"Content-Length: {size}", **KEY) + PREDICTION)).status,
            Answer.of(viewer.exchange(_login(TOKEN), source="127.0.0.9")).status,
            health.get("/metrics", {"Authorization": f"Bearer {TOKEN}"}).status,
        ]
        statuses = {name: {Answer.of(future.result()).status for future in flood} for name, flood in floods.items()}

    assert friends == [200, 303, 200]
    assert all(statuses[name] == allowed for name, (_sent, allowed) in rows.items())
    events = b"".join(path.read_bytes() for path in (model_server.log.parent / "log").glob("*.ndjson"))
    assert b"prediction" in events
    assert b"Unauthorized" not in events


def _post(length: str, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return BODY_HEAD + f"{length}\r\n{lines}\r\n".encode()


def _login(token: str) -> bytes:
    form = f"password={quote_plus(token)}"
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += "Content-Type: application/x-www-form-urlencoded"
    return f"{head}\r\nContent-Length: {len(form)}\r\n\r\n{form}".encode()


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("model server", "MODEL_SERVER_API_KEYS"),
        ("viewer", "DASHBOARDS_AUTH"),
        ("health page", "MONITOR_HEALTH_TOKEN"),
    ],
)
def test_an_open_server_does_not_start_where_that_is_forbidden(
    kind: str, setting: str, tmp_path: Path, saved_model: Path
) -> None:
    """With REQUIRE_AUTH=true, one line says what to set; TLS alone is no login."""
    authority = Authority(tmp_path / "tls")
    prefix = PREFIXES[kind]
    environ = {
        **os.environ,
        **BEYOND_LOOPBACK,
        f"{prefix}_PORT": "0",
        f"{prefix}_TLS_CERT": str(authority.cert),
        f"{prefix}_TLS_KEY": str(authority.key),
        "ELASTICSEARCH_URL": "http://127.0.0.1:1",
        "MODEL_SERVER_MODEL_DIR": str(saved_model),
        "MODEL_LOG_DIR": str(tmp_path / "log"),
    }
    ended = subprocess.run(
        command_of(kind), env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error")]
    assert ended.returncode == 1
    assert f"the {kind} listens on 0.0.0.0 and would answer everybody who reaches it" in line
    assert f"REQUIRE_AUTH=true forbids that: set {setting}" in line
    assert "Traceback" not in ended.stdout + ended.stderr


def test_only_one_answer_follows_an_ambiguous_request(server: HttpProcess) -> None:
    """What follows it is never read as a request: a proxy before the server may have read it as a body."""
    hidden = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sent = BODY_HEAD + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)) + hidden

    assert server.exchange(sent).count(b"HTTP/1.") == 1


def test_requests_that_are_sent_ahead_are_answered_in_order(server: HttpProcess) -> None:
    """Each gets its answer."""
    request = f"GET {server.page} HTTP/1.1\r\nHost: localhost\r\n".encode()

    received = server.exchange((request + b"\r\n") * 5 + request + b"Connection: close\r\n\r\n")

    assert received.count(b"HTTP/1.1 200 ") == 6


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("example.org.evil", 421),
        ("localhost", 200),
        ("LOCALHOST.:1", 200),
        ("127.0.0.1:8", 200),
        ("[::1]", 200),
        ("shop.example.org:443", 200),
    ],
)
def test_only_allowed_host_names_are_answered(server: HttpProcess, host: str, status: int) -> None:
    """Nobody can lead a browser here under a name of his own."""
    answer = server.get(headers={"Host": host})

    assert answer.status == status
    assert status == 200 or ("ALLOWED_HOSTS" in answer.body and len(answer.body.splitlines()) == 1)


def test_a_proxys_headers_are_believed_from_trusted_proxies_only(server: HttpProcess) -> None:
    """The name in them must be an allowed one, too."""
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}

    assert server.get(headers=forwarded).status == 200
    assert server.get(headers=forwarded, source=TRUSTED_PROXY).status == 421
    assert server.get(headers={**forwarded, "X-Forwarded-Host": "a.example.org"}, source=TRUSTED_PROXY).status == 200


def test_the_viewer_works_below_a_path_of_a_proxy(servers: dict[str, HttpProcess]) -> None:
    """Every link of its pages, and the address of the data, leads back through the proxy."""
    viewer = servers["viewer"]

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(PREFIX + "/"):
                self.send_error(404)
                return
            answer = viewer.get(
                self.path.removeprefix(PREFIX),
                {"X-Forwarded-Prefix": PREFIX, "Accept-Encoding": "identity"},
                TRUSTED_PROXY,
            )
            self.send_response(answer.status)
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{proxy.server_port}"
        index = _fetch(base, f"{PREFIX}/")[1]
        dashboard = re.findall(rf'href="({PREFIX}/dashboards/[^"]+)"', index)[0]
        page = _fetch(base, dashboard)[1]
        links = {*re.findall(r'(?:href|src)="([^"#]+)"', index + page)}
        for link in links:
            status, _text = _fetch(base, urljoin(dashboard, link))
            # The list of alerts is read before the page is made, and this viewer has no Elasticsearch.
            assert status == (502 if link == f"{PREFIX}/alerts" else 200), link
        data = json.loads(re.findall(r'<script type="application/json" id="page">(.*?)</script>', page)[0])["data"]
        assert _fetch(base, data)[0] == 502  # Elasticsearch is away; the viewer has answered
        proxy.shutdown()
    assert len(links) > 5


def _fetch(base: str, path: str) -> tuple[int, str]:
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 60) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head, _, body = read_all(connection).decode(errors="replace").partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


def test_the_health_pages_token(servers: dict[str, HttpProcess]) -> None:
    """All but `/livez` want it; no answer repeats it."""
    page = servers["health page"]
    pages = ("/healthz", "/metrics", "/livez", "/other")

    def statuses(**headers: str) -> list[int]:
        return [page.get(path, headers).status for path in pages]

    assert statuses() == statuses(Authorization="Bearer wrong") == statuses(Authorization=TOKEN) == [401, 401, 200, 401]
    assert (
        statuses(Authorization=f"Bearer {TOKEN}") == statuses(Authorization=f"bearer {TOKEN}") == [503, 200, 200, 404]
    )
    assert TOKEN not in page.log.read_text()


def test_a_certificate_is_renewed_without_a_restart(tls_server: HttpProcess) -> None:
    """While a new one cannot be used, the server keeps the old one, says so once, and tries again."""
    authority = tls_server.authority
    assert authority is not None
    assert tls_server.address.startswith("https://")
    before = _serial(tls_server)
    authority.renew()
    after = _serial(tls_server)
    authority.renew(key=b"broken")
    unchanged = [_serial(tls_server) for _ in range(3)]
    authority.renew()

    assert before != after
    assert unchanged == [after] * 3
    assert _serial(tls_server) not in (before, after)
    assert tls_server.log.read_text().count("holds no private key") == 1


def _serial(server: HttpProcess) -> str:
    with server.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert()
    assert certificate
    return str(certificate["serialNumber"])


def test_http_to_a_port_of_https_is_refused(tls_server: HttpProcess) -> None:
    """The client reads why; others are answered."""
    with tls_server.connect_plain() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = read_all(connection)

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"https" in received
    assert tls_server.get().status == 200


@pytest.mark.parametrize("name", ["viewer", "health page"])
def test_https_to_a_port_of_http_is_refused(servers: dict[str, HttpProcess], name: str) -> None:
    """The client's library reports that this is no TLS, at once."""
    server, context = servers[name], ssl.create_default_context()
    with server.connect_plain() as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection, server_hostname="localhost")

    assert server.get().status == 200
