"""Files are replaced whole or not at all, and one process at a time locks a folder."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor_agent.errors import PipelineError
from monitor_agent.logstash.files.durable import append_file, is_locked, locked_folder, write_file


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file grow beyond four bytes, not even the file for the test's output."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path) -> None:
    """The old content stays, no temporary file is left, and the error is one line with a remedy."""
    path = tmp_path / "positions.json"
    write_file(path, b"old")
    with no_room(), pytest.raises(PipelineError, match=r"positions.json cannot be written .*: free disk space"):
        write_file(path, b"the new content")

    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["positions.json"]


def test_a_file_that_cannot_be_appended_to_stays_as_it_was(tmp_path: Path) -> None:
    """Half a line would spoil the next one."""
    path = tmp_path / "letters.ndjson"
    append_file(path, b"a\n")
    with no_room(), pytest.raises(PipelineError, match="cannot be written"):
        append_file(path, b"a long line\n")

    assert path.read_bytes() == b"a\n"


def test_a_folder_is_locked_by_one_process(tmp_path: Path) -> None:
    """The second attempt is refused while the first has the lock; afterwards the folder can be locked again."""
    assert not is_locked(tmp_path)
    with locked_folder(tmp_path):
        assert is_locked(tmp_path)
        with (
            pytest.raises(PipelineError, match=f"another pipeline runner .process {os.getpid()}."),
            locked_folder(tmp_path),
        ):
            pass
    with locked_folder(tmp_path):
        pass
