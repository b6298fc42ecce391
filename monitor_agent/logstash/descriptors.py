"""How many event files may be open at once: the rest of the limit is for connections, statistics and positions."""

from __future__ import annotations

import resource
import sys
import threading

RESERVED = 128
"""Descriptors that are not used for event files; at most half of the limit."""
LEAST_FILES = 4
"""Each input may have this many files open, however many the others have."""


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
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(LEAST_FILES, limit - min(RESERVED, limit // 2))


EVENT_FILES = DescriptorBudget()
