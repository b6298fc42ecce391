"""What the processes of a test run share: `make test WORKERS=2` starts several of them (pytest-xdist)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor_agent.files import FileLock


def folder_of_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the run; the first process that asks for it fills it, and the next ones wait for that."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, complete = shared / name, shared / f"{name}.complete"
    lock = FileLock(shared / f"{name}.lock")
    lock.acquire(wait=True)
    try:
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    finally:
        lock.release()
    return folder
