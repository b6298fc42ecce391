"""Lines of files that grow, move, shrink and vanish are read once, in order, and none is missed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor_agent.logstash.files import followed_file
from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def rename(path: Path) -> None:
    """Rotate by renaming within the patterns, as the model server does."""
    path.rename(path.with_name("a.1.ndjson"))


def rename_away(path: Path) -> None:
    """Rotate by renaming out of the patterns, as logrotate does."""
    path.rename(path.with_name("a.ndjson.1"))


def delete(path: Path) -> None:
    """Delete a file whose last lines may not have been read yet."""
    path.unlink()


@pytest.mark.parametrize("rotate", [rename, rename_away, delete])
def test_a_rotation_loses_and_repeats_nothing(folder: Path, rotate: Callable[[Path], None]) -> None:
    """Lines written just before a rename or a deletion are read, and so is the new file of the same name."""
    path = folder / "a.ndjson"
    append(path, "1", "2")
    reader = Reader(folder)
    reader.read(most=1)
    append(path, "3")
    with path.open("a") as writer:
        rotate(path)
        writer.write("4\n")
    append(path, "5")

    reader.read()

    assert sorted(reader.lines) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("rotate", [rename, rename_away])
def test_a_rotation_between_two_runs_loses_nothing(folder: Path, rotate: Callable[[Path], None]) -> None:
    """The next run recognises a renamed file by its inode, under any name in its folder."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    append(path, "2")
    rotate(path)
    append(path, "3")

    reader.restart()

    assert sorted(reader.read()) == ["2", "3"]


def test_a_line_is_read_as_soon_as_it_has_ended(folder: Path) -> None:
    """A line that is still being written waits for its newline."""
    path = folder / "a.ndjson"
    append(path, "whole", "half", end="")
    reader = Reader(folder)
    assert reader.read() == ["whole"]

    append(path, " and half")

    assert reader.read() == ["half and half"]


def test_a_file_with_several_names_is_read_once(folder: Path) -> None:
    """A link, symbolic or hard, and its target are one file."""
    append(folder / "a.ndjson", "1")
    (folder / "b.ndjson").symlink_to(folder / "a.ndjson")
    os.link(folder / "a.ndjson", folder / "c.ndjson")
    (folder / "d.ndjson").symlink_to(folder / "nowhere")

    assert Reader(folder).read() == ["1"]


def test_a_folder_may_come_later(tmp_path: Path) -> None:
    """A missing folder is not an error."""
    reader = Reader(tmp_path / "later")
    assert reader.read() == []
    (tmp_path / "later").mkdir()
    append(tmp_path / "later/a.ndjson", "1")

    assert reader.read() == ["1"]


def test_many_files_are_read_fairly(folder: Path) -> None:
    """All of many files get their turn; none waits for the end of a long file."""
    append(folder / "0.ndjson", *["x" * 1000] * 2000)
    for number in range(1, 300):
        append(folder / f"{number}.ndjson", str(number))
    reader = Reader(folder, newest_last=False)

    first = reader.files.read(1000)
    assert first is not None
    short_lines = [line for path, lines in first.pieces for line in lines if not path.endswith("/0.ndjson")]

    assert len(short_lines) == 299
    assert len(reader.read()) == 2000 + 299 - first.lines


def test_files_that_are_there_may_be_read_from_their_end(folder: Path) -> None:
    """`start_position => end` leaves out the lines from before the first start, but no later ones."""
    append(folder / "a.ndjson", "before")
    reader = Reader(folder, from_beginning=False)
    reader.read()
    append(folder / "a.ndjson", "after")
    append(folder / "b.ndjson", "new")

    assert sorted(reader.read()) == ["after", "new"]


def test_excluded_names_are_left_out(folder: Path) -> None:
    """`exclude` is matched against the name of the file."""
    append(folder / "a.ndjson", "1")
    append(folder / "secret.ndjson", "2")

    assert Reader(folder, excluded=["secret*"]).read() == ["1"]


def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the beginning of a long line is in memory; its end is recognised even if it comes later."""
    monkeypatch.setattr(followed_file, "CHUNK_BYTES", 64)
    monkeypatch.setattr(followed_file, "LONGEST_LINE_BYTES", 200)
    path = folder / "a.ndjson"
    append(path, "ä" * 300, end="")
    reader = Reader(folder)
    assert reader.read() == []

    append(path, "ä" * 300, "next")

    assert reader.read() == ["ä" * 100, "next"]
    reader.restart()
    assert reader.read() == []


def test_an_idle_file_is_closed_and_read_again_when_it_grows(folder: Path) -> None:
    """Old files need no descriptors."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder, close_seconds=0.0)
    reader.read()
    reader.read()
    assert path not in {descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()}

    append(path, "2")

    assert reader.read() == ["2"]


def test_the_backlog_counts_undelivered_bytes(folder: Path) -> None:
    """Bytes that are read do not count as delivered before they are acknowledged."""
    append(folder / "a.ndjson", "1", "2")
    reader = Reader(folder)
    reading = reader.files.read(1)
    assert reading is not None
    assert reader.files.backlog()["bytes_behind"] == 4

    reader.files.acknowledge([reading.checkpoint])

    assert reader.files.backlog()["bytes_behind"] == 2
