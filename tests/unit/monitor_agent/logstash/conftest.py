"""The folders of event files, and the readers of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.monitor_agent.logstash.file_reader import Reader


@pytest.fixture(autouse=True)
def closed_readers() -> Iterator[None]:
    """Close the files of a test at its end."""
    yield
    while Reader.running:
        Reader.running.pop().close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty log folder."""
    path = tmp_path / "logs"
    path.mkdir()
    return path


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """Return three paths that no pattern matches, each in a folder of its own."""
    paths = [tmp_path / day / "events" for day in ("monday", "tuesday", "wednesday")]
    for path in paths:
        path.parent.mkdir()
    return paths
