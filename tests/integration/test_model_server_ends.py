"""The model server ends under load: by kill -9, and by SIGTERM with requests in flight."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_model_server import IDS, TEXTS, Server
from tests.waiting import wait_until

CLIENTS = 8
SEED = 5
SIZES = (1, 1, 3, 40)
IN_FLIGHT = 12


class Predictions:
    """Clients that send requests until the server ends, and the ids of all answered predictions."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def have(self, count: int) -> bool:
        """Return whether there are more than `count`."""
        return len(self.ids) > count

    def collect(self, server: Server, number: int) -> None:
        """Send one request after the other over one connection, until it breaks."""
        client, size = server.connect(), SIZES[number % len(SIZES)]
        body = {"instances": [IDS, TEXTS, *[IDS] * size][:size]}
        while True:
            try:
                answer = client.predict(body)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):  # the answer is not whole
                return
            self.ids.extend(prediction["prediction_id"] for prediction in answer["predictions"])


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Return the events of all files; only what follows the last line break may be no whole line."""
    events = []
    for path in folder.glob("*.ndjson"):
        events += [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return events


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_kill_9_under_load_loses_and_repeats_nothing(rounds: int, tmp_path: Path, saved_model: Path) -> None:
    """Every answered prediction is in the files, whole and once, however many servers were killed on the folder."""
    dice, answered = random.Random(SEED), Predictions()
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        server = Server(folder, saved_model, MODEL_LOG_DIR=str(tmp_path / "log"), MODEL_LOG_ROTATE_BYTES="100000")
        try:
            server.wait_ready()
            enough = len(answered.ids) + dice.randrange(200, 1500)
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(answered.collect, server, place) for place in range(CLIENTS)]
                wait_until(partial(answered.have, enough), 120)
                server.process.kill()
                assert [client.result(30) for client in clients] == [None] * CLIENTS
        finally:
            server.clean_up()

    events = lines_of(tmp_path / "log")
    times = Counter(event["event"]["id"] for event in events)
    assert set(answered.ids) <= set(times)
    assert len(set(answered.ids)) == len(answered.ids)
    assert [identifier for identifier, count in times.items() if count > 1] == []
    for node in {event["service"]["node"]["name"] for event in events}:
        numbers = [event["event"]["sequence"] for event in events if event["service"]["node"]["name"] == node]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_sigterm_answers_every_accepted_request(tmp_path: Path, saved_model: Path) -> None:
    """Large requests that wait for the model, and for a thread, are all answered and logged before the process ends."""
    server = Server(tmp_path, saved_model, MODEL_SERVER_THREADS="4", MODEL_SERVER_MAX_QUEUE="100000")
    body = {"instances": [TEXTS] * 300}
    try:
        server.wait_ready()
        connected = threading.Barrier(IN_FLIGHT + 1)
        sent = threading.Barrier(IN_FLIGHT + 1)

        def predict() -> tuple[int, Any]:
            connection = http.client.HTTPConnection(*server.connect().address, timeout=60)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            connected.wait(60)
            connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
            sent.wait(60)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            clients = [pool.submit(predict) for _ in range(IN_FLIGHT)]
            connected.wait(60)
            sent.wait(60)
            status = server.end()
            answers = [client.result(30) for client in clients]
    finally:
        server.clean_up()

    assert status == 0
    assert [code for code, _ in answers] == [200] * IN_FLIGHT
    ids = {prediction["prediction_id"] for _, answer in answers for prediction in answer["predictions"]}
    assert ids == {event["event"]["id"] for event in server.events()}
    assert len(ids) == 300 * IN_FLIGHT
