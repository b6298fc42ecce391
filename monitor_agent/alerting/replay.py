"""What a list of alerts would have fired over stored documents (pure, but for the history that it reads from).

The conditions and firings are those of the agent: only the counting differs. The agent asks Elasticsearch in every
cycle which documents count; a replay gets all of them once, and moves through them in time. An evaluation that can
change nothing is left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from monitor_agent.alerting.conditions import GroupCounts, breaches_of, newest_count
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Breach, Firing, Group, evaluate, waiting
from monitor_agent.durations import parse_duration
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval


@dataclass(frozen=True)
class CountedDocument:
    """A document that meets an alert's condition.

    Attributes
    ----------
    time : its `@timestamp`.
    available : since when the agent could have read it with these values.
    until : until when it counts.
    end : the end of its window; None = it is none of a window.
    values : the fields that the alert compares.
    """

    group: Group
    time: datetime
    available: datetime
    until: datetime
    end: datetime | None
    values: tuple[float | None, ...]


class ReplayHistory(Protocol):
    """Reads stored documents."""

    def documents(self, alert: Alert, interval: Interval) -> Iterable[CountedDocument]:
        """Return the documents with a time in an interval that meet an alert's condition."""

    def stays_open(self, alert: Alert, group: Group, now: datetime) -> bool:
        """Return whether an open firing of a group did not recover at a moment, as `conditions.staying_open` says."""


@dataclass
class _AlertDocuments:
    """The documents of one alert that count at a moment, which only goes forward."""

    alert: Alert
    coming: list[CountedDocument]
    current: dict[Group, list[CountedDocument]] = field(default_factory=dict)
    ends: list[datetime] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)

    def advance(self, now: datetime) -> bool:
        """Move to a moment; return whether other documents count than before."""
        changed = False
        while self.coming and self.coming[-1].available <= now:
            document = self.coming.pop()
            if document.until >= now:
                self.current.setdefault(document.group, []).append(document)
                heapq.heappush(self.ends, document.until)
                changed = True
        if self.ends and self.ends[0] < now:
            while self.ends and self.ends[0] < now:
                heapq.heappop(self.ends)
            for group, documents in list(self.current.items()):
                left = [document for document in documents if document.until >= now]
                if left:
                    self.current[group] = left
                else:
                    del self.current[group]
            changed = True
        return changed

    def next_change(self) -> datetime | None:
        """Return the first moment at which other documents count."""
        moments = [self.coming[-1].available] if self.coming else []
        moments += [self.ends[0] + instants.MILLISECOND] if self.ends else []
        return min(moments, default=None)

    def count(self) -> None:
        """Find out which groups meet the condition."""
        groups = self.current if self.alert.group_by else {(): self.current.get((), [])}
        limits = self.alert.limits()
        worst = [max if limits[name][0] == "max" else min for name in self.alert.values]
        counts = []
        for group, documents in groups.items():
            columns = zip(*(document.values for document in documents), strict=True) if documents else ()
            values = {
                name: choose((value for value in column if value is not None), default=None)
                for name, choose, column in zip(self.alert.values, worst, columns, strict=False)
            }
            counts.append(GroupCounts(group, len(documents), values, *self._newest(documents)))
        self.breaches = breaches_of(self.alert, counts)

    def _newest(self, documents: Sequence[CountedDocument]) -> tuple[tuple[datetime, ...], timedelta | None]:
        count = newest_count(self.alert)
        if not count or not documents:
            return (), None
        times = sorted({document.time for document in documents}, reverse=True)[:count]
        ends = [row.end for row in documents if row.time == times[0] and row.end is not None]
        return tuple(times), (max(ends) - times[0] or None) if ends else None


def replay(alerts: Sequence[Alert], history: ReplayHistory, interval: Interval, period: timedelta) -> list[Firing]:
    """Return the firings that would have become active in an interval, as they were at its end; the oldest first.

    The replay begins without any firing.

    Parameters
    ----------
    period : the time from one evaluation to the next.
    """
    evaluated = [alert for alert in alerts if alert.agent]
    rows = [_documents_of(alert, history, interval) for alert in evaluated]
    by_id = {alert.id: alert for alert in evaluated}
    unchanged_time = max((parse_duration(alert.interval) for alert in evaluated), default=period) + period
    firings: list[Firing] = []
    active: dict[tuple[tuple[str, Group], datetime], Firing] = {}
    now, changed_at = interval.start, interval.start
    while now < interval.end:
        # Not `any`: all rows have to move.
        moved = [row for row in rows if row.advance(now)]
        for row in moved if now > interval.start else rows:
            row.count()
        breaches = [breach for row in rows for breach in row.breaches]
        frozen = {row.key for row in waiting(firings, breaches) if history.stays_open(by_id[row.rule], row.group, now)}
        after = evaluate(evaluated, breaches, firings, now, frozen)
        # By what makes the id: it takes a while to compute.
        active |= {(firing.key, firing.start): firing for firing in after if firing.active_since is not None}
        changed_at = now if moved or after != firings else changed_at
        firings = [firing for firing in after if firing.open]
        moments = [interval.end, *(change for row in rows if (change := row.next_change()) is not None)]
        if frozen or changed_at == now:
            moments = [now]
        elif now - changed_at < unchanged_time:
            # Only one evaluation counts in each interval of an alert.
            moments += [_next_interval(by_id[firing.rule], now) for firing in firings]
        # Otherwise each alert has been evaluated since without a change: only other documents can change anything.
        now += max(1, -((now - min(moments)) // period)) * period
    return sorted(active.values(), key=lambda firing: (firing.start, firing.key))


def _documents_of(alert: Alert, history: ReplayHistory, interval: Interval) -> _AlertDocuments:
    look_back = parse_duration(alert.look_back)
    documents = history.documents(alert, Interval(interval.start - look_back, interval.end))
    return _AlertDocuments(alert, sorted(documents, key=lambda row: row.available, reverse=True))


def _next_interval(alert: Alert, now: datetime) -> datetime:
    """Return when the next evaluation of an alert counts."""
    length = parse_duration(alert.interval)
    return now + length - (now - instants.EPOCH) % length
