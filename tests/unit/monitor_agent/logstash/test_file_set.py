"""Lines of files that grow, move, shrink and vanish are read once, in order, and none is missed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor_agent.logstash import file_set, followed_file
from monitor_agent.logstash.file_set import FileSelection, FileSet
from monitor_agent.logstash.positions import Positions


class Reader:
    """A file set that searches for files and lines at every read, and the lines that it has read."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        selection = {"patterns": [str(folder / "*.ndjson")], "poll_seconds": 0.0, "discover_seconds": 0.0, **options}
        self._selection = FileSelection(**selection)  # type: ignore[arg-type]
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        """Start as a new process does."""
        self.files = FileSet(self._selection, Positions(self.folder.parent / "positions.json"))
        self.files.open()

    def restart(self) -> None:
        """Stop and start again."""
        self.files.close()
        self.start()

    def read(self, most: int = 1000, *, acknowledge: bool = True) -> list[str]:
        """Return the lines that are new now."""
        new: list[str] = []
        while (reading := self.files.read(most)) is not None:
            new += [line.decode() for _, lines in reading.pieces for line in lines]
            if acknowledge:
                self.files.acknowledge([reading.checkpoint])
        self.lines += new
        return new


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty log folder."""
    path = tmp_path / "logs"
    path.mkdir()
    return path


def append(path: Path, *lines: str, end: str = "\n") -> None:
    """Append lines as a writer does: open, write, close."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + end)


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


def test_a_line_is_read_as_soon_as_it_has_ended(folder: Path) -> None:
    """A line that is still being written waits for its newline."""
    path = folder / "a.ndjson"
    append(path, "whole", "half", end="")
    reader = Reader(folder)
    assert reader.read() == ["whole"]

    append(path, " and half")

    assert reader.read() == ["half and half"]


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


def test_a_file_with_several_names_is_read_once(folder: Path) -> None:
    """A link, symbolic or hard, and its target are one file."""
    append(folder / "a.ndjson", "1")
    (folder / "b.ndjson").symlink_to(folder / "a.ndjson")
    os.link(folder / "a.ndjson", folder / "c.ndjson")
    (folder / "d.ndjson").symlink_to(folder / "nowhere")

    assert Reader(folder).read() == ["1"]


def test_a_link_that_turns_to_another_file_is_followed(folder: Path) -> None:
    """The old target is read to its end, and the new target is read."""
    for name in ("one", "two"):
        append(folder / name, name)
    link = folder / "a.ndjson"
    link.symlink_to(folder / "one")
    reader = Reader(folder)
    reader.read()
    append(folder / "one", "the last of one")
    link.unlink()
    link.symlink_to(folder / "two")

    assert sorted(reader.read()) == ["the last of one", "two"]


def turn(link: Path, target: Path) -> None:
    """Turn a link to another target at once, as programs that rotate by links do."""
    fresh = link.with_name("fresh")
    fresh.symlink_to(target)
    fresh.rename(link)


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """Return three paths that no pattern matches, each in a folder of its own."""
    paths = [tmp_path / day / "events" for day in ("monday", "tuesday", "wednesday")]
    for path in paths:
        path.parent.mkdir()
    return paths


@pytest.mark.parametrize("acknowledge", [True, False], ids=["acknowledged", "killed before it was acknowledged"])
def test_a_link_that_turns_between_two_runs_loses_nothing(folder: Path, targets: list[Path], acknowledge: bool) -> None:
    """The next run finishes the old target from the acknowledged position, then it reads the new one."""
    link, (old, new, _) = folder / "a.ndjson", targets
    append(old, "1")
    turn(link, old)
    reader = Reader(folder)
    assert reader.read(acknowledge=acknowledge) == ["1"]
    append(old, "2")
    turn(link, new)
    append(new, "3")

    reader.restart()

    assert reader.read() == (["2", "3"] if acknowledge else ["1", "2", "3"])
    reader.restart()
    assert reader.read() == []


def test_a_link_to_a_folder_that_turns_between_two_runs_loses_nothing(folder: Path, targets: list[Path]) -> None:
    """The link may also be a folder in the path of the file."""
    old, new = (target.with_name("a.ndjson") for target in targets[:2])
    append(old, "1")
    link = folder / "today"
    turn(link, old.parent)
    reader = Reader(folder, patterns=[str(link / "*.ndjson")])
    reader.read()
    append(old, "2")
    turn(link, new.parent)
    append(new, "3")

    reader.restart()

    assert reader.read() == ["2", "3"]


def test_a_link_that_turns_before_an_acknowledgement_is_not_confused(folder: Path, targets: list[Path]) -> None:
    """The stored path is that of the file that was read, although the link leads to another file at that time."""
    link, (old, new, _) = folder / "a.ndjson", targets
    append(old, "1")
    turn(link, old)
    reader = Reader(folder)
    batch = reader.files.read(1000)
    assert batch is not None
    turn(link, new)
    append(new, "3")
    reader.files.acknowledge([batch.checkpoint])
    append(old, "2")

    reader.restart()

    assert reader.read() == ["2", "3"]


def test_a_link_that_turns_twice_between_two_runs_loses_nothing_of_a_followed_file(
    folder: Path, targets: list[Path]
) -> None:
    """The first target is finished and the last one is read; no run could ever find the target between them."""
    link = folder / "a.ndjson"
    append(targets[0], "1")
    turn(link, targets[0])
    reader = Reader(folder)
    reader.read()
    append(targets[0], "2")
    for target in targets[1:]:
        turn(link, target)
        append(target, target.parent.name)

    reader.restart()

    assert reader.read() == ["2", "wednesday"]


def test_a_truncated_target_is_finished_after_the_link_has_turned(folder: Path, targets: list[Path]) -> None:
    """The new content of the old target is recognised, also if none of its lines was acknowledged."""
    link, (old, new, _) = folder / "a.ndjson", targets
    append(old, "one", "two")
    turn(link, old)
    reader = Reader(folder)
    reader.read()
    os.truncate(old, 0)
    append(old, "1")
    assert reader.read(acknowledge=False) == ["1"]
    append(old, "2")
    turn(link, new)
    append(new, "3")

    reader.restart()

    assert reader.read() == ["1", "2", "3"]


def test_an_empty_target_is_finished_after_the_link_has_turned(folder: Path, targets: list[Path]) -> None:
    """Without a beginning to recognise it by, an empty file is recognised by its inode and its name."""
    link, (old, new, _) = folder / "a.ndjson", targets
    old.touch()
    turn(link, old)
    reader = Reader(folder)
    reader.read()
    append(old, "1")
    turn(link, new)
    append(new, "2")

    reader.restart()

    assert reader.read() == ["1", "2"]


def test_a_target_that_is_renamed_in_its_folder_is_finished(folder: Path, targets: list[Path]) -> None:
    """The old target is recognised by its inode and its first bytes, although its name has changed as well."""
    link, (old, new, _) = folder / "a.ndjson", targets
    append(old, "1")
    turn(link, old)
    reader = Reader(folder)
    reader.read()
    append(old, "2")
    old.rename(old.with_name("events.1"))
    turn(link, new)
    append(new, "3")

    reader.restart()

    assert reader.read() == ["2", "3"]


@pytest.mark.parametrize(
    ("lines", "renamed"),
    [("1\n2\n", False), ("1\n2\n", True), ("", True)],
    ids=["", "renamed", "renamed, empty before"],
)
@pytest.mark.parametrize(
    "content", ["a stranger's file\n", "a stranger's file that is longer than the old one\n" * 20, "1\n", ""]
)
def test_a_stranger_with_the_inode_of_an_old_target_is_not_read(
    folder: Path, targets: list[Path], lines: str, content: str, renamed: bool
) -> None:
    """Nothing of a file that no pattern has ever matched is read, neither from its middle nor from its start."""
    link, (old, new, _) = folder / "a.ndjson", targets
    old.write_text(lines, encoding="utf-8")
    turn(link, old)
    reader = Reader(folder)
    reader.read()
    old.write_text(content, encoding="utf-8")  # keeps the inode: the same as reuse
    if renamed:
        old.rename(old.with_name("stranger"))
    turn(link, new)
    append(new, "3")

    reader.restart()

    assert reader.read() == ["3"]


def test_an_idle_target_is_finished_when_its_link_turns(folder: Path, targets: list[Path]) -> None:
    """Lines that come to a closed file just before the link turns are read in the same run."""
    link, (old, new, _) = folder / "a.ndjson", targets
    append(old, "1")
    turn(link, old)
    reader = Reader(folder, close_seconds=0.0)
    reader.read()
    reader.read()
    append(old, "2")
    turn(link, new)
    append(new, "3")

    assert sorted(reader.read()) == ["2", "3"]


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


def test_the_end_of_the_first_start_is_remembered(folder: Path) -> None:
    """Lines that come between two runs are read, also if no line was delivered before."""
    append(folder / "a.ndjson", "before")
    reader = Reader(folder, from_beginning=False)
    assert reader.read() == []
    append(folder / "a.ndjson", "after")

    reader.restart()

    assert reader.read() == ["after"]


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


def test_positions_of_an_earlier_version_are_read(folder: Path) -> None:
    """The form of the file stays the same, so that an upgrade does not read everything again."""
    path = folder / "a.ndjson"
    append(path, "1", "2")
    row = {"device": path.stat().st_dev, "inode": path.stat().st_ino, "offset": 2, "path": str(path), "seen": 1.5}
    row |= {"head": 2, "fingerprint": "6cde7722c6383f624cb5b68aaefcd033"}
    positions = folder.parent / "positions.json"
    positions.write_text(json.dumps({"files": [row]}), encoding="utf-8")
    reader = Reader(folder)

    assert reader.read() == ["2"]
    (stored,) = json.loads(positions.read_text(encoding="utf-8"))["files"]
    assert (stored.keys(), stored["offset"]) == (row.keys(), 4)


def test_malformed_positions_are_set_aside(folder: Path) -> None:
    """Everything is read again, which repeats events but loses none."""
    append(folder / "a.ndjson", "1")
    reader = Reader(folder)
    reader.read()
    (folder.parent / "positions.json").write_text("{", encoding="utf-8")

    reader.restart()

    assert reader.read() == ["1"]
    assert (folder.parent / "positions.json.broken").exists()
