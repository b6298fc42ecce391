"""How a process has ended, in words: by a signal, with an exit code, and what its log says about the reason."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

LOG_TAIL_BYTES = 64 * 1024
# A line that names the reason of an end: an error line, not the stack trace and the farewells that follow it.
_REASON = re.compile(r"error|exception|fatal|refused|cannot|could not|failed|unable", re.IGNORECASE)
_NOISE = re.compile(r"^\s*(at |\.\.\. |Caused by: .*\$|\s*$)|\[INFO \]")


def how_it_ended(exit_code: int | None, reason: str = "") -> str:
    """Return how a process ended; the reason belongs to an end with an exit code.

    >>> how_it_ended(-9, "done"), how_it_ended(137), how_it_ended(1, "no such model")
    ('ended by SIGKILL', 'ended with exit code 137 (SIGKILL)', 'ended with exit code 1 (no such model)')
    """
    if exit_code is None:
        return "ended"
    if exit_code < 0:
        return f"ended by {signal_name(exit_code) or f'signal {-exit_code}'}"
    detail = signal_name(exit_code) or reason
    return f"ended with exit code {exit_code}{f' ({detail})' if detail else ''}"


def signal_name(exit_code: int) -> str:
    """Return the signal that an exit code stands for: negative, or 128 more as shells write it; "" if it is none.

    >>> signal_name(-15), signal_name(143), signal_name(2)
    ('SIGTERM', 'SIGTERM', '')
    """
    number = -exit_code if exit_code < 0 else exit_code - 128
    return signal.Signals(number).name if number in {entry.value for entry in signal.Signals} else ""


def reason_line(path: Path, offset: int = 0, pattern: str = "", *, stated_only: bool = False) -> str:
    """Return the reason for the end of a process, from its log after the first `offset` bytes.

    It is group 1 of the first match of `pattern`, else the last line that reads like an error, else the last line.

    Parameters
    ----------
    stated_only : return "" if nothing matches the pattern.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(offset, size - LOG_TAIL_BYTES))
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return "" if stated_only else "it wrote nothing"
    meaningful = [line.strip() for line in lines if not _NOISE.search(line) and line.strip()]
    matches = (re.search(pattern, line) for line in meaningful if pattern)
    stated = next((match[1] for match in matches if match), "")
    errors = [line for line in meaningful if _REASON.search(line)]
    chosen = stated or ("" if stated_only else (errors or meaningful or ["it wrote nothing"])[-1])
    return chosen if len(chosen) <= 300 else chosen[:297] + "..."
