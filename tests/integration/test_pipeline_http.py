"""Feedback from a shop's front end: the answer comes when it is on disk, and it is delivered like all events."""

from __future__ import annotations

import base64
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from monitor_agent.logstash.delivery.letter_lines import line_of
from tests.factories import make_prediction
from tests.pipelines import PIPELINE, ROOT, PipelineSandbox, stop
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

SCRIPT = runpy.run_path(str(ROOT / "scripts/run_cases_with_logstash.py"))
HTTP_CASES = SCRIPT["CASES"] / "http"
LINE = '"message":"listening for events"'


class FrontEnd:
    """A pipeline with the http input on, and a client of it."""

    def __init__(self, sandbox: PipelineSandbox, **options: Any) -> None:
        self.sandbox = sandbox
        environ = {
            **sandbox.environ(),
            "PIPELINE_HTTP": "on",
            "PIPELINE_HTTP_PORT": "0",
            "PIPELINE_HTTP_USERNAME": "shop",
            "PIPELINE_HTTP_PASSWORD": "a secret",
        }
        sandbox.folder.mkdir(parents=True, exist_ok=True)
        self._log = sandbox.folder / "pipeline.log"
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitor_agent", "pipeline", "run", "-f", str(PIPELINE)],
                env={**os.environ, **environ},
                cwd=ROOT,
                stderr=log,
                **options,
            )
        wait_until(lambda: LINE in self._log.read_text()[before:] or self.process.poll() is not None)
        (record,) = [line for line in self._log.read_text()[before:].splitlines() if LINE in line]
        self.port = orjson.loads(record)["port"]
        self._url = f"http://127.0.0.1:{self.port}/"
        self._headers = urllib3.make_headers(basic_auth="shop:a secret")

    def headers(self, **headers: str | None) -> dict[str, str]:
        """Return the headers of a request with JSON; None leaves one out."""
        changed = {**self._headers, "Content-Type": "application/json", **headers}
        return {name: value for name, value in changed.items() if value is not None}

    def post(self, body: object, **options: object) -> int:
        """Post a body and return the status; bytes are sent unchanged."""
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        options.setdefault("headers", self._headers)
        return urllib3.request("POST", self._url, body=sent, retries=False, **options).status  # type: ignore[arg-type]


@pytest.fixture
def front_end(sandbox: PipelineSandbox) -> Iterator[FrontEnd]:
    """Yield a front end whose pipeline runs."""
    client = FrontEnd(sandbox)
    try:
        yield client
    finally:
        stop(client.process)


def click(**event: object) -> dict[str, object]:
    identifier = str(make_prediction()["prediction"]["id"])
    return {"event": event, "prediction": {"id": identifier}, "feedback": {"type": "click"}}


def event_ids(stand_in: StandIn) -> list[str]:
    """Return the event ids of all stored documents."""
    return [document["event"]["id"] for document in stand_in.of("model-").values()]


def test_a_click_becomes_feedback(front_end: FrontEnd, stand_in: StandIn) -> None:
    """One object or a list; a click that is sent twice is stored once, and its sender is not stored."""
    named, unnamed = click(id="click-1"), click()
    assert [front_end.post(body) for body in (named, [unnamed, unnamed], named)] == [200, 200, 200]

    wait_until(lambda: len(stand_in.of("model-feedback")) == 2 and stand_in.answers["item 409"] == 2)

    (stored,) = [
        document for document in stand_in.of("model-feedback").values() if document["event"]["id"] == "click-1"
    ]
    assert stored["event"]["dataset"] == "model.feedback"
    assert stored["feedback"] == {"type": "click", "status": "new"}
    assert set(stored) == {"@timestamp", "event", "prediction", "feedback"}


def test_feedback_without_an_id_is_known_by_what_it_says(front_end: FrontEnd, stand_in: StandIn) -> None:
    """A click that is taken back and two purchases are four events; a purchase that is sent twice is one."""
    clicked = click()
    words = [{"type": "click"}, {"type": "click", "label": 0}]
    words += [{"type": "purchase", "value": value} for value in (10, 20, 20)]

    assert front_end.post([{**clicked, "feedback": fields} for fields in words]) == 200

    wait_until(lambda: len(stand_in.of("model-feedback")) == 4 and stand_in.answers["item 409"] == 1)


def test_bodies_give_the_documents_of_a_real_logstash(front_end: FrontEnd, stand_in: StandIn) -> None:
    """The golden bodies of `logstash/cases/http`: types, charsets, compression, lists, names, times and sizes."""
    stand_in.faults = Faults(refused=b'"labels":{"refuse":')
    refused = {}
    for body in orjson.loads((HTTP_CASES / "bodies.json").read_bytes()):
        sent = base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode()
        status = front_end.post(sent, headers=front_end.headers(**body.get("headers", {})))
        if status != 200:
            refused[body["name"]] = status
    expected = SCRIPT["expected"]("http/bodies", "runner")
    wait_until(lambda: len(stand_in.documents) >= len(expected))

    stored = [
        {"_index": index, "_id": identifier, "_source": source}
        for (index, identifier), source in stand_in.documents.items()
    ]
    assert refused == {"gzip bad": 400, "too large": 413}
    assert SCRIPT["comparable"](stored, "", "") == expected


def test_invalid_feedback_is_a_dead_letter(front_end: FrontEnd, stand_in: StandIn) -> None:
    """Malformed, incomplete and oversized bodies are accepted and become dead letters with different reasons."""
    for body in (b"not json", {"feedback": {"type": "click"}}, {**click(), "text": "x" * 40_000}, b'{"\xff": 1}'):
        assert front_end.post(body) == 200

    wait_until(lambda: len(stand_in.of("model-deadletters")) == 4)

    reasons = sorted(letter["error"]["type"] for letter in stand_in.of("model-deadletters").values())
    assert reasons == ["malformed", "malformed", "no prediction.id or feedback.type", "oversized"]


def test_the_http_input_needs_the_password(front_end: FrontEnd, stand_in: StandIn) -> None:
    """Without it the answer is 401, and nothing is stored; a body that is far too large is refused unread."""
    assert front_end.post(click(), headers={}) == 401
    assert front_end.post(click(), headers=urllib3.make_headers(basic_auth="shop:guessed")) == 401
    assert front_end.post(b"x" * 200_000) == 413
    assert front_end.post(click(id="the last")) == 200

    wait_until(lambda: stand_in.documents)
    assert event_ids(stand_in) == ["the last"]


def test_an_answered_request_survives_a_kill(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """200 means on disk: after kill -9 while Elasticsearch is down, the next run delivers it."""
    stand_in.faults = Faults(statuses={503: 1.0})
    first = FrontEnd(sandbox)
    assert [first.post(click(id=str(number))) for number in range(20)] == [200] * 20
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    stand_in.faults = Faults()
    second = FrontEnd(sandbox)
    try:
        wait_until(lambda: len(stand_in.of("model-feedback")) == 20)
        spool = second.sandbox.data / "http-shop_front_end"
        wait_until(lambda: len(list(spool.glob("*.ndjson"))) == 1)
    finally:
        stop(second.process)


def test_the_name_of_the_data_folder_may_look_like_a_pattern(stand_in: StandIn, tmp_path: Path) -> None:
    """An accepted click is delivered, whatever signs are in PIPELINE_DATA_DIR."""
    client = FrontEnd(PipelineSandbox(tmp_path / "data [prod] {a,b}* \\1", stand_in.url))
    try:
        assert client.post(click(id="click-1")) == 200
        wait_until(lambda: event_ids(stand_in) == ["click-1"])
    finally:
        stop(client.process)


def test_more_clients_than_descriptors_stop_nothing(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Connections that say nothing leave descriptors to the rest of the pipeline; a further client waits its turn."""
    client = FrontEnd(sandbox, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    try:
        idle = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(100)]
        sandbox.append(make_prediction())
        wait_until(lambda: stand_in.of("model-predictions"))
        for connection in idle:
            connection.close()
        assert client.post(click(id="click-1")) == 200
        wait_until(lambda: len(stand_in.of("model-feedback")) == 1)
    finally:
        assert stop(client.process) < 5
    assert client.process.returncode == 0


def test_a_refused_click_can_be_sent_again(front_end: FrontEnd, stand_in: StandIn) -> None:
    """Its dead letter has the text of the request; as a line of a file it becomes the event that was refused."""
    stand_in.faults = Faults(refused=b'"labels":{"refuse":')
    plain = click()
    body = {name: plain[name] for name in ("prediction", "feedback")} | {"labels": {"refuse": "x"}}
    front_end.post(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    wait_until(lambda: stand_in.of("model-deadletters"))
    (letter,) = stand_in.of("model-deadletters").values()
    stand_in.faults = Faults()

    front_end.sandbox.append(line_of(letter).encode())

    wait_until(lambda: stand_in.of("model-feedback"))
    (stored,) = stand_in.of("model-feedback").values()
    assert orjson.loads(letter["message"]) == body
    assert (stored["event"]["id"], stored["@timestamp"]) == (letter["event"]["id"], letter["@timestamp"])
    assert (stored["prediction"], stored["feedback"]["type"]) == (body["prediction"], "click")
