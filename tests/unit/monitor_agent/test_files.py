"""A file is replaced whole or not at all, a lock has one holder, and an address file is there while a server is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent import files
from monitor_agent.errors import SettingsError
from monitor_agent.files import (
    RETRY_SECONDS,
    FileLock,
    ReloadedFiles,
    address_file,
    is_locked,
    read_address,
    replace_file,
)


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


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test with a umask."""
    before = os.umask(request.param)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    """Return the rights of a file or a folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [files.PRIVATE_FOLDER, files.GROUP_FOLDER])
def test_a_folder_has_its_rights_whatever_the_umask_is(tmp_path: Path, mode: int) -> None:
    """A generous umask gives nothing to others, and a strict one takes nothing from the group."""
    files.private_folder(tmp_path / "new", mode)

    assert mode_of(tmp_path / "new") == mode


def test_what_an_earlier_release_made_is_tightened(tmp_path: Path) -> None:
    """Others lose the rights to the folder and to the files in it; a link in it changes nothing elsewhere."""
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    for path in (folder / "letters.ndjson", folder / "run.sh", elsewhere):
        path.touch()
        path.chmod(0o755 if path.suffix == ".sh" else 0o644)
    (folder / "link").symlink_to(elsewhere)
    folder.chmod(0o777)

    files.private_folder(folder)

    modes = [mode_of(path) for path in (folder, folder / "letters.ndjson", folder / "run.sh", elsewhere)]
    assert modes == [0o700, 0o600, 0o700, 0o644]


def test_the_group_keeps_what_it_may_do(tmp_path: Path) -> None:
    """Only others lose the rights to a folder that its group may read."""
    folder = tmp_path / "log"
    folder.mkdir()
    folder.chmod(0o775)

    files.private_folder(folder, files.GROUP_FOLDER)

    assert mode_of(folder) == 0o750


def test_shared_folders_keep_their_rights(tmp_path: Path) -> None:
    """Such as a folder like /tmp, or one that an administrator has made for a group."""
    for number, mode in enumerate((0o1777, 0o2770)):
        folder = tmp_path / str(number)
        folder.mkdir()
        folder.chmod(mode)
        files.private_folder(folder)
        assert mode_of(folder) == mode
    before = mode_of(Path("/usr/lib"))
    files.private_folder(Path("/usr/lib"))
    assert mode_of(Path("/usr/lib")) == before


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """The caller names it."""
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="Not a directory"):
        files.private_folder(tmp_path / "file")


@pytest.mark.usefixtures("umask")
def test_a_private_file_is_private_from_its_first_moment(tmp_path: Path) -> None:
    """One that an earlier release made is tightened when it is opened to write."""
    old = tmp_path / "old"
    old.touch()
    old.chmod(0o666)
    for path in (old, tmp_path / "new"):
        with open(path, "a", opener=files.private_opener) as stream:
            stream.write("secret")
        assert mode_of(path) == 0o600


class WatchedNumber:
    """A file with a number, as a process follows it; `now` is its clock."""

    def __init__(self, path: Path, look_seconds: float = 0.0) -> None:
        self.path = path
        self.now = 0.0
        self.readings = 0
        self.reports: list[str] = []
        self.files = ReloadedFiles(
            [path], self._read, lambda error: self.reports.append(str(error)), look_seconds, lambda: self.now
        )

    def _read(self) -> int:
        self.readings += 1
        try:
            return int(self.path.read_text())
        except (OSError, ValueError) as error:
            raise SettingsError("no number") from error


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """In place, by a new file of the same name, and behind a link; not else."""
    path, link = tmp_path / "number", tmp_path / "link"
    path.write_text("1")
    link.symlink_to(path)
    number = WatchedNumber(link)
    states = [(number.files.refresh(), number.files.value)]
    path.write_text("22")
    states.append((number.files.refresh(), number.files.value))
    replace_file(path, "33")
    states.append((number.files.refresh(), number.files.value))
    states.append((number.files.refresh(), number.files.value))

    assert states == [(False, 1), (True, 22), (True, 33), (False, 33)]
    assert number.readings == 3


def test_a_changed_file_that_cannot_be_used_is_told_once_and_tried_again(tmp_path: Path) -> None:
    """What was read before stays; the same fault after a good file is told again."""
    path = tmp_path / "number"
    path.write_text("1")
    number = WatchedNumber(path)
    for text in ("x", "yy"):
        path.write_text(text)
        assert (number.files.refresh(), number.files.value) == (False, 1)
    readings = number.readings
    number.files.refresh()
    assert number.readings == readings  # the same file: not before its time
    number.now += RETRY_SECONDS
    number.files.refresh()
    assert (number.readings, number.reports) == (readings + 1, ["no number"])

    path.write_text("2")
    assert (number.files.refresh(), number.files.value) == (True, 2)
    path.unlink()
    assert (number.files.refresh(), number.reports) == (False, ["no number"] * 2)


def test_a_file_is_looked_at_as_often_as_wanted(tmp_path: Path) -> None:
    """A look at each request would cost too much."""
    path = tmp_path / "number"
    path.write_text("1")
    number = WatchedNumber(path, look_seconds=1.0)
    path.write_text("2")
    number.now = 0.9
    assert number.files.refresh() is False
    number.now = 1.0
    assert (number.files.refresh(), number.files.value) == (True, 2)


def test_a_file_that_cannot_be_used_at_the_start_is_refused(tmp_path: Path) -> None:
    """There is nothing that could stay."""
    with pytest.raises(SettingsError, match="no number"):
        WatchedNumber(tmp_path / "nothing")
