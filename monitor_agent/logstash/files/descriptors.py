"""How many event files may be open at once: the rest of the limit is for connections, statistics and positions."""

from __future__ import annotations

import resource
import sys
import threading

RESERVED = 128
"""At least so many descriptors are not used for event files, or half of the limit if that is less."""
LEAST_FILES = 4
"""Each input may have this many files open, however many the others have."""
LEAST_CONNECTIONS = 4
"""An input may have this many connections of clients, however low the limit is."""


class DescriptorBudget:
    """Counts the open event files of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used = 0

    def add(self, count: int) -> None:
        """Count files that were opened, or closed if `count` is negative."""
        with self._lock:
            self._used += count

    def has_room(self, open_files: int) -> bool:
        """Return whether an input that has so many files open may open another."""
        return open_files < LEAST_FILES or self._used < most_files()


def most_files() -> int:
    """Return how many event files this process may have open."""
    limit = _limit()
    return max(LEAST_FILES, limit - min(max(RESERVED, limit // 4), limit // 2))


def most_connections() -> int:
    """Return how many connections of clients an input may have open: half of what event files leave, at most."""
    return max(LEAST_CONNECTIONS, _limit() // 8)


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


EVENT_FILES = DescriptorBudget()
