"""Each program of `docs/examples` runs, and the pipeline accepts all lines that it writes."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.http_serving.listener import bind
from tests.command_line import monitor_agent
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}
SCORES = "item-1 0.25\nitem-2 0.75\nitem-3 5e-1\n"


def events_in(folder: Path) -> list[dict[str, Any]]:
    """Return the events in a folder, after the pipeline has accepted all of them."""
    files = sorted(folder.glob("*.ndjson"))
    assert monitor_agent("pipeline", "validate", *map(str, files)) == 0
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def run(command: Sequence[str | Path], text: str = "", **environ: str) -> str:
    """Return what a program prints."""
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        capture_output=True,
        text=True,
        env={**ENVIRON, **environ},
        cwd=EXAMPLES,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def post(url: str, body: Any) -> Any:
    """Return the decoded answer to a body; nothing while the server starts."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except ConnectionError:
        return None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionError):
            return None
        raise


def test_every_example_is_in_the_table() -> None:
    """The page names each file of the folder."""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    assert sorted(name for name in names if f"({name})" not in page) == []


def test_the_shell_script(tmp_path: Path) -> None:
    """It logs each score that a program prints, and a click later."""
    printed = run(["sh", "writer.sh", tmp_path, "ranker", "7"], SCORES)
    rows = [line.split() for line in printed.splitlines()]
    run(["sh", "writer.sh", tmp_path, "click", rows[1][1], rows[1][2]])

    events = events_in(tmp_path)
    predictions = {event["item"]["id"]: event for event in events if event["event"]["dataset"] == "model.prediction"}
    (click,) = [event for event in events if event["event"]["dataset"] == "model.feedback"]
    assert [predictions[item]["prediction"]["id"] for item, _, _ in rows] == [identifier for _, identifier, _ in rows]
    assert [predictions[item]["prediction"]["label"] for item, _, _ in rows] == [0, 1, 1]
    assert click["prediction"] == {"id": rows[1][1], "timestamp": predictions["item-2"]["@timestamp"]}


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_the_go_program(tmp_path: Path) -> None:
    """It numbers its lines, and its ids hold the time."""
    printed = run(["go", "run", "writer.go", tmp_path / "log", "ranker", "7"], SCORES)

    events = events_in(tmp_path / "log")
    assert [event["event"]["sequence"] for event in events] == [1, 2, 3]
    assert [event["prediction"]["id"] for event in events] == [line.split()[1] for line in printed.splitlines()]
    assert all(uuid7.time_of(event["event"]["id"]) is not None for event in events)


def test_the_batch_job(tmp_path: Path) -> None:
    """It logs the scores of a table, and the truth of some rows; a second run of the labels changes no id."""
    header = "customer,tenure,calls,churned\n"
    rows = [f"c{number},{number % 7},{number % 5},{int(number % 7 < 3)}\n" for number in range(60)]
    (tmp_path / "training.csv").write_text(header + "".join(rows))
    (tmp_path / "new.csv").write_text(header + "".join(rows[:10]))
    job, log = [sys.executable, "batch_job.py"], tmp_path / "log"

    output = run([*job, tmp_path / "training.csv", tmp_path / "new.csv", log])
    scored = list(csv.DictReader(io.StringIO(output)))
    outcomes = [{**row, "churned": "1" if number < 2 else ""} for number, row in enumerate(scored)]
    with (tmp_path / "outcomes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, outcomes[0])
        writer.writeheader()
        writer.writerows(outcomes)
    for _ in range(2):
        run([*job, "--labels", tmp_path / "outcomes.csv", log])

    events = events_in(log)
    predictions = [event for event in events if event["event"]["dataset"] == "model.prediction"]
    labels = [event for event in events if event["event"]["dataset"] == "model.feedback"]
    assert [event["prediction"]["id"] for event in predictions] == [row["prediction_id"] for row in scored]
    assert predictions[1]["features"]["numeric"] == {"tenure": 1.0, "calls": 1.0}
    assert not any("ranking" in event for event in predictions)
    assert len(labels) == 4
    assert {event["event"]["id"] for event in labels} == {row["prediction_id"] for row in scored[:2]}


def test_the_handler_of_torchserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers each request of a batch, and each of them is a ranked list of its own."""
    (tmp_path / "weights.json").write_text('{"price": -1.0}')
    monkeypatch.setenv("MODEL_LOG_DIR", str(tmp_path / "log"))
    handler = load("torchserve_handler").ClickHandler()
    context = SimpleNamespace(
        system_properties={"model_dir": str(tmp_path)},
        manifest={"model": {"modelName": "click", "modelVersion": "2.0"}},
        get_request_id=lambda number: f"request-{number}",
    )
    cheap, dear = ({"item": item, "features": {"price": price}} for item, price in (("a", -1.0), ("b", 1.0)))
    body = json.dumps({"instances": [cheap, dear]}).encode()

    handler.initialize(context)
    answers = handler.handle([{"body": body}, {"data": [dear]}], context)
    handler.log.close()

    events = events_in(tmp_path / "log")
    assert [len(answer) for answer in answers] == [2, 1]
    assert [answer["label"] for answer in answers[0]] == [1, 0]
    ids = [row["prediction_id"] for answer in answers for row in answer]
    assert [event["prediction"]["id"] for event in events] == ids
    assert [event["http"]["request"]["id"] for event in events] == ["request-0", "request-0", "request-1"]
    assert {event["prediction"]["batch_size"] for event in events} == {3}
    assert events[0]["model"] == {"name": "click", "version": "2.0"}


def test_the_fastapi_service(tmp_path: Path) -> None:
    """A page is ranked and a click is taken; a wrong field is answered with its path."""
    pytest.importorskip("fastapi")
    with bind("127.0.0.1", 0, "the service", "free a port") as listener:
        listener.listen()
        descriptor, port = listener.fileno(), listener.getsockname()[1]
        service = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "fastapi_service:app", "--fd", str(descriptor)],
            env={**ENVIRON, "SCORES_LOG_DIR": str(tmp_path)},
            cwd=EXAMPLES,
            pass_fds=[descriptor],
        )
    url = f"http://127.0.0.1:{port}"
    items = [{"id": "a", "position": 1, "price": 2.0}, {"id": "b", "position": 2, "price": -2.0, "affinity": 1}]
    try:
        ranked = wait_until(lambda: post(f"{url}/rank", {"user": "u1", "query": "boots", "items": items}), 60)
        clicked = post(f"{url}/click", {"prediction_id": ranked[1]["prediction_id"], "id": "click-1"})
        with pytest.raises(urllib.error.HTTPError, match="422"):
            post(f"{url}/rank", {"user": "u1", "items": []})
    finally:
        service.terminate()
        assert service.wait(60) in (0, -15)

    events = events_in(tmp_path)
    assert [row["rank"] for row in ranked] == [2, 1]
    assert [event["prediction"]["id"] for event in events] == [
        *(row["prediction_id"] for row in ranked),
        ranked[1]["prediction_id"],
    ]
    assert clicked == {"event_ids": ["click-1"]}
    assert events[0]["labels"] == {"scene": "search"}
    assert events[0]["ranking"]["size"] == 2


def load(name: str) -> Any:
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
