"""In spite of all faults, every accepted event arrives once, or it is a dead letter."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from monitor_agent.errors import PipelineError
from tests.factories import START, Document, make_prediction
from tests.pipelines import ROOT, PipelineSandbox, stop
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

FULL = "No space left on device"
pytestmark = pytest.mark.usefixtures("frequent_statistics")


def predictions(count: int, first: int = 0) -> list[Document]:
    return [make_prediction(START + timedelta(seconds=first + number)) for number in range(count)]


def ids(events: list[Document]) -> set[str]:
    return {event["event"]["id"] for event in events}


def test_a_storm_of_failures_loses_and_repeats_nothing(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Refused requests and documents, dropped connections and rotations: each event is there once, or a dead letter."""
    stand_in.faults = Faults(
        statuses={429: 0.1, 502: 0.03, 503: 0.05, 504: 0.03, 500: 0.02},
        items={429: 0.05, 503: 0.02, 400: 0.02},
        dropped_before=0.05,
        dropped_after=0.1,
        late=0.1,
        largest=10_000,
    )
    written: list[Document] = []
    with sandbox.running(batch_size=25):
        for number in range(16):
            events = predictions(50, first=number * 50)
            sandbox.append(*events)
            written += events
            if number % 4 == 0:
                (sandbox.logs / "events.ndjson").rename(sandbox.logs / f"events-{number}.ndjson")
        wait_until(lambda: len(stand_in.documents) >= len(written))
        wait_until(lambda: sandbox.statistics().get("delivered"))

    letters = {letter["event"]["id"] for letter in stand_in.of("model-deadletters").values()}
    assert set(stand_in.of("model-predictions")) == ids(written) - letters
    assert len(stand_in.documents) == len(written)
    expected = {"request 413", "request 429", "request 503", "item 400", "item 409", "item 429"}
    assert expected | {"dropped before", "dropped after"} <= set(stand_in.answers)


def test_a_killed_runner_loses_and_repeats_nothing(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """kill -9 at any moment: the next run continues behind the acknowledged lines."""
    random_ = random.Random(7)
    stand_in.faults = Faults(dropped_after=0.05, late=0.2)
    written = predictions(3000)
    for number in range(3):
        sandbox.append(*written[number * 1000 : (number + 1) * 1000], name=f"events-{number}.ndjson")
    for _ in range(3):
        goal = min(len(stand_in.documents) + random_.randrange(1, 900), len(written))
        process = sandbox.spawn()
        wait_until(lambda goal=goal: len(stand_in.documents) >= goal)
        process.kill()
        process.wait()
    process = sandbox.spawn()
    try:
        wait_until(lambda: set(stand_in.of("model-predictions")) == ids(written))
        wait_until(lambda: sandbox.statistics()["process"] == process.pid and sandbox.statistics()["delivered"])
    finally:
        stop(process)

    assert len(stand_in.documents) == len(written)
    assert stand_in.answers["item 201"] == len(written)


def test_a_stop_is_quick_and_delivered_lines_are_not_sent_again(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """SIGTERM: within two seconds, status 0, and the next run begins behind the delivered lines."""
    sandbox.append(*predictions(10))
    process = sandbox.spawn()
    wait_until(lambda: sandbox.statistics().get("delivered") and len(stand_in.documents) == 10)
    seconds = stop(process)
    sandbox.append(*predictions(1, first=10))
    with sandbox.running():
        wait_until(lambda: len(stand_in.documents) == 11)

    assert (process.returncode, seconds < 2.0) == (0, True)
    assert stand_in.answers["item 409"] == 0


def test_elasticsearch_may_come_later(tmp_path: Path) -> None:
    """While nothing listens, the runner reports that, waits and can be stopped; later it delivers."""
    with StandIn().serving() as gone:
        port = gone.port
    sandbox = PipelineSandbox(tmp_path, f"http://127.0.0.1:{port}", retry_seconds=0.1)
    written = predictions(10)
    sandbox.append(*written)
    process = sandbox.spawn()
    wait_until(lambda: "cannot be reached" in sandbox.statistics().get("trouble", ""))
    assert stop(process) < 2.0
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("batches_in_flight"))
        with StandIn(port=port).serving() as come:
            wait_until(lambda: set(come.of("model-predictions")) == ids(written))
            wait_until(lambda: sandbox.statistics()["trouble"] == "")


def test_another_address_is_tried_if_one_fails(stand_in: StandIn, tmp_path: Path) -> None:
    """With several addresses in ELASTICSEARCH_URL, one that is down causes no failure."""
    with StandIn().serving() as gone:
        down = gone.url
    sandbox = PipelineSandbox(tmp_path, f"{down},{stand_in.url}")
    sandbox.append(*predictions(10))
    with sandbox.running():
        wait_until(lambda: len(stand_in.documents) == 10)

    assert sandbox.statistics()["plugins"]["elasticsearch"]["failures"] == {}


@pytest.mark.parametrize(
    ("key", "authorization"), [("", "Basic cGlwZWxpbmVfd3JpdGVyOnNlY3JldA=="), ("aWQ6a2V5", "ApiKey aWQ6a2V5")]
)
def test_the_pipeline_authorizes_its_requests(
    stand_in: StandIn, sandbox: PipelineSandbox, key: str, authorization: str
) -> None:
    """With user and password, or with an API key instead."""
    sandbox.append(*predictions(1))
    with sandbox.running(api_key=key):
        wait_until(lambda: stand_in.documents)

    assert stand_in.authorization == authorization


def test_a_body_that_is_too_large_is_divided(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """413 for a request with many documents loses none of them."""
    stand_in.faults = Faults(largest=20_000)
    written = predictions(500)
    sandbox.append(*written)
    with sandbox.running():
        wait_until(lambda: set(stand_in.of("model-predictions")) == ids(written))

    assert stand_in.of("model-deadletters") == {}


def test_a_refused_document_is_a_dead_letter_and_blocks_nothing(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """400 for a document: its line is in a file and in the index of dead letters; the others are delivered."""
    good, bad = predictions(20), make_prediction(score=0.5, note="poison")
    sandbox.append(*good[:10], bad, *good[10:])
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))

    (letter,) = stand_in.of("model-deadletters-2026.03.02").values()
    assert set(stand_in.of("model-predictions")) == ids(good)
    assert orjson.loads(letter["message"]) == bad
    assert letter["http"]["response"]["status_code"] == 400
    (file,) = (sandbox.data / "dead_letters").glob("*.ndjson")
    assert [orjson.loads(line)["document"] for line in file.read_bytes().splitlines()] == [letter]


def test_missing_rights_are_reported_and_waited_for(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """403 drops nothing: the statistics name the role of the user; with rights, delivery continues."""
    stand_in.faults = Faults(items={403: 1.0})
    sandbox.append(*predictions(3))
    with sandbox.running():
        wait_until(lambda: "role pipeline_writer" in sandbox.statistics().get("trouble", ""))
        stand_in.faults = Faults()
        wait_until(lambda: len(stand_in.documents) == 3)

    assert stand_in.of("model-deadletters") == {}


def test_a_data_folder_has_one_runner(sandbox: PipelineSandbox) -> None:
    """A second runner would send everything twice, so it stops with an error of one line."""
    with sandbox.running():
        wait_until(sandbox.statistics)
        second = sandbox.spawn()
        assert second.wait(20) == 1

    (line,) = sandbox.log().splitlines()
    assert line.startswith(f"error: {sandbox.data} is used by another pipeline runner (process {os.getpid()})")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a disk of 64 KiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may make a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file that fills the disk of the folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return filler


@pytest.mark.parametrize("poison", ["", "poison"], ids=["positions", "dead letters"])
def test_a_full_disk_stops_the_runner_and_loses_nothing(
    stand_in: StandIn, sandbox: PipelineSandbox, small_disk: Path, poison: str
) -> None:
    """If a position or a dead letter cannot be written, the runner ends with one line; later it continues."""
    sandbox.append(*predictions(10))
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))
    filler = fill(small_disk)
    more = make_prediction(START + timedelta(minutes=1), note=poison)
    sandbox.append(more)

    with pytest.raises(PipelineError, match=FULL) as caught, sandbox.running() as context:
        wait_until(context.stopping.is_set)
    filler.unlink()
    with sandbox.running():
        wait_until(lambda: len(stand_in.documents) == 11)

    assert "\n" not in str(caught.value)
    assert "free disk space" in caught.value.hint


def test_the_statistics_report_progress_and_trouble(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """`pipeline stats`: delivered events, trouble and the delay; status 1 if the pipeline does not run."""

    def stats(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "monitor_agent", "pipeline", "stats", *arguments]
        environ = {**os.environ, **sandbox.environ()}
        return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)

    sandbox.append(*predictions(7))
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))
        stand_in.faults = Faults(statuses={503: 1.0})
        sandbox.append(*predictions(1, first=7))
        wait_until(lambda: sandbox.statistics()["trouble"])
        running = stats()
        document = orjson.loads(stats("--json").stdout)
    stopped = stats()

    assert (running.returncode, stopped.returncode) == (0, 1)
    assert re.search(r"^elasticsearch +7 +7 ", running.stdout, re.MULTILINE)
    assert "trouble: elasticsearch takes no documents now; trying again (status 503" in running.stdout
    assert document["inputs"]["model_server_log"]["bytes_behind"] > 0
    assert stopped.stdout.startswith("stopped")
