"""Requests whose response comes after the end of the process: the journal has them, within its bounds."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.receiving import waiting_requests
from monitor_agent.settings import SourceMapping
from tests.source_requests import INSTANCES, PREDICTIONS, REQUEST, RESPONSE, LocalReceiver, ce_headers, local_receiver

MAPPINGS = {"click": SourceMapping(inputs={"features.numeric.price": "price"})}
PRICES = [2.5, 1.0]


def send(receiver: LocalReceiver, role: str, identifier: str, body: Any = None) -> None:
    """Send one event that must be taken."""
    body = body or (INSTANCES if role == REQUEST else PREDICTIONS)
    answer = receiver.send(body, ce_headers(role, identifier))
    assert answer.status == 202, answer.json


def prices(receiver: LocalReceiver) -> list[float | None]:
    """Return the feature of each prediction in the files."""
    return [line.get("features", {}).get("numeric", {}).get("price") for line in receiver.lines()]


def journals(folder: Path) -> list[Path]:
    """Return the journals in a folder."""
    return sorted(folder.glob("*.journal"))


def test_a_response_after_a_restart_has_the_features_of_its_request(tmp_path: Path) -> None:
    """Also one that comes again; the file is its owner's alone, and a line that is broken off costs no other."""
    with local_receiver(tmp_path, MAPPINGS) as receiver:
        send(receiver, REQUEST, "waits")
        send(receiver, REQUEST, "answered")
        send(receiver, RESPONSE, "answered")
    (journal,) = journals(tmp_path)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    with journal.open("ab") as stream:
        stream.write(b'{"key":["shop/click","half"],"until"')

    with local_receiver(tmp_path, MAPPINGS) as receiver:
        assert receiver.figure("requests_waiting") == 1
        send(receiver, RESPONSE, "waits")
        send(receiver, RESPONSE, "answered")
        assert receiver.figure("requests_waiting") == 0
        assert receiver.figure("responses_without_request_total") == 0
        assert prices(receiver) == PRICES * 3


def test_requests_whose_time_is_over_are_not_on_disk(tmp_path: Path) -> None:
    """They hold what clients sent, in clear."""
    with local_receiver(tmp_path, MAPPINGS, wait=timedelta(0)) as receiver:
        send(receiver, REQUEST, "late")
        receiver.receiver.waiting.tidy()
        assert [path.read_bytes() for path in journals(tmp_path)] == [b""]
    with local_receiver(tmp_path, MAPPINGS) as receiver:
        send(receiver, RESPONSE, "late")
        assert prices(receiver) == [None, None]


def test_the_journal_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays within twice what is remembered; the newest requests are in it."""
    monkeypatch.setattr(waiting_requests, "SMALLEST_JOURNAL", 10_000)
    with local_receiver(tmp_path, MAPPINGS, max_waiting_bytes=20_000) as receiver:
        sizes = []
        for number in range(200):
            send(receiver, REQUEST, str(number))
            sizes.append(journals(tmp_path)[0].stat().st_size)
        assert max(sizes) <= 2 * 20_000
    with local_receiver(tmp_path, MAPPINGS) as receiver:
        send(receiver, RESPONSE, "199")
        assert prices(receiver) == PRICES


def test_what_was_accepted_is_soon_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as the event files, while the receiver runs; the interval 0 never does."""
    synced, real_sync = threading.Event(), os.fsync

    def note(file: int) -> None:
        real_sync(file)
        if os.fstat(file).st_ino in {path.stat().st_ino for path in journals(tmp_path)}:
            synced.set()

    monkeypatch.setattr(os, "fsync", note)
    with local_receiver(tmp_path, MAPPINGS, sync_interval=timedelta(milliseconds=20)) as receiver:
        send(receiver, REQUEST, "first")
        assert synced.wait(60)
    synced.clear()
    with local_receiver(tmp_path, MAPPINGS, sync_interval=timedelta(0)) as receiver:
        send(receiver, REQUEST, "second")
    assert not synced.is_set()


def test_two_receivers_of_a_folder_have_a_journal_each(tmp_path: Path) -> None:
    """Neither takes the requests of the other."""
    with local_receiver(tmp_path, MAPPINGS) as first, local_receiver(tmp_path, MAPPINGS) as second:
        send(first, REQUEST, "first")
        send(second, REQUEST, "second")
        identifiers = [json.loads(path.read_text().splitlines()[0])["key"][1] for path in journals(tmp_path)]
    assert identifiers == ["first", "second"]


def test_a_request_that_cannot_be_kept_is_not_accepted(tmp_path: Path) -> None:
    """The answer is 503, and nothing of it is left; the next one is taken."""
    with local_receiver(tmp_path, MAPPINGS) as receiver:
        (journal,) = journals(tmp_path)
        size = journal.stat().st_size
        _limit_files_to(size + 100)
        try:
            answer = receiver.send(INSTANCES, ce_headers(REQUEST, "full"))
        finally:
            _limit_files_to(None)
        assert answer.status == 503
        assert "cannot be written" in answer.json["error"]["message"]
        assert journal.stat().st_size == size
        send(receiver, REQUEST, "next")
        assert receiver.figure("requests_waiting") == 1


def _limit_files_to(size: int | None) -> None:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
