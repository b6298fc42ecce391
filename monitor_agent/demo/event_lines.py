"""Event files of services whose clock is a replay's clock, and the lines that they have not delivered yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from monitor_agent.prediction_log import EventLog

EVERYTHING = 2**40
"""Bytes at which an event file would be rotated: a replay's files are never rotated."""


class ReplayClock:
    """A clock that is set by hand."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.moment


@dataclass
class ServiceFile:
    """The event file of one service, written by a replay's clock.

    Attributes
    ----------
    log : writes the lines.
    """

    log: EventLog
    _delivered: int = field(default=0)

    @classmethod
    def opened(cls, folder: Path, clock: ReplayClock) -> ServiceFile:
        """Return a service that begins to write into a folder."""
        return cls(EventLog(folder, rotate_bytes=EVERYTHING, sync_seconds=0.0, clock=clock.now))

    @property
    def path(self) -> str:
        """The path of the file."""
        return str(self.log.path)

    def new_lines(self) -> list[bytes]:
        """Return the lines that were written since the last call."""
        with self.log.path.open("rb") as file:
            file.seek(self._delivered)
            content = file.read()
        self._delivered += len(content)
        return content.splitlines()


@contextmanager
def services(folder: Path, names: Sequence[str], clock: ReplayClock) -> Iterator[dict[str, ServiceFile]]:
    """Yield the event file of each service by its name; they are closed afterwards."""
    files = {name: ServiceFile.opened(folder, clock) for name in names}
    try:
        yield files
    finally:
        for file in files.values():
            file.log.close()
