"""The time as an argument: the machine's clock, and a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Returns the time."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(timezone.utc)


@dataclass(frozen=True)
class FixedClock:
    """A clock that always returns the same time: for replays of old logs, and for tests."""

    moment: datetime

    def now(self) -> datetime:
        """Return the fixed moment in UTC."""
        return self.moment.astimezone(timezone.utc)
