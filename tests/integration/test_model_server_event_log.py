"""The event log on a full disk and in a forked process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor_agent.errors import LogWriteError
from monitor_agent.prediction_log.event_log import EventLog
from tests.unit.monitor_agent.prediction_log.factories import make_lines, make_log, sequences


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """On a full disk no request is half written; when there is space again, the next request is written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=256k tmpfs {disk}") != 0:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "ballast").write_bytes(b"x" * 220 * 1024)
        log = make_log(disk)
        with pytest.raises(LogWriteError, match="No space left on device"):
            append_until_refused(log)
        problem, accepted = log.problem(), log.written
        (disk / "ballast").unlink()
        assert (problem, log.problem()) == ("No space left on device", "")
        log.append(make_lines(1))

        assert sequences(disk) == list(range(1, accepted + 2))
        log.close()
    finally:
        os.system(f"umount {disk}")


def append_until_refused(log: EventLog) -> None:
    for _ in range(100):
        log.append(make_lines(2, "x" * 900))


def test_a_forked_child_may_not_write(tmp_path: Path) -> None:
    """Numbers and file belong to one process: its child is refused, and the file stays unchanged."""
    log = make_log(tmp_path)
    log.append(make_lines(1))

    child = os.fork()
    if child == 0:
        os._exit(_status_of_append(log))
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 7
    assert sequences(tmp_path) == [1]


def _status_of_append(log: EventLog) -> int:
    try:
        log.append(make_lines(1))
    except LogWriteError:
        return 7
    return 0
