"""`monitor-agent up`: the whole product as a user runs it, from its addresses to the Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.http_auth import authorization_headers
from tests.waiting import processes_in, wait_until

PORTS = ("STACK_HTTP_PORT", "MODEL_SERVER_PORT", "DASHBOARDS_PORT", "MONITOR_HEALTH_PORT")


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that is deleted afterwards; if root runs the test, Elasticsearch's own account must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def request_json(url: str, body: Any = None, user: tuple[str, str] | None = None) -> Any:
    """Return the decoded answer of a GET, or of a POST of `body`."""
    headers = {"Content-Type": "application/json"}
    if user:
        headers |= authorization_headers(*user)
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, content, headers), timeout=30) as answer:
        return json.load(answer)


def hits(search: str, user: tuple[str, str]) -> int:
    """Return the number of documents that a search finds; 0 also if a new index is not ready yet."""
    try:
        return int(request_json(search, user=user)["hits"]["total"]["value"])
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return 0


def test_a_click_becomes_a_metric_and_ctrl_c_ends_all_processes(workspace: Path, saved_model: Path) -> None:
    """The output is enough for a user: the server's address, the analyst's password, the dashboards."""
    environ = {
        **os.environ,
        **dict.fromkeys(PORTS, "0"),
        "STACK_DATA_DIR": str(workspace / "stack"),
        "PIPELINE_DATA_DIR": str(workspace / "pipeline"),
        "MODEL_LOG_DIR": str(workspace / "log"),
        "MODEL_SERVER_MODEL_DIR": str(saved_model),
        "MONITOR_PERIOD": "1s",
    }
    command = [sys.executable, "-m", "monitor_agent", "up"]
    up = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert up.stdout is not None
    try:
        lines = []
        for line in up.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        addresses = {line[:17].strip(): line[17:].split() for line in lines if "http" in line}
        analyst = next(line.split() for line in lines if line.startswith("user") and "analyst" in line)
        instances = [{"text_a": "ua81ce left hour3", "text_b": "item14 price2"}]
        answer = request_json(addresses["model server"][0], {"instances": instances})
        prediction_id = answer["predictions"][0]["prediction_id"]
        request_json(addresses["model server"][1], {"prediction_id": prediction_id, "type": "click"})
        windows = f"{addresses['Elasticsearch'][0]}/model_performance/_search?ignore_unavailable=true&q=matched:1"
        wait_until(lambda: hits(windows, (analyst[1], analyst[2])) > 0, 60)
        assert "error" not in request_json(f"{addresses['dashboards'][0]}/dashboards/model-quality/data")
    finally:
        up.send_signal(signal.SIGINT)
        rest, _ = up.communicate(timeout=60)
    assert up.returncode == 0, "".join(lines) + rest
    assert "stopping model-server" in rest
    assert processes_in(workspace) == []
