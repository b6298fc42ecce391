"""API keys of a running model server: made, used and ended by commands, and found nowhere."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.test_model_server import IDS, READY_SECONDS, Server

PRIVATE = 0o600


def keys(path: Path, *arguments: str) -> str:
    """Run the command `keys` and return its standard output."""
    command = [sys.executable, "-m", "model_server", "keys", *arguments]
    environ = {**os.environ, "MODEL_SERVER_API_KEYS": str(path)}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout


def post(server: Server, key: str) -> int:
    """Return the status of the answer to a prediction request."""
    connection = http.client.HTTPConnection(urlsplit(server.address_file.read_text().strip()).netloc, timeout=60)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    connection.request("POST", "/predict", json.dumps(IDS), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_key_works_until_it_is_removed_and_is_found_nowhere(tmp_path: Path, saved_model: Path) -> None:
    """The server needs no restart; neither its files nor its log hold the key."""
    path = tmp_path / "keys" / "keys.json"
    key = keys(path, "add", "shop", "--rights", "predict").strip()
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server", saved_model, MODEL_SERVER_API_KEYS=str(path))
    try:
        server.wait_ready()
        assert [post(server, sent) for sent in ("", "mmk_unknown", key)] == [401, 401, 200]

        keys(path, "remove", "shop")
        until = time.monotonic() + READY_SECONDS
        while post(server, key) != 401:
            assert time.monotonic() < until, "the removed key still works"
            time.sleep(0.05)
        assert server.end() == 0
    finally:
        server.clean_up()

    assert {event["event"]["dataset"] for event in server.events()} == {"model.prediction"}
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if key.encode() in file.read_bytes()] == []
    assert stat.S_IMODE(path.stat().st_mode) == PRIVATE
