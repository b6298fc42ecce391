"""Counts the features that are left out of the events, and warns once: somebody may have forgotten to list them."""

from __future__ import annotations

import threading
from collections.abc import Collection

import structlog

from monitor_agent.prediction_log.names import loggable

MOST_NAMES = 10
_log = structlog.get_logger()


class LeftOutFeatures:
    """The features outside the allow-lists since the start; safe for threads.

    Attributes
    ----------
    count : number of features that were left out of events.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self, names: Collection[str]) -> None:
        """Count the features of an instance; warn of the first ones.

        Parameters
        ----------
        names : the clients choose them, so only those that can be on a list are logged.
        """
        if not names:
            return
        with self._lock:
            first, self.count = not self.count, self.count + len(names)
        if first:
            _log.warning(
                "features that are on no list are left out of the events: add them to MODEL_SERVER_NUMERIC_FEATURES or "
                "MODEL_SERVER_CATEGORICAL_FEATURES, or set MODEL_SERVER_LOG_OTHER_FEATURES",
                features=sorted(name for name in names if loggable(name) == name)[:MOST_NAMES],
            )
