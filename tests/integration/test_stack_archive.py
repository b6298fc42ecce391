"""Processes that need the server at the same moment fetch it once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from monitor_agent.stack.embedded import archive
from tests.server_archive import VERSION, ignore, write_server_zip


@pytest.fixture
def server_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small archive, whose checksum is pinned."""
    return write_server_zip(tmp_path / "server.zip", monkeypatch)


def _fetch_in_child(cache: Path, server_zip: Path, fetched: Path, start: object) -> None:
    def fetch(_version: str, _folder: Path, _report: archive.Report) -> Path:
        with fetched.open("a") as stream:
            stream.write("x")
        return server_zip

    start.wait()  # type: ignore[attr-defined]  # a barrier
    assert (archive.server_folder(VERSION, cache, ignore, fetch) / "bin" / "elasticsearch").is_file()


def test_several_processes_at_once_fetch_it_once(tmp_path: Path, server_zip: Path) -> None:
    """All processes that need the server at the same time get it, and one of them fetches it."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    fetched = tmp_path / "fetched"
    children = [
        context.Process(target=_fetch_in_child, args=(tmp_path / "cache", server_zip, fetched, start)) for _ in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(30)

    assert [child.exitcode for child in children] == [0] * 4
    assert fetched.read_text() == "x"
