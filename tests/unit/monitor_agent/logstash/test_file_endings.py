"""Files that get no more lines: their last line, and their removal."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor_agent.logstash.files import file_set
from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def test_a_file_that_is_gone_is_closed_after_its_unfinished_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody will ever end that line, so it counts as it is; closing the file frees its space on the disk."""
    path = folder / "a.ndjson"
    append(path, "whole", "cut by a cra", end="")
    reader = Reader(folder)
    reader.read()
    path.unlink()
    monkeypatch.setattr(file_set, "GONE_SECONDS", 0.0)

    assert reader.read() == ["cut by a cra"]
    assert reader.files.backlog()["files"] == 0


def test_a_delivered_file_may_be_removed(folder: Path) -> None:
    """All of it must be acknowledged, and nobody may have it open for writing."""
    path = folder / "a.ndjson"
    reader = Reader(folder, removable=lambda _path, _idle: True)
    with path.open("w", encoding="utf-8") as writer:
        writer.write("1\n")
        writer.flush()
        reading = reader.files.read(1000)
        assert reading is not None
        reader.files.acknowledge([reading.checkpoint])
        reader.read()
        assert path.exists()
        writer.write("2\n")
    second = reader.files.read(1000)
    assert second is not None
    reader.read()
    assert path.exists()

    reader.files.acknowledge([second.checkpoint])
    reader.read()

    assert not path.exists()


def test_a_file_that_was_closed_may_be_removed(folder: Path) -> None:
    """An idle file is closed after some time, long before it may be deleted; a writer still keeps it."""
    path = folder / "a.ndjson"
    due: list[bool] = []
    reader = Reader(folder, close_seconds=0.0, removable=lambda _path, _idle: bool(due))
    append(path, "1")
    reader.read()
    reader.read()
    assert reader.files.backlog()["files_open"] == 0
    due.append(True)
    with path.open("a", encoding="utf-8"):
        reader.read()
        reader.read()
        assert path.exists()
    reader.read()
    reader.read()

    assert not path.exists()
    assert reader.lines == ["1"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that nobody writes is at its end at once."""
    monkeypatch.setattr(file_set, "GONE_SECONDS", 0.0)


def test_an_unfinished_line_is_not_behind(folder: Path) -> None:
    """The backlog counts whole lines; the bytes of a line without an end are counted apart."""
    path = folder / "a.ndjson"
    append(path, "whole", "half", end="")
    reader = Reader(folder)
    reader.read()

    backlog = reader.files.backlog()
    assert (backlog["bytes_behind"], backlog["unfinished_bytes"], backlog["seconds_behind"]) == (0, 4, 0)

    append(path, "", "more")
    assert reader.files.backlog()["bytes_behind"] == len("half\nmore\n")
    assert reader.read() == ["half", "more"]
    assert reader.files.backlog()["unfinished_bytes"] == 0


@pytest.mark.usefixtures("impatient")
def test_the_last_line_of_a_rotated_file_counts_once(folder: Path) -> None:
    """If a newer file is there and nobody writes the old one, its last line is delivered although it has no end."""
    path = folder / "a.ndjson"
    append(path, "1", '{"whole": true}', end="")
    reader = Reader(folder)
    assert reader.read() == ["1"]
    path.rename(folder / "a.1.ndjson")
    append(path, "2")

    assert sorted(reader.read()) == ["2", '{"whole": true}']
    assert reader.read() == []
    reader.restart()
    assert reader.read() == []


@pytest.mark.usefixtures("impatient")
def test_the_last_line_of_the_newest_file_waits(folder: Path) -> None:
    """Its writer may come back, as a shell that appends does."""
    append(folder / "a.ndjson", "1", "half", end="")
    reader = Reader(folder)
    assert reader.read() == ["1"]
    assert reader.read() == []

    append(folder / "a.ndjson", " and half")

    assert reader.read() == ["half and half"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("target", ["a.ndjson.1", "a.1.ndjson", "../a.ndjson"])
def test_a_file_with_a_writer_is_read_on(folder: Path, target: str) -> None:
    """A writer that goes on after a rename, or after a deletion, is followed, however long it says nothing."""
    path = folder / "a.ndjson"
    with path.open("w", encoding="utf-8") as writer:
        writer.write("1\nhal")
        writer.flush()
        reader = Reader(folder)
        reader.read()
        path.rename(folder / target)
        append(path, "new")
        assert reader.read() == ["new"]
        reader.read()
        writer.write("f\n2\n")
        writer.flush()

        assert reader.read() == ["half", "2"]

        reader.restart()
        writer.write("3\n")
        writer.flush()
        assert reader.read() == ["3"]


@pytest.mark.usefixtures("impatient")
def test_a_deleted_file_with_a_writer_is_read_on(folder: Path) -> None:
    """Its lines are nowhere else."""
    path = folder / "a.ndjson"
    with path.open("w", encoding="utf-8") as writer:
        writer.write("1\n")
        writer.flush()
        reader = Reader(folder)
        reader.read()
        path.unlink()
        reader.read()
        writer.write("2\nlast")
        writer.flush()
        assert reader.read() == ["2"]

    assert reader.read() == ["last"]
    assert reader.files.backlog()["files"] == 0


@pytest.mark.usefixtures("impatient")
def test_a_deleted_file_that_was_delivered_is_not_reported(folder: Path) -> None:
    """The run that reads a file to its end forgets it."""
    path = folder / "a.ndjson"
    append(path, "1")
    reader = Reader(folder)
    reader.read()
    path.unlink()
    reader.read()

    with capture_logs() as logs:
        reader.restart()

    assert logs == []
