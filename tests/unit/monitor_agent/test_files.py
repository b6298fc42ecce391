"""A file is replaced whole or not at all, a lock has one holder, and an address file is there while a server is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.files import FileLock, address_file, is_locked, read_address, replace_file


def full_disk(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_replaced_file_holds_the_new_content_only(tmp_path: Path) -> None:
    """Text and bytes; nothing else is left in the folder."""
    path = tmp_path / "positions.json"
    replace_file(path, b"a long old content")
    replace_file(path, "new ü", sync=True, concurrent=True)

    assert path.read_bytes() == "new ü".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("concurrent", [False, True])
def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, concurrent: bool
) -> None:
    """The old content, and no draft."""
    path = tmp_path / "positions.json"
    replace_file(path, b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new", sync=True, concurrent=concurrent)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_forced_to_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the rename it would be too late: a power cut would leave an empty file."""
    path, names = tmp_path / "key", []
    monkeypatch.setattr(os, "fsync", lambda _descriptor: names.append([entry.name for entry in tmp_path.iterdir()]))
    replace_file(path, b"content")
    assert names == []

    path.unlink()
    replace_file(path, b"content", sync=True)
    assert names == [["key.tmp"]]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    """Neither the permissions of an old draft nor a link in its place matter."""
    path, elsewhere = tmp_path / "passwords.json", tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    (tmp_path / "passwords.json.tmp").symlink_to(elsewhere)
    replace_file(path, "secret", mode=0o600)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.is_symlink()
    assert (path.read_text(), elsewhere.read_text()) == ("secret", "untouched")


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """The second one is refused until the first one releases it, and can read who that is."""
    path = tmp_path / "lock"
    first, second = FileLock(path), FileLock(path)

    assert not is_locked(path)
    assert first.holder() == ""
    assert first.acquire()
    assert is_locked(path)
    assert not second.acquire()
    assert second.holder() == str(os.getpid())
    first.release()
    assert not is_locked(path)
    assert second.acquire(wait=True)
    second.release()
    second.release()


def test_asking_whether_a_file_is_locked_is_no_reason_to_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first refusal may come from a process that only asks."""
    import fcntl

    refusals, flock = [BlockingIOError(), BlockingIOError()], fcntl.flock

    def flock_of_a_probed_file(descriptor: int, operation: int) -> None:
        if refusals:
            raise refusals.pop()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_of_a_probed_file)
    lock = FileLock(tmp_path / "lock")

    assert lock.acquire()
    lock.release()


def test_an_address_file_is_there_while_the_server_is(tmp_path: Path) -> None:
    """It appears with the address and goes with the block, also when that fails."""
    path = tmp_path / "address"

    def serve() -> None:
        with address_file(path) as publish:
            assert not path.exists()
            publish("http://127.0.0.1:8601")
            assert read_address(path) == "http://127.0.0.1:8601"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve()

    assert not path.exists()
    with address_file(None) as publish:
        publish("http://127.0.0.1:8601")


def test_an_address_file_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    """The reason and what to do, in one line."""
    path = tmp_path / "missing" / "address"
    message = "cannot be written .No such file or directory.: name another --address-file"
    with address_file(path) as publish, pytest.raises(SettingsError, match=message):
        publish("http://127.0.0.1:8601")
