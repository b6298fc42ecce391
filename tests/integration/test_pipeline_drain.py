"""`pipeline run --drain`: after SIGTERM, the runner delivers what the event files hold before it ends."""

from __future__ import annotations

import signal
import subprocess

import orjson
import pytest

from tests.factories import make_prediction
from tests.pipelines import PipelineSandbox, stop
from tests.stand_in import StandIn
from tests.waiting import wait_until

EVENTS = 3000
DOWN = (503, "text/plain", b"down")


def events(number: int) -> list[bytes]:
    """Return lines of predictions."""
    template = make_prediction()
    lines = []
    for index in range(number):
        template["event"]["id"] = template["prediction"]["id"] = f"prediction-{index}"
        lines.append(orjson.dumps(template))
    return lines


def start(sandbox: PipelineSandbox, drain: str) -> subprocess.Popen[bytes]:
    """Start a runner that works."""
    process = sandbox.spawn(arguments=("--drain", drain))
    wait_until(lambda: sandbox.statistics().get("state") == "running", 30)
    return process


def test_the_rest_of_the_files_is_delivered(sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """Lines that nobody could deliver before the signal arrive after it, then the runner ends with 0."""
    stand_in.faults.page = DOWN
    process = start(sandbox, "60s")
    sandbox.append(*events(EVENTS))
    wait_until(lambda: stand_in.answers, 30)

    process.send_signal(signal.SIGTERM)
    stand_in.faults.page = None

    assert process.wait(60) == 0
    assert len(stand_in.of("model-predictions")) == EVENTS
    assert sandbox.statistics()["delivered"]
    assert "stopped before everything was delivered" not in sandbox.log()


def test_lines_after_the_signal_are_delivered(sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """A file that grows while the runner drains is read to its end."""
    stand_in.faults.page = DOWN
    process = start(sandbox, "60s")
    lines = events(EVENTS)
    sandbox.append(*lines[:100])
    wait_until(lambda: stand_in.answers, 30)
    process.send_signal(signal.SIGTERM)
    sandbox.append(*lines[100:], name="events.0001.ndjson")
    stand_in.faults.page = None

    assert process.wait(60) == 0
    assert len(stand_in.of("model-predictions")) == EVENTS


@pytest.mark.parametrize("way", ["after the time", "by a second signal"])
def test_draining_ends(way: str, sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """While Elasticsearch is down, the time or a second signal ends it; a warning says so, and the next run goes on."""
    stand_in.faults.page = DOWN
    process = start(sandbox, "200ms" if way == "after the time" else "1h")
    sandbox.append(*events(10))
    wait_until(lambda: stand_in.answers, 30)

    process.send_signal(signal.SIGTERM)
    if way == "by a second signal":
        wait_until(lambda: "what the inputs hold is delivered first" in sandbox.log(), 20)
        process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert "stopped before everything was delivered" in sandbox.log()
    stand_in.faults.page = None
    again = start(sandbox, "60s")
    stop(again)
    assert len(stand_in.of("model-predictions")) == 10


def test_nothing_to_deliver_ends_at_once(sandbox: PipelineSandbox) -> None:
    """A runner that has delivered everything does not wait."""
    process = start(sandbox, "1h")

    assert stop(process) < 10
    assert process.returncode == 0
