"""The positions of followed files on disk, for two threads: the one that reads and the one that acknowledges."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from monitor_agent.logstash.files.followed_file import FollowedFile
from monitor_agent.logstash.files.line_batch import Checkpoint
from monitor_agent.logstash.files.positions import FileKey, FilePosition, Positions

SIZE_SECONDS = 10.0
"""The size of a file whose lines are not delivered is stored at most so often."""


class StoredPositions:
    """Changes entries; `save` writes them if there is a change."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._lock = threading.Lock()
        self._changed = False

    def load(self) -> None:
        """Read the file of positions."""
        self._positions.load()

    def all(self) -> list[FilePosition]:
        """Return all entries, the one that was updated last at the end."""
        return self._positions.all()

    def get(self, key: FileKey) -> FilePosition | None:
        """Return the entry of a file."""
        with self._lock:
            return self._positions.get(key)

    def acknowledge(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Store, on disk, that everything up to these checkpoints is delivered."""
        with self._lock:
            files: set[FollowedFile] = set()
            for checkpoint in checkpoints:
                for file, mark in checkpoint.items():
                    if not file.superseded:
                        file.delivered = mark
                        files.add(file)
            for file in files:
                self._positions.put(file.position())
            self._save()

    def store(self, file: FollowedFile) -> None:
        """Store the position of a file, if it is not stored so; another size alone is no reason."""
        position = file.position()
        with self._lock:
            stored = self._positions.get(file.key)
            if stored is None or replace(stored, updated=position.updated, size=position.size) != position:
                self._positions.put(position)
                self._changed = True

    def store_size(self, file: FollowedFile, *, now: bool = False) -> None:
        """Store the size of a file if it has changed; now and then, or now."""
        stored = self.get(file.key)
        if stored is None or (stored.size != file.latest_size and (now or time.time() - stored.updated > SIZE_SECONDS)):
            position = file.position()
            with self._lock:
                self._positions.put(position)
                self._changed = True

    def close(self, position: FilePosition) -> None:
        """Take note that nothing is to be reported of the file of an entry any more."""
        with self._lock:
            position.closed = self._changed = True

    def forget(self, key: FileKey) -> None:
        """Drop the entry of a file."""
        with self._lock:
            self._positions.forget(key)
            self._changed = True

    def save(self) -> None:
        """Write the entries to disk if one has changed.

        Raises
        ------
        PipelineError
            If that is not possible.
        """
        with self._lock:
            if self._changed:
                self._save()

    def _save(self) -> None:
        self._positions.save()
        self._changed = False
