"""Which files an input reads, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FileSelection:
    """Which files are read, and how.

    Attributes
    ----------
    patterns, excluded : glob patterns of paths; patterns of file names that are left out.
    from_beginning : whether files that are there at the first start are read from their beginning, or from their end.
    newest_last : order of files that wait: by their last change, else by path.
    poll_seconds, discover_seconds : time between two searches for new lines, and for new files.
    close_seconds : an idle file is closed after this time (and opened again when it grows).
    removable : whether a file (its path, seconds since it last grew) may be deleted as soon as all of it is delivered
        and nobody has it open for writing.
    foreign_writers : whether other processes write the files.
    """

    patterns: Sequence[str]
    excluded: Sequence[str] = ()
    from_beginning: bool = True
    newest_last: bool = True
    delimiter: bytes = b"\n"
    poll_seconds: float = 0.05
    discover_seconds: float = 1.0
    close_seconds: float = 3600.0
    removable: Callable[[str, float], bool] | None = None
    foreign_writers: bool = True
