"""The loop of the HTTP server and Flask answer `/predict` alike, and log the same events."""

from __future__ import annotations

import gc
import gzip
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import structlog

from model_server.api_keys import FEEDBACK, PREDICT, ApiKeys, add_key
from model_server.app import create_app
from model_server.batch_tickets import Ticket
from model_server.batching import Batcher
from model_server.direct_predict import DirectPredict
from model_server.model_service import ModelService, ServiceDependencies
from model_server.prepared_request import PreparedRequest
from model_server.request_counters import RequestCounters
from model_server.signatures.instance_inputs import InstanceInputs
from monitor_agent import log
from monitor_agent.http_serving.direct import DirectRequest
from monitor_agent.http_serving.server import ServedApplication
from monitor_agent.settings import ServerSettings
from tests.running_server import PATIENCE, Reply, RunningServer, exchange, running
from tests.unit.model_server.factories import IDS, TEXTS, FunctionEngine, make_serving
from tests.unit.monitor_agent.prediction_log.factories import (
    file_size_limit,
    lines_in,
    make_log,
    make_prediction_log,
    sequences,
)

TO_FLASK = {"Sec-Fetch-Site": "none"}
"""A header that leaves a request to Flask, and changes nothing else: a person has typed the address."""
JSON = {"Content-Type": "application/json"}
CHANGING = ("id", "created", "sequence", "duration", "queue_time", "compute_time", "@timestamp", "prediction_id")
DETAILED = {
    **TEXTS,
    "item_id": "79",
    "position": 3,
    "propensity": 0.5,
    "shadow": True,
    "features": {"price": 3, "colour": "red", "other": 1},
    "ranking": {"id": "list", "rank": 2, "size": 9},
    "context": {"session_id": "s", "user_id": "u", "query": "red hat", "labels": {"scene": "ad"}},
}
BODIES: dict[str, Any] = {
    "ids": IDS,
    "texts": TEXTS,
    "details": DETAILED,
    "a batch": {"instances": [IDS, TEXTS, {**IDS, "position": 2}], "context": {"labels": {"scene": "search"}}},
    "no instance": {"instances": []},
    "an unknown field": {**IDS, "surprise": 1},
    "a wrong type": {**IDS, "input_seq": "text"},
    "a wrong label": {**IDS, "context": {"labels": {"planet": "x"}}},
    "an error with labels": {**IDS, "position": 0, "context": {"labels": {"scene": "ad"}}},
    "no object": [1],
    "no JSON": b"{",
    "nothing": b"",
    "no UTF-8": b"\xff",
    "too many instances": {"instances": [IDS] * 9},
    "too large": b" " * 5000,
    "a line too long": {**TEXTS, "features": {f"other{number}": "x" * 1000 for number in range(3)}},
    "what the model cannot do": {**TEXTS, "text_a": "bad"},
    "a score that is none": {**TEXTS, "text_a": "wrong"},
}
HEADERS = {
    "plain": {},
    "an id": {"X-Request-Id": "shop-7"},
    "an id that is none": {"X-Request-Id": "a b"},
    "a trace": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
    "another type": {"Content-Type": "text/plain"},
    "a type with characters": {"Content-Type": "application/json; charset=utf-8"},
    "a page": {"Origin": "https://shop.example.org"},
    "a foreign page": {"Origin": "https://evil.example"},
    "a proxy": {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Host": "shop.example.org"},
    "a key": {"Authorization": "Bearer unknown"},
    "no room": {"Content-Encoding": "br"},
}


def scores(inputs: list[Any]) -> list[float]:
    """Score each instance by its first word or id; some words have none."""
    found_scores = []
    for entry in inputs:
        first = entry.values[0]
        word = first.item() if first.ndim == 0 else first[0]
        if word == b"bad":
            raise ValueError("bad input")
        found_scores.append(7.0 if word == b"wrong" else 0.25)
    return found_scores


class World:
    """A model server in this process, and its events."""

    def __init__(self, server: RunningServer, folder: Path, batcher: Batcher) -> None:
        self.server = server
        self.folder = folder
        self.batcher = batcher

    def post(self, body: Any, headers: dict[str, str]) -> tuple[Reply, list[Any]]:
        """Return the answer to a request, and the events that it has left."""
        before = len(lines_in(self.folder))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = self.server.client()
        reply = exchange(client, "POST", "/predict", data, {**JSON, **headers})
        client.close()
        return reply, lines_in(self.folder)[before:]


@contextmanager
def world(
    folder: Path,
    compute: Callable[[list[Any]], Any] = scores,
    keys: ApiKeys | None = None,
    timeout: float = PATIENCE,
    **settings: Any,
) -> Iterator[World]:
    chosen = ServerSettings(
        numeric_features=("price",),
        categorical_features=("colour",),
        max_instances=8,
        max_body_bytes=4000,
        log_other_features=True,
        predict_timeout=timedelta(seconds=timeout),
        **settings,
    )
    event_log = make_log(folder)
    prediction_log = make_prediction_log(event_log)
    served_models = make_serving(chosen, FunctionEngine(compute), prediction_log)
    batcher = served_models.models["click"].versions["7"].content.batcher
    batcher.start()
    service = ModelService(ServiceDependencies(chosen, prediction_log, lambda: served_models, lambda: served_models))
    counters = RequestCounters(service.figures)

    def clock() -> datetime:
        return datetime.now(timezone.utc)

    served = ServedApplication(
        create_app(service, counters, clock, keys),
        2,
        chosen.max_body_bytes,
        answers_refusals=True,
        direct=DirectPredict(service, counters, clock, keys),
    )
    try:
        with running(served) as server:
            yield World(server, folder, batcher)
    finally:
        batcher.stop()
        event_log.close()


def steady(value: Any, request_id: str) -> Any:
    """Return a decoded value without what differs from request to request."""
    if isinstance(value, dict):
        return {name: steady(entry, request_id) for name, entry in value.items() if name not in CHANGING}
    if isinstance(value, list):
        return [steady(entry, request_id) for entry in value]
    return "its id" if value == request_id else value


def comparable(reply: Reply, events: list[Any]) -> Any:
    request_id = reply.headers["X-Request-Id"]
    headers = {name: value for name, value in reply.headers.items() if name != "Content-Length"}
    return reply.status, steady(headers, request_id), steady(json.loads(reply.body), request_id), steady(events, "")


@pytest.mark.parametrize("origins", [(), ("https://shop.example.org",)])
def test_both_ways_give_the_same_answers_and_events(tmp_path: Path, origins: tuple[str, ...]) -> None:
    """All kinds of bodies with plain headers, and all kinds of headers with a plain body."""
    kinds = [(name, body, {}) for name, body in BODIES.items()]
    kinds += [(name, IDS, headers) for name, headers in HEADERS.items()]
    kinds.append(("gzip", gzip.compress(json.dumps(IDS).encode()), {"Content-Encoding": "gzip"}))
    with world(tmp_path, allowed_origins=origins) as served:
        for name, body, headers in kinds:
            direct, flask = (comparable(*served.post(body, {**more, **headers})) for more in ({}, TO_FLASK))
            assert direct == flask, name


def test_requests_leave_nothing_to_the_collector(tmp_path: Path) -> None:
    """What belongs to a request is freed with its answer: no circle of references waits for Python's collector."""
    kinds = (DirectRequest, Ticket, PreparedRequest, InstanceInputs)
    with world(tmp_path) as served:
        served.post(IDS, {})
        gc.collect()
        gc.disable()
        try:
            for body in (IDS, {"instances": [IDS] * 8}, TEXTS):
                served.post(body, {})
            until = time.monotonic() + PATIENCE
            while left := [entry for entry in gc.get_objects() if isinstance(entry, kinds)]:
                assert time.monotonic() < until, left
        finally:
            gc.enable()


def test_a_key_is_asked_for_on_both_ways(tmp_path: Path) -> None:
    """Without the right key the answer is a refusal, with it a prediction, whichever way the request goes."""
    path = tmp_path / "keys.json"
    now = datetime.now(timezone.utc)
    right, other = add_key(path, "shop", [PREDICT], now), add_key(path, "clicks", [FEEDBACK], now)
    with world(tmp_path / "log", keys=ApiKeys(path)) as served:
        for key, status in ((right, 200), (other, 403), ("unknown", 401)):
            for header in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
                replies = [served.post(IDS, {**header, **more})[0] for more in ({}, TO_FLASK)]
                assert [reply.status for reply in replies] == [status, status]


def test_a_model_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    """The loop goes on: a request that waits gets 504, other pages are answered, and later requests succeed."""
    gate, entered = threading.Event(), threading.Event()
    gate.set()

    def compute(inputs: list[Any]) -> list[float]:
        entered.set()
        assert gate.wait(PATIENCE)
        return [0.5 for _ in inputs]

    with world(tmp_path, compute, timeout=0.5) as served, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert served.post(IDS, {})[0].status == 200
        gate.clear()
        entered.clear()
        waiting = [pool.submit(lambda: served.post(IDS, {})[0].status) for _ in range(4)]
        assert entered.wait(PATIENCE)
        assert exchange(served.server.client(), "GET", "/healthz", b"", {}).status == 200
        statuses = [future.result(PATIENCE) for future in waiting]
        gate.set()

        assert statuses == [504] * 4
        assert served.post(IDS, {})[0].status == 200


@pytest.fixture
def service_log() -> Iterator[None]:
    """Keep the service log out of files, whose size a test limits."""
    before = structlog.get_config()
    log.configure("model-server", stream=io.StringIO())
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("service_log")
def test_a_full_disk_refuses_all_requests_of_a_write(tmp_path: Path) -> None:
    """Requests that are written together get 503; then the next one is answered, and no number is missing."""
    gate, entered = threading.Event(), threading.Event()

    def compute(inputs: list[Any]) -> list[float]:
        entered.set()
        assert gate.wait(PATIENCE)
        return [0.5 for _ in inputs]

    with world(tmp_path, compute) as served:
        clients = [served.server.client() for _ in range(20)]
        for client in clients:
            client.request("POST", "/predict", json.dumps(IDS), JSON)
            assert entered.wait(PATIENCE)
        while served.batcher.depth < 19:
            time.sleep(0.005)
        with file_size_limit(10):
            gate.set()
            replies = [client.getresponse() for client in clients]
            kinds = {json.loads(reply.read())["error"]["type"] for reply in replies}
        for client in clients:
            client.close()
        reply, _ = served.post(IDS, {})

    assert {reply.status for reply in replies} == {503}
    assert {reply.headers["Retry-After"] for reply in replies} == {"5"}
    assert kinds == {"EventLogError"}
    assert reply.status == 200
    assert sequences(tmp_path) == [1]


def test_singles_share_large_batches(tmp_path: Path) -> None:
    """More requests than the server has threads are computed together, and each gets its own answer."""
    gate, entered = threading.Event(), threading.Event()
    sizes: list[int] = []

    def compute(inputs: list[Any]) -> list[float]:
        sizes.append(len(inputs))
        entered.set()
        assert gate.wait(PATIENCE)
        return [float(entry.values[1][0]) / 100 for entry in inputs]

    def send(number: int) -> HTTPConnection:
        client = served.server.client()
        body = {"input_seq": [number], "input_mask": [1], "segment_ids": [0]}
        client.request("POST", "/predict", json.dumps(body), JSON)
        return client

    def answer(client: HTTPConnection) -> float:
        prediction: float = json.loads(client.getresponse().read())["prediction"]
        client.close()
        return prediction

    with world(tmp_path, compute) as served:
        clients = [send(1)]
        assert entered.wait(PATIENCE)
        clients += [send(number) for number in range(2, 40)]
        while served.batcher.depth < 38:
            time.sleep(0.005)
        gate.set()

        assert [answer(client) for client in clients] == pytest.approx([number / 100 for number in range(1, 40)])
    assert sizes == [1, 38]
