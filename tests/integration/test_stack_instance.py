"""One process at a time uses a data folder, and a crash leaves it free."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor_agent.errors import StackError
from monitor_agent.stack.instance import DataFolderLock, Instance, running_instance, stop_instance

HOLDER = """
import sys, time
from pathlib import Path
from monitor_agent.stack.instance import DataFolderLock
lock = DataFolderLock(Path(sys.argv[1]))
lock.acquire()
print("locked", flush=True)
time.sleep(600)
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """Return a process that has locked `folder`."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    return holder


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """The message names the process that has the folder."""
    holder = start_holder(tmp_path)
    try:
        with pytest.raises(StackError, match=f"in use by process {holder.pid}: stop it with"):
            DataFolderLock(tmp_path).acquire()
        assert running_instance(tmp_path) == Instance(holder.pid)
    finally:
        holder.kill()
        holder.communicate()


def test_a_crash_leaves_the_folder_free(tmp_path: Path) -> None:
    """The record of a killed process does not count as a running server."""
    holder = start_holder(tmp_path)
    holder.kill()
    holder.communicate()

    assert running_instance(tmp_path) is None
    assert stop_instance(tmp_path, timeout=1) is False
    DataFolderLock(tmp_path).acquire()


def test_stopping_waits_for_the_end(tmp_path: Path) -> None:
    """The holder is gone when stopping returns."""
    holder = start_holder(tmp_path)

    assert stop_instance(tmp_path, timeout=10) is True
    assert running_instance(tmp_path) is None
    assert holder.wait(5) != 0
