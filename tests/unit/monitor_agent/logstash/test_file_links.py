"""A link that turns to another file: the old target is read to its end, a stranger's file is never read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def turn(link: Path, target: Path) -> None:
    """Turn a link to another target at once, as programs that rotate by links do."""
    fresh = link.with_name("fresh")
    fresh.symlink_to(target)
    fresh.rename(link)


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
