"""Actions at moments of a replay: they run in the order of their moments, with the clock set to each."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any

from monitor_agent.demo.event_lines import ReplayClock


class Timeline:
    """Actions that wait for their moments."""

    def __init__(self, clock: ReplayClock) -> None:
        self._clock = clock
        self._waiting: list[tuple[datetime, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = count()

    def add(self, moment: datetime, action: Callable[..., object], *arguments: Any) -> None:
        """Add an action; actions of one moment run in the order in which they were added."""
        heapq.heappush(self._waiting, (moment, next(self._order), action, arguments))

    def run_until(self, moment: datetime) -> int:
        """Run the actions before a moment, and return how many there were; the clock then stands at the moment."""
        number = 0
        while self._waiting and self._waiting[0][0] < moment:
            self._clock.moment, _, action, arguments = heapq.heappop(self._waiting)
            action(*arguments)
            number += 1
        self._clock.moment = moment
        return number
