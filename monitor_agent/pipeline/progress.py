"""What the agent remembers of the events that it has counted (pure)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.countable import RULES
from monitor_agent.pipeline.instants import DAY, HOUR, Interval
from monitor_agent.pipeline.stale_windows import HourCounts

NOT_COUNTED = -1
"""The remembered number of documents of an index that must be counted again."""


@dataclass(frozen=True)
class Progress:
    """The content of a state document of the kind `progress`.

    Attributes
    ----------
    documents : index -> number of documents when it was counted.
    hours : index -> start of an hour -> number of documents in the hour.
    set_aside : index -> reason -> number of documents that cannot be counted.
    """

    documents: Mapping[str, int] = field(default_factory=dict)
    hours: HourCounts = field(default_factory=dict)
    set_aside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Progress:
        """Return what `content` wrote; if that cannot be read, nothing is remembered, and everything is counted again.

        Days that were counted by other rules are counted again, once: these rules did not leave out the same documents.
        Their indices are remembered.

        >>> Progress.from_content({"documents": "all", "rules": RULES})
        Progress(documents={}, hours={}, set_aside={})
        """
        try:
            documents = {str(index): int(count) for index, count in content.get("documents", {}).items()}
            if content.get("rules") != RULES:
                documents = dict.fromkeys(documents, NOT_COUNTED)
            hours = _counts_by_index(content.get("hours", {}))
            for counts in hours.values():
                for hour in counts:
                    instants.parse(hour)
            return cls(documents, hours, _counts_by_index(content.get("set_aside", {})))
        except (AttributeError, OverflowError, TypeError, ValueError):
            return cls()

    def content(self) -> dict[str, Any]:
        """Return the content of the state document."""
        return {"documents": self.documents, "hours": self.hours, "set_aside": self.set_aside, "rules": RULES}

    def to_be_counted_again(self, intervals: Iterable[Interval]) -> Progress:
        """Return the progress without one hour of each interval: the next cycle finds the interval changed."""
        documents = dict(self.documents)
        hours = {index: dict(counts) for index, counts in self.hours.items()}
        for interval in intervals:
            inside = [
                (hour, index)
                for index, counts in hours.items()
                for hour in counts
                if index in documents and _from(instants.parse(hour), HOUR).overlaps(interval)
            ]
            if inside:
                hour, index = max(inside)
                del hours[index][hour]
                documents[index] = NOT_COUNTED
            elif days := [(day, index) for day, index in _days(documents) if _from(day, DAY).overlaps(interval)]:
                documents[max(days)[1]] = NOT_COUNTED
        return Progress(documents, hours, self.set_aside)


def _from(start: datetime, length: timedelta) -> Interval:
    return Interval(start, start + length)


def _days(indices: Iterable[str]) -> Iterator[tuple[datetime, str]]:
    """Yield the indices that have a day in their name, with that day."""
    contracts: tuple[IndexContract, ...] = (PREDICTIONS, ERRORS)
    for index in indices:
        for contract in contracts:
            if index.startswith(contract.name):
                with contextlib.suppress(ValueError):
                    yield contract.day_of(index), index


def _counts_by_index(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    return {str(index): {str(name): int(count) for name, count in counts.items()} for index, counts in content.items()}
