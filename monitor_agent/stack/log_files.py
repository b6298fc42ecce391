"""The log files of a data folder, printed as they are and as they grow."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

from monitor_agent.errors import StackError

POLL_SECONDS = 0.2


def print_logs(folder: Path, component: str, *, follow: bool) -> None:
    """Print `<folder>/<component>.log`, or every log if `component` is empty; with `follow`, until interrupted.

    Raises
    ------
    StackError
        If the component has no log.
    """
    paths = sorted(folder.glob("*.log"))
    components = [path.stem for path in paths]
    if component and component not in components:
        raise StackError(f"{component} has no log in {folder}", f"there are: {', '.join(components) or 'none'}")
    chosen = [path for path in paths if component in ("", path.stem)]
    streams: dict[Path, BinaryIO] = {path: path.open("rb") for path in chosen}
    try:
        for path, stream in streams.items():
            _print(path.stem, stream, named=len(streams) > 1)
        while follow:
            time.sleep(POLL_SECONDS)
            for path in chosen:
                streams[path] = _reopened(path, streams[path])
                _print(path.stem, streams[path], named=len(streams) > 1)
    finally:
        for stream in streams.values():
            stream.close()


def _print(name: str, stream: BinaryIO, *, named: bool) -> None:
    for line in stream:
        prefix = f"{name} | " if named else ""
        sys.stdout.write(prefix + line.decode("utf-8", errors="replace").rstrip("\n") + "\n")
    sys.stdout.flush()


def _reopened(path: Path, stream: BinaryIO) -> BinaryIO:
    """Return a stream of the new file at the path, after the old file was renamed."""
    try:
        if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            return stream
        renewed = path.open("rb")
    except OSError:
        return stream
    stream.close()
    return renewed
