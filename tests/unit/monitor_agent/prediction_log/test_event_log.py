"""The event log loses nothing, numbers all events, and writes a request whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from monitor_agent.errors import LineTooLongError, LogWriteError, SettingsError
from tests.unit.monitor_agent.prediction_log.factories import file_size_limit, make_lines, make_log, sequences


def test_events_are_numbered_in_file_order(tmp_path: Path) -> None:
    """The sequence starts at 1, has no gaps, and follows the file; each event has its time of creation."""
    log = make_log(tmp_path)
    log.append(make_lines(3))
    log.append(make_lines(2))

    (path,) = tmp_path.glob("*.ndjson")
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"]["sequence"] for line in written] == [1, 2, 3, 4, 5]
    assert {line["event"]["created"] for line in written} == {"2026-11-23T10:00:00.123456Z"}
    assert path == log.path
    assert path.name == f"events-{log.node.replace(':', '-')}.ndjson"


def test_a_request_s_lines_go_out_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader never sees half of a line or of a request."""
    sizes: list[int] = []
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: sizes.append(len(data)) or real_write(descriptor, data))
    log = make_log(tmp_path)

    log.append(make_lines(3))

    assert sizes == [log.path.stat().st_size]


def test_the_lines_of_several_requests_go_out_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this thread, at the end of the block; a line that is too long refuses its request alone."""
    sizes: list[int] = []
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: sizes.append(len(data)) or real_write(descriptor, data))
    log = make_log(tmp_path)

    with log.together():
        log.append(make_lines(2))
        with pytest.raises(LineTooLongError):
            log.append(make_lines(1, "x" * 40_000))
        other = threading.Thread(target=lambda: log.append(make_lines(1, "other")))
        other.start()
        other.join()
        before = sequences(tmp_path)
        log.append(make_lines(3))
    with log.together():
        pass

    assert (before, len(sizes)) == ([1], 2)
    assert sequences(tmp_path) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("may_lose", "numbers"), [((True, True), [1, 5]), ((True, False), [1, 2])])
def test_requests_that_are_written_together_fail_together(
    tmp_path: Path, may_lose: tuple[bool, bool], numbers: list[int]
) -> None:
    """If the events of one request may not be lost, the block ends with an error, and no number is used."""
    log = make_log(tmp_path)
    log.append(make_lines(1))

    def write_together() -> None:
        with log.together():
            log.append(make_lines(1), may_lose=may_lose[0])
            log.append(make_lines(2), may_lose=may_lose[1])

    with file_size_limit(log.path.stat().st_size + 10):
        if all(may_lose):
            write_together()
        else:
            with pytest.raises(LogWriteError, match="File too large"):
                write_together()
    log.append(make_lines(1))

    assert sequences(tmp_path) == numbers
    assert log.failures == 1


def test_eight_threads_leave_no_gap(tmp_path: Path) -> None:
    """With concurrent writers and many rotations, each number is there once and each line is whole."""
    log = make_log(tmp_path, rotate_bytes=4096, sync_seconds=0.001)

    def write() -> None:
        for _ in range(100):
            log.append(make_lines(3))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert sequences(tmp_path) == list(range(1, 2401))
    assert len(list(tmp_path.glob("*.ndjson"))) > 10


def test_rotation_renames_the_file(tmp_path: Path) -> None:
    """The full file keeps its inode under a name that still matches `*.ndjson`; the new one has the old name."""
    log = make_log(tmp_path, rotate_bytes=300)
    log.append(make_lines(1, "a" * 200))
    inode = log.path.stat().st_ino
    log.append(make_lines(1, "b" * 200))

    (rotated,) = set(tmp_path.glob("*.ndjson")) - {log.path}
    assert rotated.stat().st_ino == inode
    assert rotated.name == log.path.name.replace(".ndjson", ".0001.ndjson")
    assert "aaa" in rotated.read_text()
    assert "bbb" in log.path.read_text()


def test_a_line_that_is_too_long_is_refused_whole(tmp_path: Path) -> None:
    """If one event is above 32 KiB, the whole request is refused and uses no number."""
    log = make_log(tmp_path)

    with pytest.raises(LineTooLongError) as refused:
        log.append([*make_lines(1), *make_lines(1, "x" * 40_000)])
    log.append(make_lines(1))

    assert refused.value.index == 1
    assert sequences(tmp_path) == [1]


def test_lines_that_do_not_fit_leave_nothing_behind(tmp_path: Path) -> None:
    """If the system writes only the beginning of a request, it is removed; the next request leaves no gap."""
    log = make_log(tmp_path)
    log.append(make_lines(2))
    before = log.path.read_bytes()

    with file_size_limit(len(before) + 150), pytest.raises(LogWriteError, match="events cannot be written"):
        log.append(make_lines(5))
    after = log.path.read_bytes()
    log.append(make_lines(3))

    assert after == before
    assert sequences(tmp_path) == [1, 2, 3, 4, 5]
    assert log.failures == 1


def test_a_service_log_on_the_same_full_disk_changes_nothing(tmp_path: Path) -> None:
    """If the failure cannot be logged either, the request is still refused with the reason."""
    events = make_log(tmp_path)
    logger = logging.getLogger("monitor_agent.prediction_log")
    with (tmp_path / "service.log").open("w") as stream:
        logger.addHandler(handler := logging.StreamHandler(stream))
        try:
            with file_size_limit(0), pytest.raises(LogWriteError, match="File too large"):
                events.append(make_lines(1))
            events.append(make_lines(1))
        finally:
            logger.removeHandler(handler)

    assert sequences(tmp_path) == [1]
    assert "events cannot be written (file.path=" in (tmp_path / "service.log").read_text()


def test_two_logs_of_one_moment_have_two_names(tmp_path: Path) -> None:
    """A process may open two logs at once, and containers may have the same host and process id."""
    first, second = make_log(tmp_path), make_log(tmp_path)
    first.append(make_lines(1))
    second.append(make_lines(2))

    assert first.node != second.node
    assert first.path != second.path
    assert sequences(tmp_path) == [1, 1, 2]


def test_it_reports_a_problem_until_it_can_write(tmp_path: Path) -> None:
    """After a failure the log has a problem as long as writing fails; then it recovers by itself."""
    log = make_log(tmp_path)
    log.append(make_lines(1))
    assert log.problem() == ""

    with file_size_limit(log.path.stat().st_size + 10):
        with pytest.raises(LogWriteError):
            log.append(make_lines(1))
        assert log.problem() == "File too large"

    assert log.problem() == ""
    assert [path for path in tmp_path.iterdir() if path != log.path] == []


def test_a_file_that_was_moved_is_replaced(tmp_path: Path) -> None:
    """Somebody moved or removed the file: the next events go to a new file."""
    log = make_log(tmp_path)
    log.append(make_lines(1))
    log.path.rename(tmp_path / "elsewhere.ndjson")
    log.append(make_lines(1))
    log.path.unlink()
    log.append(make_lines(1))

    assert [line["event"]["sequence"] for line in map(json.loads, log.path.read_text().splitlines())] == [3]
    assert sequences(tmp_path) == [1, 3]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """The error names the folder, the reason and the setting."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"events cannot be written to .*/file/log \(.+\): name another folder"):
        make_log(tmp_path / "file" / "log")


def test_closing_forces_everything_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files, also the rotated ones, are synced before the process ends."""
    synced: set[int] = set()
    real_sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.add(os.fstat(file).st_ino), real_sync(file))[1])
    log = make_log(tmp_path, rotate_bytes=300, sync_seconds=3600.0)
    for _ in range(3):
        log.append(make_lines(1, "x" * 200))
    log.close()
    with pytest.raises(LogWriteError, match="closed"):
        log.append(make_lines(1))

    assert {path.stat().st_ino for path in tmp_path.glob("*.ndjson")} <= synced


def test_a_log_without_events_leaves_no_file(tmp_path: Path) -> None:
    """A start that fails leaves no empty file."""
    make_log(tmp_path).close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("group_read", "modes"), [(False, (0o700, 0o600)), (True, (0o750, 0o640))])
@pytest.mark.parametrize("umask", [0, 0o077])
def test_only_the_owner_reads_events_unless_the_group_may(
    tmp_path: Path, group_read: bool, modes: tuple[int, int], umask: int
) -> None:
    """The umask changes nothing."""
    folder, before = tmp_path / "log", os.umask(umask)
    try:
        log = make_log(folder, group_read=group_read)
        log.close()
        log = make_log(folder, group_read=group_read)
        log.append(make_lines(1))
    finally:
        os.umask(before)

    assert stat.S_IMODE(folder.stat().st_mode) == modes[0]
    assert stat.S_IMODE(log.path.stat().st_mode) == modes[1]
    log.close()
