"""When a file gets no more lines: then its unfinished last line counts, and the file may be closed or deleted."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from monitor_agent.logstash.files.file_patterns import FileMatch
from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.followed_file import FollowedFile
from monitor_agent.logstash.files.positions import FileKey

UNSURE_SECONDS = 60.0
"""A deleted file is read until it has not grown for this time, if the system does not say whether it has a writer."""

_log = structlog.get_logger()


class FileEndings:
    """Decides about files that are delivered and do not grow."""

    def __init__(self, selection: FileSelection) -> None:
        self._selection = selection
        self._newest: dict[str, tuple[int, FileKey]] = {}
        self._reported = False
        self._spared: set[FileKey] = set()

    def notice(self, matches: Mapping[FileKey, FileMatch]) -> None:
        """Take note of the last change in each folder, and of the file that changed then."""
        self._newest = {}
        for key, match in matches.items():
            folder = match.path.rpartition("/")[0]
            self._newest[folder] = max(self._newest.get(folder, (0, key)), (match.changed, key))

    def is_final(self, file: FollowedFile, idle: float, patience: float) -> bool:
        """Return whether a file gets no more bytes: it was rotated or deleted, and nobody writes it.

        Parameters
        ----------
        idle, patience : seconds since the file last grew; so long it is read in any case.
        """
        if idle <= patience or (file.listed and not self._has_successor(file)):
            return False
        writer = file.has_writer()
        if writer is None:
            return idle > (UNSURE_SECONDS if file.is_deleted() else self._selection.close_seconds)
        return not writer

    def may_remove(self, file: FollowedFile, idle: float) -> bool:
        """Return whether a delivered file may be deleted; warn once if the system does not say who writes it."""
        removable = self._selection.removable
        if removable is None or file.key in self._spared or not removable(file.path, idle):
            return False
        writer = file.has_writer() if self._selection.foreign_writers else False
        if writer is None and not self._reported:
            self._reported = True
            _log.warning(
                "delivered files are not removed: the system does not say whether a process still writes them",
                path=file.name,
                remedy="run the pipeline as the owner of the files or with CAP_LEASE; use a local disk for the files",
            )
        return writer is False

    def spare(self, file: FollowedFile) -> None:
        """Take note that a file cannot be deleted."""
        self._spared.add(file.key)

    def _has_successor(self, file: FollowedFile) -> bool:
        """Return whether another file in the folder is newer."""
        changed, key = self._newest.get(file.path.rpartition("/")[0], (0, file.key))
        return key != file.key and file.state is not None and changed >= file.state[1]
