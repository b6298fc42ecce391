"""The base class of inputs that read files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from monitor_agent.errors import PipelineError
from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.file_set import FileSet
from monitor_agent.logstash.files.line_batch import Checkpoint, LineBatch
from monitor_agent.logstash.files.positions import Positions
from monitor_agent.logstash.plugin import Codec, Event, EventBatch, PluginConfig


class FilesInput(ABC):
    """An input whose events are lines of files; a subclass selects the files and makes events of a line."""

    def __init__(self, config: PluginConfig, selection: FileSelection, positions: Positions) -> None:
        self.id = config.id
        self._codec: Codec = config.options["codec"]
        self._counters = config.counters
        self._files = FileSet(selection, positions)

    @abstractmethod
    def events_of(self, line: bytes, path: str) -> list[Event]:
        """Return the events of a line of the file at `path`."""

    def open(self) -> None:
        """Find the files and their positions.

        Raises
        ------
        PipelineError
            If the positions cannot be read or written.
        """
        try:
            self._files.open()
        except OSError as error:
            raise PipelineError(
                f"{error.filename} cannot be read ({error.strerror})", "correct its permissions"
            ) from error

    def read(self, limit: int) -> EventBatch | None:
        """Return the events of up to `limit` lines; None if there is no line."""
        reading = self._files.read(limit)
        if reading is None:
            return None
        self._counters.events_in += reading.lines
        return EventBatch(self._events(reading), reading.checkpoint, reading.bytes)

    def _events(self, reading: LineBatch) -> Iterator[Event]:
        for path, lines in reading.pieces:
            for line in lines:
                events = self.events_of(line, path)
                self._counters.events_out += len(events)
                yield from events

    @property
    def finished(self) -> bool:
        """Return False: files may always grow."""
        return False

    def acknowledge(self, positions: Sequence[Checkpoint]) -> None:
        """Store on disk what is delivered.

        Raises
        ------
        PipelineError
            If that cannot be written.
        """
        self._files.acknowledge(positions)

    def backlog(self) -> dict[str, int | float]:
        """Return how much is there, read and delivered, for the statistics."""
        return self._files.backlog()

    def close(self) -> None:
        """Close the files."""
        self._files.close()
