"""Waiting for a condition, and the processes of a test."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def wait_until(
    condition: Callable[[], Any], seconds: float = 60.0, interval: float = 0.01, expected: str = "the condition is true"
) -> Any:
    """Return the value of `condition()` as soon as it is true; fail if that takes longer than `seconds`.

    Parameters
    ----------
    expected : what did not happen in time, for the message.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"did not happen in time: {expected}"
        time.sleep(interval)
    return value


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of other processes whose arguments or environment name the folder."""
    commands = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command, environ = ((entry / name).read_bytes() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if str(folder).encode() in command + environ:
                commands.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return commands


def interruptible() -> None:
    """Let Ctrl-C end a process again: one that a background job of a shell starts would ignore it (`preexec_fn`)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
