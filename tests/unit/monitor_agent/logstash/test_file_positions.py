"""The positions of files on disk, and what the next run does with them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def test_only_what_is_acknowledged_is_left_out_at_the_next_start(folder: Path) -> None:
    """Lines that were read but not delivered are read again."""
    append(folder / "a.ndjson", "1", "2", "3")
    reader = Reader(folder)
    first = reader.files.read(1)
    assert first is not None
    reader.files.acknowledge([first.checkpoint])
    reader.files.read(1000)

    reader.restart()

    assert reader.read() == ["2", "3"]


def test_the_end_of_the_first_start_is_remembered(folder: Path) -> None:
    """Lines that come between two runs are read, also if no line was delivered before."""
    append(folder / "a.ndjson", "before")
    reader = Reader(folder, from_beginning=False)
    assert reader.read() == []
    append(folder / "a.ndjson", "after")

    reader.restart()

    assert reader.read() == ["after"]


def test_positions_of_an_earlier_version_are_read(folder: Path) -> None:
    """The form of the file only grows, so that an upgrade does not read everything again."""
    path = folder / "a.ndjson"
    append(path, "1", "2")
    row = {"device": path.stat().st_dev, "inode": path.stat().st_ino, "offset": 2, "path": str(path), "seen": 1.5}
    row |= {"head": 2, "fingerprint": "6cde7722c6383f624cb5b68aaefcd033"}
    positions = folder.parent / "positions.json"
    positions.write_text(json.dumps({"files": [row]}), encoding="utf-8")
    reader = Reader(folder)

    assert reader.read() == ["2"]
    (stored,) = json.loads(positions.read_text(encoding="utf-8"))["files"]
    assert (stored.keys() >= row.keys(), stored["offset"]) == (True, 4)


def test_malformed_positions_are_set_aside(folder: Path) -> None:
    """Everything is read again, which repeats events but loses none."""
    append(folder / "a.ndjson", "1")
    reader = Reader(folder)
    reader.read()
    (folder.parent / "positions.json").write_text("{", encoding="utf-8")

    reader.restart()

    assert reader.read() == ["1"]
    assert (folder.parent / "positions.json.broken").exists()


def warnings_at(reader: Reader) -> list[dict[str, object]]:
    """Return the warnings of the next start."""
    reader.stop()
    with capture_logs() as logs:
        reader.start()
    return [log for log in logs if log["log_level"] == "warning"]


def compress(path: Path) -> None:
    """Compress a file as gzip does."""
    with gzip.open(f"{path}.gz", "wb") as stream:
        stream.write(path.read_bytes())
    path.unlink()


def move_to_archive(path: Path) -> None:
    """Move a file as logrotate does with `olddir`."""
    archive = path.parent / "archive"
    archive.mkdir()
    path.rename(archive / path.name)


@pytest.mark.parametrize("rotate", [Path.unlink, compress, move_to_archive])
@pytest.mark.parametrize("later", ["", "2\n3\n"], ids=["delivered", "with lines of which nobody can know"])
def test_a_file_that_is_gone_is_reported_once(folder: Path, rotate: Callable[[Path], None], later: str) -> None:
    """The warning names the file and says how much of it was delivered."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    with path.open("a") as writer:
        writer.write(later)
    rotate(path)
    append(path, "new")

    (warning,) = warnings_at(reader)

    assert (warning["path"], warning["delivered_bytes"], warning["unread_bytes"]) == (str(path), 2, 0)
    assert (f"{path}.gz" in str(warning["remedy"])) is (rotate is compress)
    assert reader.read() == ["new"]
    assert warnings_at(reader) == []


def test_the_unread_bytes_of_a_file_that_is_gone_are_reported(folder: Path) -> None:
    """The last size is stored when the runner stops."""
    path = folder / "a.ndjson"
    append(path, "1", "2", "3")
    reader = Reader(folder)
    batch = reader.files.read(1)
    assert batch is not None
    reader.files.acknowledge([batch.checkpoint])
    reader.stop()
    path.unlink()

    (warning,) = warnings_at(reader)

    assert (warning["delivered_bytes"], warning["unread_bytes"]) == (2, 4)


def test_the_copy_of_a_numbered_rotation_is_named(folder: Path) -> None:
    """As logrotate names it: `a.ndjson.1.gz`; other files are not named."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    path.unlink()
    for name in ("a.ndjson.2.gz", "a.ndjson-20261128.zst", "aa.ndjson.gz", "a.ndjson.txt"):
        (folder / name).touch()

    (warning,) = warnings_at(reader)

    assert f"{path}-20261128.zst, {path}.2.gz" in str(warning["remedy"])
    assert "aa.ndjson" not in str(warning["remedy"])


def test_a_decompressed_file_is_read_from_its_start(folder: Path) -> None:
    """As the warning says; lines that are sent again are not stored twice."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    append(path, "2")
    compress(path)
    reader.restart()
    path.write_bytes(gzip.decompress(Path(f"{path}.gz").read_bytes()))

    assert reader.read() == ["1", "2"]


def test_a_folder_that_is_gone_keeps_its_positions(folder: Path) -> None:
    """A disk may be mounted late: the warning comes once, and reading goes on where it ended."""
    append(folder / "a.ndjson", "1")
    reader = Reader(folder)
    reader.read()
    away = folder.rename(folder.with_name("away"))

    assert str(folder / "a.ndjson") in [warning.get("path") for warning in warnings_at(reader)]
    assert str(folder / "a.ndjson") not in [warning.get("path") for warning in warnings_at(reader)]
    append(away / "a.ndjson", "2")
    away.rename(folder)

    assert reader.read() == ["2"]


STRANGERS = ["token = 1\n", "1\n2\n3\n", "1\n", "", "{", "x" * 300]


@pytest.mark.parametrize("remembered", ["", "1\n", "{", "1\n2\n", "x" * 300 + "\n1\n"])
@pytest.mark.parametrize("content", STRANGERS)
def test_a_file_with_the_inode_of_a_deleted_one_is_not_read(folder: Path, remembered: str, content: str) -> None:
    """Whatever the two files contain: the time of its making shows that it is another file."""
    path = folder / "a.ndjson"
    reader = reader_of_deleted_file(path, remembered)
    key = folder / "private.key"
    key.write_text(remembered + content, encoding="utf-8")
    give_inode(reader, key)

    reader.start()

    assert reader.read() == []
    (folder / "b.ndjson").touch()
    assert reader.read() == []
    reader.restart()
    assert reader.read() == []


@pytest.mark.parametrize("remembered", ["1\n", "x" * 300 + "\n1\n"])
def test_a_matching_file_with_the_inode_of_a_deleted_one_is_new(folder: Path, remembered: str) -> None:
    """It is read from its start, also if it begins as the deleted one did."""
    path = folder / "a.ndjson"
    reader = reader_of_deleted_file(path, remembered)
    path.write_text(f"{remembered}2\n", encoding="utf-8")
    give_inode(reader, path)

    with capture_logs() as logs:
        reader.start()

    assert "\n".join(reader.read()) + "\n" == f"{remembered}2\n"
    assert [log["path"] for log in logs if log["log_level"] == "warning"] == [str(path)]


@pytest.mark.parametrize("remembered", ["", "1\n", "ab", "x" * 300 + "\n1\n"])
@pytest.mark.parametrize("content", ["token = 1\n", "2\n", "", "{", "x" * 299 + "\n1\n2\n"])
def test_without_a_time_of_making_the_first_bytes_decide(folder: Path, remembered: str, content: str) -> None:
    """Some file systems do not store that time, and entries of earlier versions do not have it."""
    path = folder / "a.ndjson"
    reader = reader_of_deleted_file(path, remembered)
    key = folder / "private.key"
    key.write_text(content, encoding="utf-8")
    give_inode(reader, key, born=None)

    reader.start()

    assert reader.read() == []
    assert json.loads(reader.positions.read_text(encoding="utf-8"))["files"] == []


def reader_of_deleted_file(path: Path, content: str) -> Reader:
    """Return a stopped reader that has read a file; the file is deleted."""
    path.write_text(content, encoding="utf-8")
    reader = Reader(path.parent)
    reader.read()
    reader.stop()
    path.unlink()
    return reader


def give_inode(reader: Reader, path: Path, **changes: object) -> None:
    """Let the stored entry name the inode of `path`, as if the file system had given the old inode to it."""
    content = json.loads(reader.positions.read_text(encoding="utf-8"))
    for row in content["files"]:
        row.update(changes, device=path.stat().st_dev, inode=path.stat().st_ino)
    reader.positions.write_text(json.dumps(content), encoding="utf-8")


NAMES = [b"caf\xe9.ndjson", b"\xff\xfe.ndjson", b"two\nlines.ndjson", "ä".encode() * 124 + b".ndjson", b" .ndjson"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_may_have_any_name(folder: Path, name: bytes) -> None:
    """Its lines come with a path that can be written, and its position is stored."""
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    append(path, "1")
    reader = Reader(folder)
    batch = reader.files.read(1000)
    assert batch is not None
    reader.files.acknowledge([batch.checkpoint])
    append(path, "2")
    path.rename(f"{path}.1"[:-5] if len(name) == 255 else f"{path}.1")

    reader.restart()

    assert reader.read() == ["2"]
    assert [piece[0] for piece in batch.pieces] == [os.fsencode(path).decode(errors="backslashreplace")]
