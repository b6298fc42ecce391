"""The viewer as a process on an Elasticsearch that takes requests and never answers."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.http_servers import Answer, HttpProcess, http_process, wait_ready
from tests.scripted_node import ScriptedNode, received_until

VISITORS = 20
LONGEST = 10.0
DATA = "/dashboards/serving/data"
REFUSED = (
    b"HTTP/1.1 401 Unauthorized\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


@pytest.fixture
def viewers(tmp_path: Path) -> Iterator[tuple[HttpProcess, HttpProcess]]:
    """Yield a viewer without a login and one that wants a user; their Elasticsearch hangs once they have started."""
    hangs = False

    def script(connection: socket.socket) -> None:
        received_until(connection, b"\r\n\r\n")
        if not hangs:
            connection.sendall(REFUSED)
            return
        while connection.recv(1 << 16):
            pass

    node = ScriptedNode(script)
    with contextlib.ExitStack() as stack:
        stack.callback(node.close)
        processes = [
            stack.enter_context(
                http_process(
                    "viewer", tmp_path / auth, None, ELASTICSEARCH_URL=f"http://{node.address}", DASHBOARDS_AUTH=auth
                )
            )
            for auth in ("none", "elasticsearch")
        ]
        for process in processes:
            wait_ready(process)
        hangs = True
        yield processes[0], processes[1]


def test_a_hung_elasticsearch_is_reported_to_all_who_wait(viewers: tuple[HttpProcess, HttpProcess]) -> None:
    """Within 10 s, also by the login; meanwhile the pages without data, and the wrong ones, are answered at once."""
    open_viewer, closed_viewer = viewers
    user = {"Authorization": "Basic YWRhOnNlY3JldA=="}

    def visit(viewer: HttpProcess) -> tuple[float, Answer]:
        began = time.monotonic()
        answer = viewer.get(DATA, {} if viewer is open_viewer else user)
        return time.monotonic() - began, answer

    with ThreadPoolExecutor(2 * VISITORS) as pool:
        visits = [pool.submit(visit, viewer) for viewer in viewers for _ in range(VISITORS)]
        began = time.monotonic()
        pages = [open_viewer.get(path).status for path in ("/", "/dashboards/serving", "/nothing")]
        pages += [closed_viewer.get(path).status for path in ("/login", "/")]
        waited = time.monotonic() - began
        answers = [visit.result() for visit in visits]

    assert pages == [200, 200, 404, 200, 303]
    assert waited < LONGEST / 2
    assert max(seconds for seconds, _ in answers) < LONGEST
    for (_seconds, answer), is_open in zip(answers, [True] * VISITORS + [False] * VISITORS, strict=True):
        assert answer.status in (502, 503)
        assert ("Retry-After: 3" in answer.head) == (answer.status == 503)
        reason = json.loads(answer.body)["error"]
        assert "Elasticsearch" in reason or "answer" in reason, reason
        assert ("password" in reason) != is_open
    assert {answer.status for _seconds, answer in answers} == {502, 503}
