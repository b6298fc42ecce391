"""The folder of a demo: no other files, one demo at a time, empty at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.demo.folder import DemoFolder
from monitor_agent.errors import DataError, StackError


def test_a_second_demo_starts_empty(tmp_path: Path) -> None:
    """The files of an earlier demo are deleted when the next one starts."""
    folder = DemoFolder(tmp_path / "demo")
    with folder.locked():
        folder.log.mkdir()
        (folder.log / "events.ndjson").write_text("{}\n")
        folder.summary.write_text("{}")

    with folder.locked():
        assert not folder.log.exists()
        assert not folder.summary.exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds anything but a demo is refused, and nothing in it is touched."""
    precious = tmp_path / "log" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("content")

    with pytest.raises(DataError, match="--out"), DemoFolder(tmp_path).locked():
        pass
    assert precious.read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """While a demo runs in a folder, another demo does not empty it."""
    first, second = DemoFolder(tmp_path / "demo"), DemoFolder(tmp_path / "demo")
    with first.locked():
        first.summary.write_text("{}")
        with pytest.raises(StackError, match="in use by process"), second.locked():
            pass
        assert first.summary.exists()


def test_a_file_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    """A path that cannot be a folder is refused with a hint."""
    (tmp_path / "demo").write_text("a file")

    with pytest.raises(DataError, match="choose another folder"), DemoFolder(tmp_path / "demo").locked():
        pass
