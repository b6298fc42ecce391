"""The model server as a process, with a real SavedModel, connections and files."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.ecs import DATASET_RELEASE

TEXTS = {"text_a": "ua81ce ub03a5 ucc2e4 udf975 affinity0 history0 right hour2", "text_b": "item14 price4 ia3 ib2 ic2"}
IDS = {"input_seq": [2, 5, 3, 6, 3, 0], "input_mask": [1, 1, 1, 1, 1, 0], "segment_ids": [0, 0, 0, 1, 1, 0]}
READY_SECONDS = 180.0


class Server:
    """A model server in a separate process."""

    def __init__(self, folder: Path, model: Path, **environ: str) -> None:
        self.log_dir = folder / "log"
        self.service_log = folder / "service.log"
        self.address_file = folder / "address"
        settings = {"MODEL_SERVER_PORT": "0", "MODEL_SERVER_MODEL_DIR": str(model), "MODEL_LOG_DIR": str(self.log_dir)}
        command = [sys.executable, "-m", "model_server", "serve", "--address-file", str(self.address_file)]
        with self.service_log.open("w") as stream:
            self.process = subprocess.Popen(
                command, env={**os.environ, **settings, **environ}, stdout=stream, stderr=subprocess.STDOUT
            )

    def wait_ready(self) -> None:
        """Return when the server has written its address."""
        until = time.monotonic() + READY_SECONDS
        while not self.address_file.exists():
            assert self.process.poll() is None, self.service_log.read_text()
            assert time.monotonic() < until, "it did not get ready"
            time.sleep(0.02)

    def connect(self) -> Client:
        return Client(self.address_file.read_text().strip())

    def events(self) -> list[dict[str, Any]]:
        """Return the events of requests in all its files, in the order of their numbers."""
        return [event for event in self.all_events() if event["event"]["dataset"] != DATASET_RELEASE]

    def all_events(self) -> list[dict[str, Any]]:
        """Return the events in all its files, in the order of their numbers."""
        lines = [json.loads(line) for path in self.log_dir.glob("*.ndjson") for line in path.read_text().splitlines()]
        return sorted(lines, key=lambda line: line["event"]["sequence"])

    def numbers(self) -> list[int]:
        """Return the numbers of all events."""
        return [event["event"]["sequence"] for event in self.all_events()]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Client:
    """A connection that stays open for several requests."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        self.address = (address.hostname, address.port)
        self._connection = http.client.HTTPConnection(*self.address, timeout=60)

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and decoded answer; `body` is sent as JSON, or unchanged if it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if answer.getheader("Content-Type") == "application/json" else content

    def predict(self, body: Any) -> Any:
        """Return the answer to a prediction request, which must succeed."""
        status, answer = self.send("POST", "/predict", body)
        assert status == 200, answer
        return answer

    @property
    def local_port(self) -> int:
        port: int = self._connection.sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, saved_model: Path) -> Iterator[Server]:
    """Yield the server that most of these tests share; Ctrl-C ends it cleanly."""
    started = Server(tmp_path_factory.mktemp("server"), saved_model)
    try:
        started.wait_ready()
        yield started
        assert started.end(signal.SIGINT) == 0
    finally:
        started.clean_up()


@pytest.fixture
def replay_server(tmp_path: Path, saved_model: Path) -> Iterator[Server]:
    """Yield a server that the test may stop; its clients may set the time, and its files are small."""
    started = Server(tmp_path, saved_model, MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS="true", MODEL_LOG_ROTATE_BYTES="20000")
    try:
        started.wait_ready()
        yield started
    finally:
        started.clean_up()


def test_one_instance_of_ids(server: Server, saved_model: Path) -> None:
    """The answer comes after the event line is in the file; both have the same score and label."""
    card = json.loads((saved_model / "1" / "model.json").read_text())

    answer = server.connect().predict(IDS)

    event = server.events()[-1]
    assert event["prediction"]["id"] == answer["prediction_id"]
    assert event["prediction"]["score"] == answer["prediction"] == float(np.float32(answer["prediction"]))
    assert event["prediction"]["label"] == answer["label"] == int(answer["prediction"] >= card["threshold"])
    assert answer["model"] == {"name": "click", "version": "1"}
    assert uuid7.time_of(answer["prediction_id"])


def test_a_batch_of_both_forms(server: Server) -> None:
    """Ids and texts in one batch get the same scores as in separate requests, at any place of the batch."""
    client = server.connect()
    alone = client.predict({"instances": [TEXTS]})["predictions"][0]["score"], client.predict(IDS)["prediction"]
    longer = {name: values[:5] + values[1:5] for name, values in IDS.items()}

    together = client.predict({"instances": [TEXTS, IDS, longer, {**TEXTS, "text_b": "x " * 500}, TEXTS]})

    scores = [prediction["score"] for prediction in together["predictions"]]
    assert scores[0] == pytest.approx(alone[0], rel=1e-5)
    assert scores[1] == pytest.approx(alone[1], rel=1e-5)
    assert scores[4] == pytest.approx(alone[0], rel=1e-5)
    best = sorted(range(5), key=lambda index: -scores[index])
    assert [together["predictions"][index]["rank"] for index in best] == [1, 2, 3, 4, 5]


def test_feedback_is_logged_for_its_day(server: Server) -> None:
    """A click has the time of its prediction, which comes from the prediction's id."""
    client = server.connect()
    prediction_id = client.predict({"instances": [TEXTS]})["predictions"][0]["prediction_id"]

    status, answer = client.send("POST", "/feedback", {"prediction_id": prediction_id, "type": "click"})

    event = server.events()[-1]
    assert (status, answer) == (202, {"event_ids": [event["event"]["id"]]})
    predicted_at = uuid7.time_of(prediction_id)
    assert predicted_at
    assert event["prediction"]["timestamp"] == predicted_at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def test_a_refusal_keeps_the_connection(server: Server) -> None:
    """Bad requests and a good request after them are answered on the same connection."""
    client = server.connect()
    client.send("GET", "/healthz")
    port = client.local_port

    statuses = [
        client.send("POST", "/predict", b"{")[0],
        client.send("POST", "/predict", {"instances": [{**IDS, "input_mask": [1]}]})[0],
        client.send("GET", "/predict")[0],
        client.send("POST", "/nothing", {})[0],
        client.send("POST", "/predict", b" " * 2_000_000)[0],
        client.send("POST", "/predict", IDS)[0],
    ]

    assert statuses == [400, 400, 405, 404, 413, 200]
    assert client.local_port == port


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        (b"GARBAGE\r\n\r\n", 400, "BadRequest"),
        (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413, "BodyTooLargeError"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 300_000 + b"\r\n\r\n", 431, "RequestHeaderFieldsTooLarge"),
        (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            400,
            "Valid",
        ),
    ],
)
def test_invalid_http_is_answered_as_json(server: Server, sent: bytes, status: int, kind: str) -> None:
    """Broken HTTP, too large bodies and chunked bodies get an answer of the usual form, and an event."""
    with socket.create_connection(server.connect().address, timeout=10) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())["error"]

    assert answer.status == status
    assert error["type"].startswith(kind)
    assert server.events()[-1]["error"] == {"type": error["type"], "message": error["message"]}


def test_concurrent_requests_share_batches(server: Server) -> None:
    """Eight clients at once get the right answers; they share batches, and the numbers have no gap."""

    def predict(number: int) -> list[str]:
        client = server.connect()
        body = {"instances": [{**TEXTS, "item_id": str(number)}] * 2}
        answers = [client.predict(body)["predictions"] for _ in range(15)]
        return [prediction["prediction_id"] for answer in answers for prediction in answer]

    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(predict, range(8)))

    events = server.events()
    items = {event["event"]["id"]: event["item"]["id"] for event in events if "item" in event}
    assert server.numbers() == list(range(1, len(server.numbers()) + 1))
    for number, identifiers in enumerate(answered):
        assert {items[identifier] for identifier in identifiers} == {str(number)}
    assert max(event["prediction"]["batch_size"] for event in events if "item" in event) > 2


def test_a_full_disk_refuses_until_there_is_space(server: Server) -> None:
    """While the files may not grow, nothing is accepted; afterwards the numbers continue without a gap."""
    client, pid = server.connect(), server.process.pid
    client.predict(IDS)
    (path,) = server.log_dir.glob("*.ndjson")
    before, limits = path.read_bytes(), resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        refused = client.send("POST", "/predict", IDS), client.send("POST", "/feedback", feedback())
        ready = client.send("GET", "/readyz"), client.send("GET", "/healthz")
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    assert [(status, answer["error"]["type"]) for status, answer in refused] == [(503, "EventLogError")] * 2
    assert [status for status, _ in ready] == [503, 200]
    assert path.read_bytes() == before
    assert client.send("GET", "/readyz")[0] == 200
    client.predict(IDS)
    assert server.numbers() == list(range(1, len(server.numbers()) + 1))


def feedback() -> dict[str, str]:
    return {"prediction_id": "p1", "type": "click"}


def test_a_replay_sets_the_time_and_stopping_finishes_the_requests(replay_server: Server) -> None:
    """Events have the time of the client; after SIGTERM under load, requests in flight are answered and logged."""
    client, moment = replay_server.connect(), "2019-11-24T00:00:01.250000Z"
    first = client.predict({"timestamp": moment, "instances": [TEXTS]})["predictions"][0]["prediction_id"]
    client.send("POST", "/feedback", {**feedback(), "event_id": "e1", "timestamp": moment})
    predicted_at = uuid7.time_of(first)
    assert predicted_at
    assert predicted_at.isoformat() == "2019-11-24T00:00:01.250000+00:00"
    assert [event["@timestamp"] for event in replay_server.events()] == [moment, moment]

    answered = stop_under_load(replay_server)

    events = replay_server.events()
    assert {event["event"]["id"] for event in events} == {first, "e1", *answered}
    assert replay_server.numbers() == list(range(1, len(replay_server.numbers()) + 1))
    assert len(list(replay_server.log_dir.glob("*.ndjson"))) > 3
    assert not replay_server.address_file.exists()
    messages = [json.loads(line)["message"] for line in replay_server.service_log.read_text().splitlines()]
    assert messages[:3] == ["loading the model", "version loaded", "ready"]
    assert messages[-1] == "stopped"
    assert "requests cut off" not in messages


def stop_under_load(server: Server) -> list[str]:
    """Let six clients send requests without a pause, stop the server, and return the ids of its predictions."""
    answered: list[str] = []
    busy = threading.Event()

    def predict_until_closed() -> None:
        client = server.connect()
        while True:
            try:
                answer = client.predict({"instances": [TEXTS] * 8})
            except ConnectionError:  # an idle connection was closed, or the server no longer listens
                return
            answered.extend(prediction["prediction_id"] for prediction in answer["predictions"])
            if len(answered) > 200:
                busy.set()

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(predict_until_closed) for _ in range(6)]
        assert busy.wait(60)
        assert server.end() == 0
        assert [client.result(30) for client in clients] == [None] * 6
    return answered
