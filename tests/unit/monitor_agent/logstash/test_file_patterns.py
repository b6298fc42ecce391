"""A pattern matches what Logstash's pattern matches, and folders whose names look like patterns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor_agent.logstash.files.file_patterns import FilePatterns, literal_pattern
from tests.unit.monitor_agent.logstash.file_reader import Reader, append


def names_of(folder: Path, pattern: str, *excluded: str) -> list[str]:
    """Return the paths, below the folder, of the files that match."""
    matches = FilePatterns([f"{folder}/{pattern}"], excluded).matches(newest_last=False)
    return [os.path.relpath(match.path, folder) for match in matches.values()]


def make_files(folder: Path, *names: str) -> None:
    """Make files, with their folders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.ndjson", ["a.ndjson", "b1.ndjson"]),
        ("?.ndjson", ["a.ndjson"]),
        ("[^a]*.ndjson", ["b1.ndjson"]),
        ("[!a]*.ndjson", ["b1.ndjson"]),
        ("{a,b1,c}.ndjson", ["a.ndjson", "b1.ndjson"]),
        ("{day/*,a}.{ndjson,log}", ["a.ndjson", "day/c.ndjson"]),
        ("da?/*", ["day/c.ndjson"]),
        ("*/c.ndjson", ["day/c.ndjson"]),
        ("**/*.ndjson", ["a.ndjson", "b1.ndjson", "day/c.ndjson", "day/hour/d.ndjson"]),
        ("**", ["a.ndjson", "b1.ndjson", "day/c.ndjson", "day/hour/d.ndjson", "x.txt"]),
        (".*", [".hidden.ndjson"]),
        ("a.ndjson", ["a.ndjson"]),
        ("missing.ndjson", []),
        ("day", []),
    ],
)
def test_the_signs_of_a_pattern(folder: Path, pattern: str, expected: list[str]) -> None:
    """As in Logstash; `*` matches no hidden file and no folder."""
    make_files(folder, "a.ndjson", "b1.ndjson", "x.txt", ".hidden.ndjson", "day/c.ndjson", "day/hour/d.ndjson")

    assert sorted(names_of(folder, pattern)) == expected


FOLDERS = [
    "data [prod]",
    "br[1]",
    "{a,b}",
    "what?",
    "a*b",
    "~",
    "back\\slash",
    "[",
    "{",
    "ä ö",
    "%d ${X}",
    "[[]",
    "x\ny",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_name_of_a_folder_that_exists_stands_for_itself(folder: Path, name: str) -> None:
    """The name may come from a variable: its signs are no signs of a pattern, if the folder is there."""
    make_files(folder, f"{name}/log/a.ndjson")

    assert names_of(folder, f"{name}/log/*.ndjson") == [f"{name}/log/a.ndjson"]
    assert names_of(folder, f"{literal_pattern(name)}/log/*.ndjson") == [f"{name}/log/a.ndjson"]


def test_a_file_of_another_folder_is_not_read_for_a_literal_one(folder: Path) -> None:
    """`br[1]` is not `br1` if both are there."""
    make_files(folder, "br[1]/a.ndjson", "br1/b.ndjson", "a/c.ndjson", "{a,b}/d.ndjson")

    assert names_of(folder, "br[1]/*.ndjson") == ["br[1]/a.ndjson"]
    assert names_of(folder, "{a,b}/*.ndjson") == ["{a,b}/d.ndjson"]
    assert names_of(folder, "br\\[1\\]/*.ndjson") == ["br[1]/a.ndjson"]


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    """It is read by its name, and hides no other file."""
    make_files(folder, "*.ndjson", "a[1].ndjson", "a1.ndjson", "{a,b}.ndjson")

    assert len(names_of(folder, "*.ndjson")) == 4
    assert sorted(names_of(folder, "a[1].ndjson")) == ["a1.ndjson", "a[1].ndjson"]
    assert names_of(folder, "{a,b}.ndjson") == ["{a,b}.ndjson"]


def test_links_in_a_circle_end(folder: Path) -> None:
    """`**` enters each folder once."""
    make_files(folder, "a.ndjson", "day/b.ndjson")
    for name in ("one", "two", "day/up"):
        (folder / name).symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")

    assert sorted(map(os.path.basename, names_of(folder, "**/*.ndjson"))) == ["a.ndjson", "b.ndjson"]


def test_a_relative_pattern_begins_in_the_present_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the name of the present folder looks like a pattern."""
    make_files(folder, "now [1]/log/a.ndjson")
    monkeypatch.chdir(folder / "now [1]")

    assert names_of(Path(literal_pattern(str(Path.cwd()))), "log/*.ndjson") != []


def warning_of(pattern: str) -> dict[str, object]:
    with capture_logs() as logs:
        FilePatterns([pattern]).matches(newest_last=False)
    (warning,) = logs
    assert warning["log_level"] == "warning"
    return dict(warning)


def test_a_pattern_without_a_folder_is_reported(folder: Path) -> None:
    """The warning says what is in the way."""
    make_files(folder, "file")
    (folder / "link").symlink_to(folder / "nowhere")

    reasons = {
        "missing/*.ndjson": f"{folder}/missing does not exist",
        "missing/log/*.ndjson": f"{folder}/missing does not exist",
        "link/*.ndjson": f"{folder}/link is a link that leads to nothing",
        "file/*.ndjson": f"{folder}/file is a file, not a folder",
        "day[1]/*.ndjson": f"there is no folder {folder}/day[1]",
        "*/*.ndjson": f"there is no folder {folder}/*",
        "~/*.ndjson": f"{folder}/~ does not exist; ~ does not stand for a home folder here",
    }
    assert {name: warning_of(f"{folder}/{name}")["reason"] for name in reasons} == reasons


def test_a_folder_that_comes_and_goes_is_reported_each_time(folder: Path) -> None:
    """One line for each change; its files are read as soon as it is there."""
    late = folder / "late"
    with capture_logs() as logs:
        reader = Reader(late)
        reader.read()
        make_files(late, "other")
        append(late / "a.ndjson", "1")
        assert reader.read() == ["1"]
        shutil.rmtree(late)
        reader.read()

    levels = [log["log_level"] for log in logs if "pattern" in log]
    assert levels == ["warning", "info", "warning"]


def test_an_empty_folder_is_no_mistake(folder: Path) -> None:
    """The model server may not have written yet."""
    with capture_logs() as logs:
        assert names_of(folder, "*.ndjson") == []

    assert logs == []


def test_excluded_files_are_left_out_of_every_pattern(folder: Path) -> None:
    """The pattern of an excluded name is compared with the name alone."""
    make_files(folder, "a.ndjson", "secret.ndjson", "day/secret.ndjson")

    assert names_of(folder, "**/*.ndjson", "secret*") == ["a.ndjson"]
    assert names_of(folder, "secret.ndjson", "secret*") == []
