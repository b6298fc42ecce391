"""A record without a lock stops nobody; tests/integration/test_stack_instance.py locks folders in real processes."""

from __future__ import annotations

import os
from pathlib import Path

from monitor_agent.stack.instance import DataFolderLock, Instance, stop_instance


def test_a_stranger_with_the_recorded_number_is_left_alone(tmp_path: Path) -> None:
    """A record left by a crash whose process id belongs to another process now stops nobody."""
    lock = DataFolderLock(tmp_path)
    lock.acquire()
    lock.record(Instance(os.getpid(), "http://127.0.0.1:1", "9.5.0"))
    record = (tmp_path / "instance.json").read_text()
    lock.release()
    (tmp_path / "instance.json").write_text(record)

    assert stop_instance(tmp_path, timeout=1) is False
