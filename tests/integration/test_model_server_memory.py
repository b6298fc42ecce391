"""The memory of a model server that runs for long."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.foreign_models import models
from tests.integration.test_model_server import Server

CLIENTS = 4
BATCH = 500
WARM, MANY = 10_000, 1_000_000
ROTATE_BYTES = 16 << 20
MOST_GROWTH = 1.05


def memory(server: Server) -> int:
    """Return the resident memory of a server, KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident
    return int(resident[1])


def predict(server: Server, count: int) -> None:
    """Send `count` predictions in large bodies; between them singles, feedback and requests that are refused."""
    client, rotated = server.connect(), "events-*.[0-9][0-9][0-9][0-9].ndjson"
    instances = [{"inputs": {"x": [0.1, number / BATCH, -1.5]}, "item_id": str(number)} for number in range(BATCH)]
    for number in range(count // BATCH):
        person = {"user_id": f"u{number}", "session_id": f"s{number}"}
        answer = client.predict({"instances": instances, "context": person})
        click = {"prediction_id": answer["predictions"][0]["prediction_id"], "type": "click"}
        assert client.send("POST", "/feedback", click)[0] == 202
        assert client.send("POST", f"/nothing/{number}", {})[0] == 404
        assert client.send("POST", "/predict", {"instances": [{f"unknown{number}": 1}]})[0] == 400
        for path in server.log_dir.glob(rotated):  # a pipeline would have read it
            path.unlink(missing_ok=True)


@pytest.mark.soak
def test_a_million_predictions_take_no_more_memory_than_ten_thousand(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """While the event log rotates, and each request has another person."""
    models()["a matrix of floats"].save(tmp_path / "models" / "1")
    server = Server(tmp_path, tmp_path / "models", MODEL_LOG_ROTATE_BYTES=str(ROTATE_BYTES))
    try:
        server.wait_ready()
        sizes = []
        for total in (WARM, MANY - WARM):
            with ThreadPoolExecutor(CLIENTS) as pool:
                for sent in [pool.submit(predict, server, total // CLIENTS) for _ in range(CLIENTS)]:
                    sent.result()
            sizes.append(memory(server))
        assert server.end() == 0
    finally:
        server.clean_up()

    record_property("KiB", sizes)
    assert sizes[1] <= MOST_GROWTH * sizes[0]
