"""Content that was replaced is read from its start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor_agent.logstash.files import followed_file
from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def test_a_truncated_file_is_read_from_its_start(folder: Path) -> None:
    """Copytruncate: lines after the cut are read although the file is shorter, and a warning is logged."""
    path = folder / "a.ndjson"
    append(path, "one", "two")
    reader = Reader(folder)
    reader.read()
    shutil.copy(path, folder / "a.ndjson.1")
    os.truncate(path, 0)
    append(path, "3")

    with capture_logs() as logs:
        assert reader.read() == ["3"]

    (warning,) = logs
    assert (warning["log_level"], warning["path"]) == ("warning", str(path))


def test_a_truncated_file_that_grew_past_the_old_end_is_noticed(folder: Path) -> None:
    """New content is recognised by the file's beginning, not by its length."""
    path = folder / "a.ndjson"
    append(path, "one")
    reader = Reader(folder)
    reader.read()
    os.truncate(path, 0)
    append(path, "this is longer than what was there", "and more")

    assert reader.read() == ["this is longer than what was there", "and more"]


def test_an_acknowledgement_from_before_a_truncation_counts_no_more(folder: Path) -> None:
    """A batch that is delivered late does not move the position in the new content."""
    path = folder / "a.ndjson"
    append(path, "one", "two")
    reader = Reader(folder)
    late = reader.files.read(1000)
    assert late is not None
    os.truncate(path, 0)
    append(path, "3")
    reader.read(acknowledge=False)
    reader.files.acknowledge([late.checkpoint])

    reader.restart()

    assert reader.read() == ["3"]


@pytest.mark.parametrize("regrown", ["x", "a much longer line than before"])
def test_a_truncation_between_two_runs_is_noticed(folder: Path, regrown: str) -> None:
    """A position that does not fit the file is not used."""
    path = folder / "a.ndjson"
    append(path, "one", "two")
    reader = Reader(folder)
    reader.read()
    os.truncate(path, 0)
    append(path, regrown)

    reader.restart()

    assert reader.read() == [regrown]


def test_a_new_file_with_an_old_inode_is_read_from_its_start(folder: Path) -> None:
    """The same inode is not enough for the same file: the first bytes must be the same, too."""
    path = folder / "a.ndjson"
    append(path, "the old file")
    reader = Reader(folder)
    reader.read()
    inode = path.stat().st_ino
    path.write_text("a file that got the inode\n", encoding="utf-8")  # keeps the inode: the same as reuse
    assert path.stat().st_ino == inode

    reader.restart()

    assert reader.read() == ["a file that got the inode"]


HEAD = "x" * 300
"""A first line that is longer than the beginning by which a file is recognised."""


@pytest.mark.parametrize("restart", [False, True], ids=["up", "between two runs"])
@pytest.mark.parametrize(
    "after", [["b"], ["b" * 400], ["b" * 400, "c"], ["b" * 1000]], ids=["shorter", "of the old size", "longer", "long"]
)
def test_content_with_the_old_beginning_is_noticed(folder: Path, after: list[str], restart: bool) -> None:
    """Copytruncate of a file whose first line is always the same: nothing of the new content is left out."""
    path = folder / "a.ndjson"
    append(path, HEAD, "a" * 400)
    reader = Reader(folder)
    reader.read()
    os.truncate(path, 0)
    append(path, HEAD, *after)
    os.utime(path, ns=(1, 1))  # another time of the last change, however coarse the clock of the file system is

    if restart:
        reader.restart()

    assert reader.read() == [HEAD, *after]


def test_a_touched_file_is_not_read_again(folder: Path) -> None:
    """Another time of the last change with the same content means nothing."""
    path = folder / "a.ndjson"
    append(path, HEAD, "1")
    reader = Reader(folder)
    reader.read()
    os.utime(path, ns=(1, 1))

    assert reader.read() == []
    reader.restart()
    assert reader.read() == []


def test_a_beginning_that_came_later_is_recognised(folder: Path) -> None:
    """A file that was empty or short when it was first read keeps its position at the next start."""
    path = folder / "a.ndjson"
    path.touch()
    reader = Reader(folder)
    for text in ("short", HEAD, "end"):
        append(path, text)
        assert reader.read() == [text]

        reader.restart()

        assert reader.read() == []


def test_a_cut_line_and_the_position_behind_it_are_recognised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes before a position may belong to a line that was too long to be read whole."""
    monkeypatch.setattr(followed_file, "CHUNK_BYTES", 64)
    monkeypatch.setattr(followed_file, "LONGEST_LINE_BYTES", 200)
    path = folder / "a.ndjson"
    append(path, "a" * 1000)
    reader = Reader(folder)
    assert reader.read() == ["a" * 200]
    append(path, "next")

    assert reader.read() == ["next"]
    reader.restart()
    assert reader.read() == []


def test_replaced_content_outside_the_patterns_is_not_read(folder: Path) -> None:
    """Another program may write over a file that was renamed away: its content is not for the pipeline."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    path.rename(folder / "notes")
    (folder / "notes").write_text("a private note\n", encoding="utf-8")

    with capture_logs() as logs:
        assert reader.read() == []

    (warning,) = logs
    assert (warning["log_level"], warning["path"]) == ("warning", str(path))
    reader.restart()
    assert reader.read() == []
