"""More files than a process may open are read in turns, and all lines arrive."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor_agent.logstash.files import file_set, file_turns, followed_file
from monitor_agent.logstash.files.descriptors import most_files
from tests.unit.monitor_agent.logstash.file_reader import Reader, append


@pytest.fixture(autouse=True)
def low_limit() -> Iterator[None]:
    """Allow this process few more files than are open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * len(list(Path("/proc/self/fd").iterdir())) + 20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def paths(folder: Path) -> list[Path]:
    """Return the paths of more files than may be open, each with one line."""
    paths = [folder / f"events-{number:03}.ndjson" for number in range(2 * most_files() + 10)]
    for path in paths:
        append(path, path.name)
    return paths


def finish(reader: Reader, count: int, most: int = 1000) -> list[str]:
    """Read until so many lines have come, and return all of them."""
    lines: list[str] = []
    while len(lines) < count:
        lines += reader.read(most)
    return lines


def test_all_files_are_read(folder: Path, paths: list[Path]) -> None:
    """Each line comes once, and one warning says what is the matter; some descriptors are always left."""
    with capture_logs() as logs:
        reader = Reader(folder)
        lines = finish(reader, len(paths))
        spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(10)]
    for descriptor in spare:
        os.close(descriptor)

    assert sorted(lines) == [path.name for path in paths]
    assert [log["log_level"] for log in logs] == ["warning"]
    assert reader.files.backlog()["bytes_behind"] == 0
    assert reader.read() == []
    reader.restart()
    assert reader.read() == []


def test_files_that_grow_in_turns_are_opened_again(folder: Path, paths: list[Path]) -> None:
    """A closed file is watched, too; nothing is read twice."""
    reader = Reader(folder)
    finish(reader, len(paths))
    for round_ in range(3):
        for path in paths:
            append(path, f"{path.name} {round_}")

        assert sorted(finish(reader, len(paths))) == [f"{path.name} {round_}" for path in paths]


def test_delivered_files_are_removed_whether_they_are_open_or_not(folder: Path, paths: list[Path]) -> None:
    """A file that was closed because others had to be read is opened again for it."""
    reader = Reader(folder, removable=lambda _path, _idle: True)
    lines = finish(reader, len(paths))
    for _ in paths:
        lines += reader.read()
        if not any(path.exists() for path in paths):
            break

    assert sorted(lines) == [path.name for path in paths]
    assert list(folder.iterdir()) == []


def test_files_that_wait_are_behind(folder: Path, paths: list[Path]) -> None:
    """The backlog counts the bytes of all files, open or not."""
    reader = Reader(folder)
    sizes = sum(path.stat().st_size for path in paths)

    backlog = reader.files.backlog()
    assert (backlog["files"], backlog["bytes"], backlog["bytes_behind"]) == (len(paths), sizes, sizes)
    assert backlog["files_open"] <= most_files()


def test_a_long_file_does_not_keep_others_waiting(
    folder: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While files wait, each open file is closed after its turn, and goes on later where it was."""
    monkeypatch.setattr(followed_file, "CHUNK_BYTES", 500)
    monkeypatch.setattr(file_turns, "TURN_BYTES", 1000)
    for path in paths:
        append(path, *["x" * 100] * 50)
    reader = Reader(folder)

    lines = finish(reader, 51 * len(paths), most=100)

    assert len(lines) == 51 * len(paths)
    first = {line for line in lines[: 51 * len(paths) // 2] if line.startswith("events")}
    assert len(first) == len(paths)


@pytest.mark.parametrize("name", ["{}.1", "old-{}"], ids=["out of the pattern", "in the pattern"])
def test_a_rotation_of_closed_files_loses_nothing(folder: Path, paths: list[Path], name: str) -> None:
    """A closed file that is renamed in its folder is recognised by its inode and its first bytes."""
    reader = Reader(folder)
    finish(reader, len(paths))
    for path in paths:
        append(path, "last")
        path.rename(path.with_name(name.format(path.name)))
        append(path, "new")

    assert sorted(finish(reader, 2 * len(paths))) == ["last"] * len(paths) + ["new"] * len(paths)


def test_closed_files_that_are_replaced_are_read_from_their_start(folder: Path, paths: list[Path]) -> None:
    """A truncated file, and a new file of the old name."""
    reader = Reader(folder)
    finish(reader, len(paths))
    for number, path in enumerate(paths):
        if number % 2:
            path.unlink()
        path.write_text(f"new {path.name}\n", encoding="utf-8")

    assert sorted(finish(reader, len(paths))) == [f"new {path.name}" for path in paths]


def test_deleted_files_give_their_descriptors_back(
    folder: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files are deleted at once, while some of them wait: the next ones are read."""
    monkeypatch.setattr(file_set, "GONE_SECONDS", 0.0)
    reader = Reader(folder)
    finish(reader, len(paths))
    for path in paths:
        path.unlink()
    for path in paths:
        append(path, "new")

    assert finish(reader, len(paths)) == ["new"] * len(paths)
    assert reader.files.backlog()["files"] == len(paths)


def test_a_file_that_is_deleted_while_it_waits_is_reported(folder: Path, paths: list[Path]) -> None:
    """Its lines were never read."""
    reader = Reader(folder)
    waiting = [path for path in paths if str(path) not in open_paths()]
    for path in waiting:
        path.unlink()

    with capture_logs() as logs:
        finish(reader, len(paths) - len(waiting))
        reader.read()

    gone = {log["path"]: log["unread_bytes"] for log in logs if "unread_bytes" in log}
    assert gone == {str(path): len("events-000.ndjson\n") for path in waiting}


def open_paths() -> set[str]:
    """Return the paths of the files that this process has open."""
    return {os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()}
