"""Files that a demo writes, with the error of a disk that is full."""

from __future__ import annotations

from pathlib import Path

from monitor_agent.errors import DataError
from monitor_agent.files import replace_file


def write_file(path: Path, text: str) -> None:
    """Write a file of results.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        replace_file(path, text + "\n")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> DataError:
    """Return the error that a file of results cannot be written."""
    return DataError(f"{path} cannot be written ({error.strerror or error})", "free disk space")
