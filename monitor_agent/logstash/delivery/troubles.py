"""The present troubles of an output: one about the way to Elasticsearch, and one for each index that takes nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import structlog

GENERAL = ""
"""The key of a trouble that concerns every document."""
WARN_SECONDS = 10.0
"""A general trouble that lasts is logged again after this time; the trouble of one index after a longer time."""
_INDEX_WARN_SECONDS = 600.0
_MOST_MESSAGES = 5

_log = structlog.get_logger()


@dataclass
class _Trouble:
    message: str
    label: str
    since: float
    warned: float


class Troubles:
    """Several threads may note and clear troubles at once; each new trouble and each recovery is logged."""

    def __init__(self) -> None:
        self._by_key: dict[str, _Trouble] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._by_key)

    def of_indices(self) -> bool:
        """Return whether there is a trouble that does not concern every document."""
        return len(self._by_key) > (GENERAL in self._by_key)

    def note(self, key: str, message: str, label: str = "") -> None:
        """Keep a trouble, in the place of an earlier one with this key.

        Parameters
        ----------
        key : `GENERAL`, or the name of that which takes no documents.
        label : two or three words, for counts.
        """
        now = time.monotonic()
        with self._lock:
            trouble = self._by_key.get(key)
            due = trouble is None or now - trouble.warned > (WARN_SECONDS if key == GENERAL else _INDEX_WARN_SECONDS)
            since = now if trouble is None else trouble.since
            warned = now if trouble is None or due else trouble.warned
            self._by_key[key] = _Trouble(message, label, since, warned)
        if due:
            _log.warning(message)

    def clear(self, key: str) -> None:
        """Forget the trouble with this key, if there is one."""
        if key not in self._by_key:
            return
        with self._lock:
            trouble = self._by_key.pop(key, None)
        if trouble is not None:
            _log.info("elasticsearch takes documents again", after=trouble.message)

    def label(self, key: str) -> str:
        """Return the label of the trouble with this key; "" if there is none."""
        trouble = self._by_key.get(key)
        return trouble.label if trouble else ""

    def seconds(self, key: str) -> float | None:
        """Return for how long there has been a trouble with this key; None if there is none."""
        trouble = self._by_key.get(key)
        return None if trouble is None else time.monotonic() - trouble.since

    def text(self) -> str:
        """Return all troubles in one line; "" if there is none."""
        with self._lock:
            messages = [trouble.message for _, trouble in sorted(self._by_key.items())]
        further = len(messages) - _MOST_MESSAGES
        return "; ".join(messages[:_MOST_MESSAGES] + ([f"and {further} more troubles"] if further > 0 else []))
