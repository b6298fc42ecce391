"""Odd files, folders and rights: every line arrives, nothing else is read, nothing is deleted too early."""

from __future__ import annotations

import ctypes
import os
import resource
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from monitor_agent.logstash.files import file_set
from tests.factories import START, Document, make_prediction
from tests.pipelines import PipelineSandbox, stop
from tests.stand_in import StandIn
from tests.waiting import wait_until

NOBODY = 65534
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_LEASE = 1, 2, 28
MANY = 1100
LIMIT = 1024


def predictions(count: int, first: int = 0) -> list[Document]:
    return [make_prediction(START + timedelta(seconds=first + number)) for number in range(count)]


def delivered(stand_in: StandIn, events: list[Document]) -> bool:
    """Return whether exactly these events are there."""
    return set(stand_in.of("model-predictions")) == {event["event"]["id"] for event in events}


def warnings_of(sandbox: PipelineSandbox) -> list[Document]:
    """Return the warnings about files in the log of the spawned pipelines."""
    lines = [orjson.loads(line) for line in sandbox.log().splitlines()]
    return [line for line in lines if line["log.level"] == "warning" and line.keys() & {"path", "most_open_files"}]


def test_more_files_than_may_be_open(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """All lines arrive, also those of files that grow later; connections, statistics and positions have descriptors."""
    events = predictions(2 * MANY)
    for number in range(MANY):
        sandbox.append(events[number], name=f"events-{number:05}.ndjson")
    process = sandbox.spawn(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)))
    try:
        wait_until(lambda: delivered(stand_in, events[:MANY]), 60)
        for number in range(MANY):
            sandbox.append(events[MANY + number], name=f"events-{number:05}.ndjson")
        wait_until(lambda: delivered(stand_in, events), 60)
        wait_until(lambda: sandbox.statistics()["delivered"])
    finally:
        stop(process)

    (warning,) = warnings_of(sandbox)
    assert "read in turns" in warning["message"]
    assert len(orjson.loads((sandbox.data / "model_server_log.positions.json").read_bytes())["files"]) == MANY


def test_files_that_are_gone_at_the_next_start(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Each is named with what was delivered; another file with the inode of one of them is not read."""
    events = predictions(6)
    for name, event in zip(("a", "b", "c"), events, strict=False):
        sandbox.append(event, name=f"{name}.ndjson")
    with sandbox.running():
        wait_until(lambda: delivered(stand_in, events[:3]))
        wait_until(lambda: sandbox.statistics().get("delivered"))
    sizes = {path.name: path.stat().st_size for path in sandbox.logs.iterdir()}
    (sandbox.logs / "archive").mkdir()
    sandbox.append(events[3], name="a.ndjson")
    (sandbox.logs / "a.ndjson").rename(sandbox.logs / "archive/a.ndjson")
    (sandbox.logs / "b.ndjson").rename(sandbox.logs / "b.ndjson.1.gz")
    inode = (sandbox.logs / "c.ndjson").stat().st_ino
    (sandbox.logs / "c.ndjson").write_text("token = not for anyone's eyes\n", encoding="utf-8")  # as if it were reused
    (sandbox.logs / "c.ndjson").rename(sandbox.logs / "private.key")
    (sandbox.logs / "b.ndjson.1.gz").write_bytes(b"\x1f\x8b")
    sandbox.append(events[4], name="a.ndjson")
    process = sandbox.spawn()
    try:
        wait_until(lambda: delivered(stand_in, [*events[:3], events[4]]))
    finally:
        stop(process)

    assert (sandbox.logs / "private.key").stat().st_ino == inode
    assert len(stand_in.documents) == 4
    reported = {Path(line["path"]).name: line["delivered_bytes"] for line in warnings_of(sandbox)}
    assert reported == sizes
    assert [line for line in warnings_of(sandbox) if "b.ndjson.1.gz" in line["remedy"]]


def test_any_name_of_a_file(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """A name that is not UTF-8 stops nothing: all lines arrive, once, with a path that can be read."""
    events = predictions(4)
    latin = os.fsdecode(b"caf\xe9.ndjson")
    sandbox.append(events[0])
    sandbox.append(events[1], b"malformed", name=latin)
    process = sandbox.spawn()
    wait_until(lambda: delivered(stand_in, events[:2]) and len(stand_in.documents) == 3)
    wait_until(lambda: sandbox.statistics().get("delivered"))
    stop(process)
    sandbox.append(events[2], name=latin)
    process = sandbox.spawn()
    try:
        wait_until(lambda: delivered(stand_in, events[:3]))
    finally:
        stop(process)

    assert process.returncode == 0
    assert stand_in.answers["item 409"] == 0
    (letter,) = stand_in.of("model-deadletters").values()
    assert letter["log"]["file"]["path"] == f"{sandbox.logs}/caf\\xe9.ndjson"


@pytest.mark.parametrize("name", ["data [prod]", "{a,b}?", "ä ö*"])
def test_any_name_of_a_folder(stand_in: StandIn, tmp_path: Path, name: str) -> None:
    """The folder of the event files and the data folder may contain signs of patterns."""
    sandbox = PipelineSandbox(tmp_path / name, stand_in.url)
    events = predictions(1)
    sandbox.append(*events)
    with sandbox.running():
        wait_until(lambda: delivered(stand_in, events))


def test_a_line_without_an_end(stand_in: StandIn, sandbox: PipelineSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not behind while it waits; as soon as the file is rotated, it is delivered."""
    monkeypatch.setattr(file_set, "GONE_SECONDS", 0.1)
    events = predictions(3)
    sandbox.append(events[0])
    path = sandbox.logs / "events.ndjson"
    with path.open("ab") as stream:
        stream.write(orjson.dumps(events[1]))
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))
        backlog = sandbox.statistics()["inputs"]["model_server_log"]
        assert (backlog["bytes_behind"], backlog["unfinished_bytes"]) == (0, len(orjson.dumps(events[1])))
        assert delivered(stand_in, events[:1])
        path.rename(path.with_name("events.1.ndjson"))
        sandbox.append(events[2])
        wait_until(lambda: delivered(stand_in, events))


def drop_rights() -> None:
    """Take the rights on other accounts' files from the next program of this process, which root starts."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_LEASE):
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another account")
@pytest.mark.parametrize("secret", ["logs", "logs/events.ndjson"])
def test_rights_that_come_later(sandbox: PipelineSandbox, stand_in: StandIn, secret: str) -> None:
    """A folder or a file that cannot be read is named once; it is read as soon as that is possible."""
    events = predictions(1)
    sandbox.append(*events)
    path = sandbox.folder / secret
    path.chmod(0o700)
    os.chown(path, NOBODY, NOBODY)
    process = sandbox.spawn(preexec_fn=drop_rights)
    try:
        wait_until(lambda: "Permission denied" in sandbox.log() or process.poll() is not None)
        path.chmod(0o755)
        wait_until(lambda: delivered(stand_in, events))
    finally:
        stop(process)

    assert sandbox.log().count("Permission denied") == 1
    assert str(path) in sandbox.log()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of another account")
def test_a_file_of_another_owner_is_not_removed(sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """The system does not say whether such a file is being written: it stays, and a warning says what to do."""
    events = predictions(2)
    sandbox.append(events[0])
    path = sandbox.logs / "events.ndjson"
    os.chown(path, NOBODY, NOBODY)
    process = sandbox.spawn({"PIPELINE_REMOVE_AFTER": "10ms"}, preexec_fn=drop_rights)
    try:
        with path.open("ab") as writer:
            wait_until(lambda: "CAP_LEASE" in sandbox.log() or process.poll() is not None)
            writer.write(orjson.dumps(events[1]) + b"\n")
        wait_until(lambda: delivered(stand_in, events))
    finally:
        stop(process)

    assert path.exists()
    (warning,) = warnings_of(sandbox)
    assert warning["path"] == str(path)
