"""`monitor-agent receive` as a process: killed, stopped, protected, and wrong set-ups in one line."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.command_line import monitor_agent
from tests.http_servers import PATIENCE, ROOT, Authority
from tests.source_requests import INSTANCES, PREDICTIONS, REQUEST, RESPONSE, ce_headers, hits_query, user_event
from tests.waiting import wait_until

MAPPINGS = """
[receive]
token = "a token of the receiver"
[receive.click.inputs]
features.numeric.price = "price"
[receive.default.inputs]
score = "query_attributes.scores"
"""
AUTHORIZED = {"authorization": "Bearer a token of the receiver"}


class ReceiverProcess:
    """A receiver in a process of its own."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], authority: Authority | None) -> None:
        self.folder, self.process, self._authority = folder, process, authority
        address = folder / "address"
        wait_until(lambda: address.exists() or process.poll() is not None, PATIENCE)
        self.address = urlsplit(address.read_text().strip())

    def client(self) -> http.client.HTTPConnection:
        """Return a client that keeps its connection."""
        host, port = "localhost", self.address.port
        if self._authority is None:
            return http.client.HTTPConnection(host, port, timeout=PATIENCE)
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=self._authority.context)

    def send(self, body: Any, headers: Mapping[str, str] | None = None, path: str = "/") -> tuple[int, Any]:
        """Return status and content of an answer."""
        with contextlib.closing(self.client()) as client:
            return post(client, body, headers, path)

    def lines(self) -> list[dict[str, Any]]:
        """Return the whole lines of all files."""
        texts = [path.read_bytes() for path in sorted((self.folder / "log").glob("*.ndjson"))]
        return [json.loads(line) for text in texts for line in text[: text.rfind(b"\n") + 1].splitlines()]


def post(
    client: http.client.HTTPConnection, body: Any, headers: Mapping[str, str] | None = None, path: str = "/"
) -> tuple[int, Any]:
    """Return status and content of the answer to a request on an open connection."""
    client.request("POST", path, json.dumps(body), {**AUTHORIZED, **(headers or {})})
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def receiving(folder: Path, authority: Authority | None = None, **environ: str) -> Iterator[ReceiverProcess]:
    """Yield a receiver; it must have written no traceback at the end."""
    folder.mkdir(exist_ok=True)
    (folder / "monitor.toml").write_text(MAPPINGS)
    log = folder / "service.log"
    command = (sys.executable, "-m", "monitor_agent", "--config", str(folder / "monitor.toml"), "receive")
    tls = {} if authority is None else {"TLS_CERT": str(authority.cert), "TLS_KEY": str(authority.key)}
    settings = {f"PIPELINE_RECEIVE_{name}": text for name, text in tls.items()} | {"MODEL_LOG_DIR": str(folder / "log")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--port", "0", "--address-file", str(folder / "address")],
            env={**os.environ, **settings, **environ},
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield ReceiverProcess(folder, process, authority)
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_killed_receiver_loses_nothing_that_it_accepted(tmp_path: Path) -> None:
    """Each call that was answered with 202 has its lines, and the next receiver takes the same call again.

    It also joins the responses to the requests that were accepted before.
    """
    with receiving(tmp_path / "r") as receiver:
        client = receiver.client()
        accepted = []
        for number in range(40):
            for role, body in ((REQUEST, INSTANCES), (RESPONSE, PREDICTIONS)):
                assert post(client, body, ce_headers(role, str(number)))[0] == 202
            accepted.append(str(number))
        waiting = [f"waiting-{number}" for number in range(40)]
        for identifier in waiting:
            assert post(client, INSTANCES, ce_headers(REQUEST, identifier)) == (202, {"requests": 1})
        receiver.process.kill()
        receiver.process.wait()
        lines = receiver.lines()
    (tmp_path / "r" / "address").unlink()

    assert [event["http"]["request"]["id"] for event in lines[::2]] == accepted
    assert all(event["features"]["numeric"]["price"] in (1.0, 2.5) for event in lines)
    with receiving(tmp_path / "r") as receiver:
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE, "0")) == (202, {"predictions": 2})
        for identifier in waiting:
            assert receiver.send(PREDICTIONS, ce_headers(RESPONSE, identifier)) == (202, {"predictions": 2})
        lines = receiver.lines()
    assert all(event["features"]["numeric"]["price"] in (1.0, 2.5) for event in lines)
    ids = [event["event"]["id"] for event in lines]
    assert (len(ids), len(set(ids))) == (2 * 81, 2 * 80)


def test_a_stop_signal_ends_it_cleanly(tmp_path: Path) -> None:
    """It takes queries and events of UBI, and the pipeline accepts all lines; its log says what still waits."""
    with receiving(tmp_path / "r") as receiver:
        query = hits_query(query_attributes={"scores": [0.5, 0.25]})
        assert receiver.send(query, path="/ubi/queries") == (202, {"predictions": 2})
        assert receiver.send([user_event("click")], path="/ubi/events") == (202, {"feedback": 1})
        assert receiver.send(INSTANCES, ce_headers(REQUEST)) == (202, {"requests": 1})
        receiver.process.send_signal(signal.SIGTERM)
        assert receiver.process.wait(PATIENCE) == 0
        assert not (receiver.folder / "address").exists()
        stopped = json.loads((receiver.folder / "service.log").read_text().splitlines()[-1])
        assert (stopped["message"], stopped["requests_waiting"]) == ("stopped", 1)

    files = [str(path) for path in (tmp_path / "r" / "log").glob("*.ndjson")]
    assert monitor_agent("pipeline", "validate", *files) == 0


def test_tls_and_the_token(tmp_path: Path) -> None:
    """As the other servers; strangers get 401, and REQUIRE_AUTH lets it listen beyond the loopback."""
    beyond = {"PIPELINE_RECEIVE_HOST": "0.0.0.0", "REQUIRE_AUTH": "true"}
    with receiving(tmp_path / "r", Authority(tmp_path / "tls"), **beyond) as receiver:
        assert receiver.address.scheme == "https"
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE))[0] == 202
        wrong = {**ce_headers(RESPONSE), "authorization": "Bearer wrong"}
        assert receiver.send(PREDICTIONS, wrong)[0] == 401


@pytest.mark.parametrize(
    ("table", "environ", "error"),
    [
        ("[receive.click]\ncolum = 1", {}, "receive.click.colum is unknown: did you mean column?"),
        ("[receive.click.inputs]\nprice = 'price'", {}, "receive.click.inputs.price is no field"),
        ("[receive.ubi.actions]\nview = 'seen'", {}, "receive.ubi.actions.view='seen' is unknown"),
        ("[receive.click]\nkind = 'ranker'", {}, "receive.click.kind='ranker' is unknown"),
        ("", {"PIPELINE_RECEIVE_TOKEN": "short"}, "PIPELINE_RECEIVE_TOKEN has less than 16 characters"),
        (
            "",
            {"PIPELINE_RECEIVE_HOST": "0.0.0.0", "REQUIRE_AUTH": "true"},
            "the receiver listens on 0.0.0.0 and would answer everybody who reaches it",
        ),
        ("", {"MODEL_LOG_DIR": "/proc/none"}, "events cannot be written to /proc/none"),
    ],
)
def test_a_wrong_setup_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    table: str,
    environ: dict[str, str],
    error: str,
) -> None:
    """The line names the setting, and what to do."""
    (tmp_path / "monitor.toml").write_text(table)
    settings = {"MODEL_LOG_DIR": str(tmp_path / "log"), "PIPELINE_RECEIVE_PORT": "0", **environ}
    for name, text in settings.items():
        monkeypatch.setenv(name, text)

    assert monitor_agent("--config", str(tmp_path / "monitor.toml"), "receive") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert error in last
