"""Conditions that tests wait for, and the processes that they look for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition; fail when it does not come true in time."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.05)


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of other processes whose arguments or environment name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command, environ = ((entry / name).read_bytes() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if str(folder).encode() in command + environ:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found
