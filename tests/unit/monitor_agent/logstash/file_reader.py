"""A reader of event files in a test, and a writer of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.file_set import FileSet
from monitor_agent.logstash.files.positions import Positions


class Reader:
    """A file set that searches for files and lines at every read.

    Attributes
    ----------
    running : all file sets that are open.
    positions : the file of its positions.
    lines : all lines that it has read.
    """

    running: ClassVar[set[FileSet]] = set()

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        selection = {"patterns": [str(folder / "*.ndjson")], "poll_seconds": 0.0, "discover_seconds": 0.0, **options}
        self._selection = FileSelection(**selection)  # type: ignore[arg-type]
        self.positions = folder.parent / "positions.json"
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        """Start as a new process does."""
        self.files = FileSet(self._selection, Positions(self.positions))
        self.running.add(self.files)
        self.files.open()

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop as a process does that is asked to end."""
        self.running.discard(self.files)
        self.files.close()

    def read(self, most: int = 1000, *, acknowledge: bool = True) -> list[str]:
        """Return the lines that are new now."""
        new: list[str] = []
        while (reading := self.files.read(most)) is not None:
            new += [line.decode() for _, lines in reading.pieces for line in lines]
            if acknowledge:
                self.files.acknowledge([reading.checkpoint])
        self.lines += new
        return new


def append(path: Path, *lines: str, end: str = "\n") -> None:
    """Append lines as a writer does: open, write, close."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + end)
